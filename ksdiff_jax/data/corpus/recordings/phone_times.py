"""The times of the phones and words of a recording, from a TextGrid or a file of labels.

| file | phones | words |
|---|---|---|
| `.TextGrid` | the tier `phones`, `MAU`, `Ada - phones` or similar | `words`, `ORT-MAU`, if any |
| `.lab` of HTK or festival, `.phn` of TIMIT, `.ctm` | all labels | none |

Phones follow each other: one that begins before the other ends is an error, up to a millisecond of
rounding. What no phone covers is silence. Of a name in HTK's full-context form `a^b-c+d=e` the
centre c is read.
"""

import re
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.data.corpus.recordings.phone_names import is_silence
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.ctm import read_ctm
from ksdiff_jax.speech.transcripts.encoding import read_text
from ksdiff_jax.speech.transcripts.labels import timed_labels
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, lasts
from ksdiff_jax.speech.transcripts.text_grid import Tier, is_text_grid, read_tiers

ENDINGS = (".textgrid", ".lab", ".phn")  # the first that lies beside a recording is read
LARGEST_OVERLAP_S = 0.001
LONGEST_OVERRUN_S = 0.05  # of the last phone: aligners round up to their frames
LEAST_COVERED = 0.1  # of the recording; less means times in another unit
_PHONES = re.compile(
    r"(?:.*[ _-])?(?:phones?|phonemes?|phns?|segments?|mau)(?:[ _-].*)?", re.IGNORECASE
)
_WORDS = re.compile(r"(?:.*[ _-])?(?:words?|wrd|ort|orthography)(?:-mau|[ _-].*)?", re.IGNORECASE)
_CENTRE = re.compile(r"-([^-+]+)\+")


class SpeechTimes(NamedTuple):
    """Phones by the names of their file, and words; silences are not in either."""

    phones: tuple[Spoken, ...]
    words: tuple[Spoken, ...] = ()


def read_times(path: Path, *, stem: str = "") -> SpeechTimes | None:
    """Return the times in a file, or None if it has none of phones: a `.lab` of words, as some
    aligners read it, or a TextGrid with a tier of words alone. `stem` names the recording in a file
    of several, by default that of the file.
    """
    stem = stem or path.stem
    text = read_text(path)
    if is_text_grid(text):
        start_s, tiers = read_tiers(path, text)
        phones, words = (
            tuple(
                Spoken(item.text, item.start_s - start_s, item.end_s - start_s)
                for item, _ in (tier.texts if tier else ())
            )
            for tier in _tiers(path, [tier for tier in tiers if tier.is_intervals])
        )
    elif path.suffix.lower() == ENDINGS[0]:
        raise InputError(f"{path}: not a TextGrid in Praat's text form; save it as a text file")
    elif path.suffix.lower() == ".ctm":
        phones, words = read_ctm(path, text, stem=stem).spoken, ()
    else:
        labels, words = timed_labels(path, text, stem=stem), ()
        phones = tuple(label._replace(text=_centre(label.text)) for label in labels)
    if not phones:
        return None
    _check_order(path, phones)
    _check_order(path, words)
    return SpeechTimes(
        tuple(phone for phone in phones if not is_silence(phone.text)),
        tuple(word for word in words if not is_silence(word.text)),
    )


def check_inside(path: Path, times: SpeechTimes, *, duration_s: float) -> SpeechTimes:
    """Return times that end with the recording; raise `InputError` if they do not belong to it."""
    last_s = max((phone.end_s for phone in times.phones), default=0.0)
    if last_s > duration_s + LONGEST_OVERRUN_S:
        raise InputError(
            f"{path}: times up to {last_s:.2f} s, the recording lasts {duration_s:.2f} s; they "
            "are of another recording, or in another unit"
        )
    if 0 < last_s < LEAST_COVERED * duration_s:
        raise InputError(
            f"{path}: the times end at {last_s:.3f} s of {duration_s:.2f} s; seconds are needed, "
            "or 100 ns as whole numbers (HTK)"
        )
    return SpeechTimes(
        *(
            tuple(
                item._replace(end_s=min(item.end_s, duration_s))
                for item in items
                if item.start_s < duration_s
            )
            for items in times
        )
    )


def _tiers(path: Path, tiers: list[Tier]) -> tuple[Tier | None, Tier | None]:
    """Return the tier of phones and the one of words."""
    names = ", ".join(repr(tier.name) for tier in tiers) or "none"
    phones = [tier for tier in tiers if _PHONES.fullmatch(tier.name.strip())]
    words = [tier for tier in tiers if _WORDS.fullmatch(tier.name.strip())]
    if not phones and words:
        return None, None
    if len(phones) != 1:
        got = f"{len(phones)} tiers of phones" if phones else "no tier of phones"
        raise InputError(
            f"{path}: {got} among the interval tiers {names}; one is needed, named `phones`"
        )
    return phones[0], words[0] if len(words) == 1 else None


def _check_order(path: Path, items: tuple[Spoken, ...]) -> None:
    before_s = 0.0
    for item in items:
        if not lasts(item):
            raise InputError(
                f"{path}: {item.text!r} lasts from {item.start_s:g} to {item.end_s:g} s; an "
                "interval begins at 0 or later and ends after it begins"
            )
        if item.start_s < before_s - LARGEST_OVERLAP_S:
            raise InputError(
                f"{path}: {item.text!r} begins at {item.start_s:g} s, before {before_s:g} s, where "
                "the interval before it ends; one phone or word at a time is needed"
            )
        before_s = item.end_s


def _centre(name: str) -> str:
    found = _CENTRE.search(name)
    return found[1] if found else name
