"""The phones of one recording, in IPA, from a file that the caller names.

| file | phones |
|---|---|
| `.TextGrid`, `.lab`, `.phn`, `.ctm` | in ARPABET, X-SAMPA or IPA (`phone_times.py`) |
| `.words.TextGrid`, `.words.json` of `ksdiff-jax animate` | in IPA |

The notation is that of the whole file (`phone_names.py`).
"""

from pathlib import Path

from ksdiff_jax.data.corpus.recordings.phone_names import ipa_names
from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes, check_inside, read_times
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.encoding import read_text
from ksdiff_jax.speech.transcripts.spoken_words import read_words

# The first that a folder has for a recording is read.
ENDINGS = (".textgrid", ".lab", ".phn", ".ctm", ".words.textgrid", ".words.json")
SHOWN_NAMES = 8


def find_phones(folder: Path, stem: str) -> Path | None:
    """Return the file of a recording's phones in a folder, or None if there is none."""
    beside = {
        entry.name[len(stem) :].lower(): entry
        for entry in sorted(folder.iterdir())
        if entry.name.startswith(f"{stem}.") and entry.is_file()
    }
    return next((beside[ending] for ending in ENDINGS if ending in beside), None)


def read_phones(path: Path, *, stem: str, duration_s: float) -> SpeechTimes:
    """Return the phones in IPA, and the words if the file has them, of the recording `stem`, which
    lasts `duration_s` seconds.

    Raises `InputError` if the file has no phones, a name that is in no notation, or times that are
    not of this recording.
    """
    if path.suffix.lower() == ".json":
        words, phones = read_words(path, read_text(path))
        times = SpeechTimes(phones, words)
    else:
        times = read_times(path, stem=stem) or SpeechTimes(())
        notation, ipa, unknown = ipa_names(phone.text for phone in times.phones)
        if unknown:
            shown = ", ".join(repr(name) for name in unknown[:SHOWN_NAMES])
            more = f" and {len(unknown) - SHOWN_NAMES} more" * (len(unknown) > SHOWN_NAMES)
            raise InputError(
                f"{path}: {shown}{more} are no phones of {notation}; need names of ARPABET, "
                "X-SAMPA or IPA"
            )
        named = (phone._replace(text=ipa[phone.text]) for phone in times.phones)
        times = times._replace(phones=tuple(named))
    if not times.phones:
        raise InputError(
            f"{path}: no times of phones; need a TextGrid with a tier `phones`, labels (.lab, "
            ".phn, .ctm), or a words.json that has them"
        )
    return check_inside(path, times, duration_s=duration_s)
