"""Transcripts in every form, as loosely as they are found; the words are known.

No damage makes them speak times.
"""

import json
import re
from pathlib import Path

import numpy as np

from ksdiff_jax.speech.transcripts.read import read_transcript
from tests.fuzz.damage import damaged
from tests.fuzz.forked import Case, Outcome

WORDS = (
    "hello",
    "no",
    "no",
    "we",
    "are",
    "don't",
    "Zürich",
    "你好",
    "again",
    "O'Neill",
    "café",
    "sure",
    "well",
)
TIME_LINE = re.compile(r"\d\d:\d\d[:.,]\d\d.*-->")


def make(rng: np.random.Generator, folder: Path) -> Case:
    """A transcript of two to eight words."""
    words = [str(word) for word in rng.choice(WORDS, int(rng.integers(2, 9)))]
    ends_s = np.cumsum(rng.uniform(0.15, 0.9, len(words))).round(3)
    times = list(zip((ends_s - 0.1).tolist(), ends_s.tolist(), strict=True))
    kind = str(rng.choice(list(FORMS)))
    text = FORMS[kind](words, times, rng)
    encoding, data = _encoded(text, rng, plain=kind in ("lab", "ctm"))
    known = rng.random() < 0.6
    how, data = ("whole", data) if known else damaged(data, rng)
    ending = kind.split("_")[0]
    path = folder / f"a.{ending if rng.random() < 0.5 else ending.upper()}"
    path.write_bytes(data)
    name = f"{kind} {encoding} {how}: {words}"
    return Case(
        name,
        known,
        lambda: read_transcript(path),
        lambda outcome: _judge(outcome, words, known=known),
    )


def _judge(outcome: Outcome, words: list[str], *, known: bool) -> str:
    if outcome.value is None:
        return f"refused: {outcome.refusal}" if known else ""
    transcript = outcome.value
    if TIME_LINE.search(transcript.text):
        return f"speaks a time line: {transcript.text!r}"
    spoken = [item for item in transcript.spoken if not 0 <= item.start_s <= item.end_s]
    if spoken:
        return f"times out of order: {spoken[0]}"
    if known and transcript.text != " ".join(words):
        return f"{transcript.text!r}"
    if known and outcome.notices:
        return f"a false notice: {outcome.notices[0]}"
    return ""


def _encoded(text: str, rng: np.random.Generator, *, plain: bool) -> tuple[str, bytes]:
    ends = str(rng.choice(["\n", "\r\n", "\r"]))
    text = text.replace("\n", ends)
    encoding = "utf-8" if plain else str(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))
    return f"{encoding} {ends!r}", text.encode(encoding)


def _clock(time_s: float, rng: np.random.Generator, mark: str, *, hours: bool = True) -> str:
    milliseconds = round(1000 * time_s)
    minutes, rest = divmod(milliseconds, 60_000)
    head = "00:" if hours else ""
    return f"{head}{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def _srt(words, times, rng, mark=",", hours=True, heading="") -> str:
    blank = "\n" if rng.random() < 0.7 else ""
    counters = rng.random() < 0.8 or not blank
    styled = rng.random() < 0.3
    blocks = []
    for number, (word, (start_s, end_s)) in enumerate(zip(words, times, strict=True), start=1):
        head = f"{number}\n" if counters else ""
        line = f"<i>{word}</i>" if styled else word
        begin, end = (_clock(time_s, rng, mark, hours=hours) for time_s in (start_s, end_s))
        blocks.append(f"{head}{begin} --> {end}\n{line}\n{blank}")
    return heading + "".join(blocks)


def _vtt(words, times, rng) -> str:
    heading = str(
        rng.choice(
            [
                "WEBVTT\n\n",
                "WEBVTT - a title\n\n",
                "WEBVTT\nKind: captions\n\n",
                "WEBVTT\n\nNOTE a remark\n\nSTYLE\n::cue {color:red}\n\n",
            ]
        )
    )
    return heading + _srt(words, times, rng, mark=".", hours=rng.random() < 0.5)


def _text_grid(words, times, rng) -> str:
    long = rng.random() < 0.5
    marks = []
    for word, (start_s, end_s) in zip(words, times, strict=True):
        numbers = [f"{start_s:g}".removeprefix("0") or "0", f"{end_s:g}"]
        label = f'"{word}"'
        marks.append(
            "\n".join(
                [f"xmin = {numbers[0]}", f"xmax = {numbers[1]}", f"text = {label}"]
                if long
                else [*numbers, label]
            )
        )
    end = f"{times[-1][1]:g}"
    if long:
        intervals = "".join(f"intervals [{i}]:\n{mark}\n" for i, mark in enumerate(marks, start=1))
        return (
            'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = '
            f"{end}\ntiers? <exists>\n"
            'size = 1\nitem []:\nitem [1]:\nclass = "IntervalTier"\nname = "words"\nxmin = '
            f"0\nxmax = {end}\n"
            f"intervals: size = {len(marks)}\n{intervals}"
        )
    body = "\n".join(marks)
    return (
        'File type = "ooTextFile '
        f'short"\n"TextGrid"\n\n0\n{end}\n<exists>\n1\n"IntervalTier"\n"words"\n0\n{end}\n'
        f"{len(marks)}\n{body}\n"
    )


def _lab(words, times, rng) -> str:
    scale = 10_000_000
    rows = [
        f"{round(start * scale)} {round(end * scale)} {word}"
        for word, (start, end) in zip(words, times, strict=True)
    ]
    return "\n".join(rows) + "\n"


def _audacity(words, times, rng) -> str:
    return "".join(
        f"{start:.6f}\t{end:.6f}\t{word}\n" for word, (start, end) in zip(words, times, strict=True)
    )


def _whisper(words, times, rng) -> str:
    rows = [
        {"word": f" {word}", "start": start, "end": end}
        for word, (start, end) in zip(words, times, strict=True)
    ]
    segment = {
        "id": 0,
        "start": 0.0,
        "end": times[-1][1],
        "text": " " + " ".join(words),
        "words": rows,
    }
    return json.dumps(
        {"text": " ".join(words), "segments": [segment], "language": "en"},
        ensure_ascii=bool(rng.random() < 0.5),
    )


def _ctm(words, times, rng) -> str:
    return "".join(
        f"a 1 {start:.3f} {end - start:.3f} {word} 0.9\n"
        for word, (start, end) in zip(words, times, strict=True)
    )


FORMS = {
    "srt": _srt,
    "vtt": _vtt,
    "TextGrid": _text_grid,
    "lab": _lab,
    "txt_audacity": _audacity,
    "json_whisper": _whisper,
    "ctm": _ctm,
}
