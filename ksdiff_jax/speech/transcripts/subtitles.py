"""Converts the cues of an `.srt`, `.vtt` or `.sbv` file to the spoken text, without tags and
asides.

    00:00:01,000 --> 00:00:02,500             00:01.000 --> 00:02.500 align:start
    {\\an8}What is <i>said</i>.                What<00:01.300><c> is</c><00:01.600><c> said.</c>

If a file gives the time of every word, as YouTube's own captions do, the words have times;
otherwise the lines do.
"""

import html
import re
import warnings
from pathlib import Path

from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.cues import Cue, is_web_vtt, read_cues, seconds
from ksdiff_jax.speech.transcripts.never_spoken import spoken_text, without_names
from ksdiff_jax.speech.transcripts.rolling import Fresh, Shown, first_shown
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, TranscriptFileWarning

_READING = re.compile(r"<r[tp]\b[^<>]*>[^<>]*(?:</r[tp]>|(?=</ruby>))", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>|\[br\]|\\[Nh]", re.IGNORECASE)
_TAG = re.compile(
    r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|<>|\{\\[^{}]*\}|\{/?[ibus]\}|\{[a-zA-Z]:[^{}]*\}"
)
# A tag without an end: its name, and attributes of the form name=value.
_OPEN_TAG = re.compile(
    r"</?(?:[ibus]|font|span|c|v|lang|ruby)(?:\s+\w+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>]+))*(?=\s|$)"
    r"|\{\\[^{}\s]*",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,30});")
_WORD_TIME = re.compile(r"<(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9})[.,](\d{1,30})>")
_MARKED = re.compile(r"<(u|b|i|c|font)\b[^<>]*>([^<>]+)</\1>", re.IGNORECASE)
_STREAM_CLOCK = re.compile(r"^X-TIMESTAMP-MAP=.*$", re.MULTILINE)
# In a file with word times, the timed pieces that may contain several words.
LARGEST_SHARE_OF_PHRASES = 0.1


def read_subtitles(path: Path, text: str) -> Transcript:
    """Read the words of a file of cues if it times words, otherwise its lines.

    Broken lines are reported (`BrokenLines`).
    """
    broken = BrokenLines(path)
    web_vtt = is_web_vtt(text)
    cues = read_cues(text, broken, web_vtt=web_vtt or path.suffix.lower() == ".vtt")
    if web_vtt and (clock := _STREAM_CLOCK.search(text[:2000])):
        warnings.warn(
            f"{path}: {clock[0][:80]} refers its times to the clock of a stream; they are read as "
            "seconds from the start of the recording",
            TranscriptFileWarning,
            stacklevel=2,
        )
    cues = sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))
    fresh = first_shown([shown for shown in map(_shown, _without_twins(cues)) if shown.lines])
    words = _words(fresh) or _marked_words(cues, fresh)
    if words:
        return timed_transcript(path, words, broken, unit="word")
    texts = without_names([" ".join(item.lines) for item in fresh])
    lines = [
        NumberedText(Spoken(text, item.shown.start_s, item.shown.end_s), item.shown.line)
        for text, item in zip(texts, fresh, strict=True)
    ]
    return timed_transcript(path, lines, broken, unit="line")


def bare(text: str) -> str:
    """Return text without tags, with entities decoded; lines stay separate."""
    text = _BREAK.sub("\n", _READING.sub("", text))
    text = _OPEN_TAG.sub("", _TAG.sub("", text))
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text)


def _without_twins(cues: list[Cue]) -> list[Cue]:
    """Keep the first of several cues with equal times and text, which occur where pieces of a
    stream were joined.
    """
    return list({(cue.start_s, cue.end_s, *cue.lines): cue for cue in reversed(cues)}.values())[
        ::-1
    ]


def _shown(cue: Cue) -> Shown:
    raw = "\n".join(cue.lines)
    if not _WORD_TIME.search(raw):
        lines = tuple(spoken_text(bare(raw)).split("\n")) if raw else ()
        lines = tuple(filter(None, lines))
        return Shown(cue.start_s, cue.end_s, lines, ((),) * len(lines), raw, cue.line)
    lines, words = [], []
    for line in cue.lines:
        pieces = _timed_pieces(line, cue)
        if text := " ".join(piece.text for piece in pieces):
            lines.append(text)
            words.append(pieces if _WORD_TIME.search(line) else ())
    return Shown(cue.start_s, cue.end_s, tuple(lines), tuple(words), raw, cue.line)


def _timed_pieces(line: str, cue: Cue) -> tuple[Spoken, ...]:
    """Return the pieces of a line between its times; the first starts with the cue, the last ends
    with it.
    """
    starts, texts, last = [cue.start_s], [], 0
    for found in _WORD_TIME.finditer(line):
        texts.append(line[last : found.start()])
        starts.append(
            min(max(seconds(("", *found.groups())), starts[-1]), max(cue.start_s, cue.end_s))
        )
        last = found.end()
    texts.append(line[last:])
    pieces = [
        (" ".join(spoken_text(bare(text)).split()), start_s)
        for text, start_s in zip(texts, starts, strict=True)
    ]
    ends = [*starts[1:], max(cue.end_s, starts[-1])]
    return tuple(
        Spoken(text, start_s, end_s)
        for (text, start_s), end_s in zip(pieces, ends, strict=True)
        if text
    )


def _words(fresh: list[Fresh]) -> list[NumberedText]:
    """Return the timed words of a file in which lines are timed by words; empty for others."""
    words: list[NumberedText] = []
    for item in fresh:
        for line, timed in zip(item.lines, item.words, strict=True):
            pieces = timed or (Spoken(line, item.shown.start_s, item.shown.end_s),)
            words += [NumberedText(piece, item.shown.line) for piece in pieces]
    phrases = sum(len(word.spoken.text.split()) > 1 for word in words)
    if not any(
        timed for item in fresh for timed in item.words
    ) or phrases > LARGEST_SHARE_OF_PHRASES * len(words):
        return []
    return words


def _marked_words(cues: list[Cue], fresh: list[Fresh]) -> list[NumberedText]:
    """Return the words that are marked in consecutive cues, if they are the whole text; otherwise
    empty.
    """
    marked = []
    for cue in cues:
        found = _MARKED.findall("\n".join(cue.lines))
        if len(found) == 1:
            text = " ".join(spoken_text(bare(found[0][1])).split())
            marked.append(NumberedText(Spoken(text, cue.start_s, cue.end_s), cue.line))
    words = " ".join(" ".join(item.lines) for item in fresh).split()
    alike = [word for item in marked for word in item.spoken.text.split()] == words
    return marked if alike and len(marked) > len(fresh) else []
