"""Reads JSON of speech recognisers and aligners: the words with their times, otherwise the
segments.

| made by | words | segments |
|---|---|---|
| Whisper etc. | `words[]`, `segments[].words[]`: word, start, end | `segments[]`: text and times |
| whisper.cpp | | `transcription[]`: text, offsets {from, to} in ms |
| transformers | `chunks[]`: text, timestamp [start, end] | the same |
| AssemblyAI | `words[]`: text, start, end in ms | |
| Premiere | `segments[].words[]`: text, start, duration | |
| Vosk | `result[]`: word, start, end | |
| gentle | `words[]`: alignedWord or word, start, end | |
| Montreal aligner | `tiers.words.entries[]`: [start, end, word] | |
| aeneas | | `fragments[]`: lines, begin, end |
| this program (`ksdiff-words/1`) | `spoken[]`: text, start_s, end_s, by its `unit` | |

Words without times, which WhisperX writes for numbers, last from the previous word to the next one.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.chunks import spoken_words
from ksdiff_jax.speech.transcripts.never_spoken import is_silence, spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import SCHEMA, Transcript

_TEXTS = ("punctuated_word", "word", "text", "lines")
_STARTS, _ENDS = ("start", "begin", "start_s"), ("end", "end_s")

LONGEST_S = 60  # of words; longer times are not in seconds

_Item = tuple[Any, Any, Any]  # text, start and end in seconds as written in the file


def is_transcript(text: str) -> bool:
    """Return whether a text is JSON of one of these kinds."""
    try:
        return _items(_parsed(text)) is not None
    except (ValueError, RecursionError):
        return False


def is_json(text: str) -> bool:
    """Return whether a text is JSON of any kind."""
    try:
        _parsed(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_json(path: Path, text: str) -> Transcript:
    """Read the words, with their times if the file has them."""
    try:
        content = _parsed(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}, line 1: not JSON that can be read ({type(error).__name__})"
        ) from error
    found = _items(content)
    if found is None:
        raise InputError(
            f"{path}: JSON, but not of Whisper or another recogniser; need words or segments"
        )
    unit, items = found
    scale = _scale(items) if unit == "word" else 1.0
    chunks = []
    for words, start, end in items:
        label = " ".join(
            spoken_text(" ".join(words) if isinstance(words, list) else str(words)).split()
        )
        if not is_silence(label):
            chunks.append(
                {"text": label, "timestamp": (_seconds(start, scale), _seconds(end, scale))}
            )
    whole = content.get("text") if isinstance(content, dict) else None
    whole = (
        " ".join(spoken_text(whole).split()) if isinstance(whole, str) and whole.strip() else None
    )
    known = [moment for chunk in chunks for moment in chunk["timestamp"] if moment is not None]
    if not known:
        return Transcript(whole or " ".join(chunk["text"] for chunk in chunks), str(path))
    words = spoken_words(chunks, duration_s=max(known))
    return timed_transcript(
        path, [NumberedText(word, 1) for word in words], BrokenLines(path), unit=unit, text=whole
    )


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=lambda name: None)


def _items(content: Any) -> tuple[str, list[_Item]] | None:
    """Return ("word" or "line", its items), or None for other JSON."""
    if isinstance(content, list):
        content = {"segments": content}
    if not isinstance(content, dict):
        return None
    if content.get("schema") == SCHEMA:
        return content.get("unit", "word"), list(_fields(content.get("spoken")))
    segments = list(_dicts(content.get("segments")))
    words = [word for segment in segments for word in _fields(segment.get("words"))]
    in_all = segments and all(
        segment.get("words") for segment in segments if str(segment.get("text", "")).strip()
    )
    candidates = [
        ("word", words if in_all else []),
        *(
            ("word", list(_fields(content.get(name))))
            for name in ("words", "word_segments", "result")
        ),
        ("word", list(_entries(content))),
        ("line", list(_fields(segments))),
        ("line", list(_fields(content.get("fragments")))),
        ("line", list(_offsets(content.get("transcription")))),
    ]
    if filled := next(((unit, items) for unit, items in candidates if items), None):
        return filled
    if chunks := list(_chunks(content.get("chunks"))):
        return (
            "line" if any(" " in str(text).strip() for text, _, _ in chunks) else "word"
        ), chunks
    known = any(
        isinstance(content.get(name), list)
        for name in ("segments", "transcription", "chunks", "result", "words")
    )
    return ("word", []) if known and ("text" in content or "transcription" in content) else None


def _dicts(items: Any) -> Iterator[dict]:
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))


def _fields(items: Any) -> Iterator[_Item]:
    for item in _dicts(items):
        text, start, end = (
            next((item[name] for name in names if name in item), None)
            for names in (_TEXTS, _STARTS, _ENDS)
        )
        if (
            end is None
            and "duration" in item
            and None not in (at := (_seconds(start), _seconds(item["duration"])))
        ):
            end = sum(at)
        if text is not None:
            yield text, start, end


def _chunks(items: Any) -> Iterator[_Item]:
    for item in _dicts(items):
        times = item.get("timestamp")
        if "text" in item and isinstance(times, list) and len(times) == 2:
            yield item["text"], times[0], times[1]


def _offsets(items: Any) -> Iterator[_Item]:
    for item in _dicts(items):
        offsets = item.get("offsets")
        if "text" in item and isinstance(offsets, dict):
            start, end = (_seconds(offsets.get(name)) for name in ("from", "to"))
            yield (
                item["text"],
                None if start is None else start / 1000,
                None if end is None else end / 1000,
            )


def _entries(content: dict) -> Iterator[_Item]:
    tiers = content.get("tiers")
    tier = (
        next((tier for name, tier in tiers.items() if "word" in name.lower()), None)
        if isinstance(tiers, dict)
        else None
    )
    for entry in tier.get("entries") or [] if isinstance(tier, dict) else []:
        if isinstance(entry, list) and len(entry) == 3:
            yield entry[2], entry[0], entry[1]


def _scale(items: list[_Item]) -> float:
    """Return the seconds per unit: AssemblyAI's whole numbers are milliseconds, detected by words
    that would last minutes.
    """
    lengths = [end - start for _, start, end in items if type(start) is int and type(end) is int]
    timed = sum(start is not None for _, start, _ in items)
    return (
        0.001
        if lengths and len(lengths) == timed and sorted(lengths)[len(lengths) // 2] > LONGEST_S
        else 1.0
    )


def _seconds(value: Any, scale: float = 1.0) -> float | None:
    """Return a number, also one in quotes; None for anything else, and for a number that is not
    finite or negative.
    """
    try:
        number = scale * float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
