"""Reads a folder of recordings: the times of all phones, by IPA name.

Times lie beside a recording (`phone_times.py`), or come from its transcript by forced alignment
(`alignment.py`). All names are read before the first clip is made, because their notation is a
property of the whole set.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.data.corpus.recordings.alignment import HOW_TO_GET, Aligner, Unaligned
from ksdiff_jax.data.corpus.recordings.folder import Recording, find_recordings
from ksdiff_jax.data.corpus.recordings.phone_names import arpabet, ipa_names
from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes
from ksdiff_jax.errors import InputError, Notice

SHOWN_NAMES = 8
SHOWN_RECORDINGS = 3


class LabelledSpeech(NamedTuple):
    """Recordings, the times of all of them with phones in IPA."""

    recordings: list[Recording]
    notation: str  # of the phone names beside them
    aligned: int  # recordings whose times come from forced alignment

    @property
    def stressed(self) -> bool:
        """Whether any phone carries a stress mark."""
        return any(
            phone.text[:1] in ("ˈ", "ˌ")
            for recording in self.recordings
            for phone in recording.times.phones
        )


def read_speech(
    folder: Path,
    *,
    speaker: str = "",
    phones: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LabelledSpeech:
    """Find the recordings below a folder and the times of their phones.

    `phones` gives names their IPA; `progress` is called with the number of recordings aligned and
    their total.
    """
    found = find_recordings(folder, speaker=speaker)
    timed = [recording for recording in found if recording.times is not None]
    untimed = [recording for recording in found if recording.times is None]
    where = {
        phone.text: recording.times_path
        for recording in reversed(timed)
        for phone in recording.times.phones
    }
    notation, ipa, unknown = ipa_names(where, given=phones)
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:SHOWN_NAMES])
        more = f" and {len(unknown) - SHOWN_NAMES} more" if len(unknown) > SHOWN_NAMES else ""
        raise InputError(
            f"{where[unknown[0]]}: {shown}{more} are no phones of {notation}; give their IPA, as "
            f"in --phones '{unknown[0]}=ə'"
        )
    named = [
        recording._replace(times=_renamed(recording.times, ipa.__getitem__)) for recording in timed
    ]
    aligned = _aligned(untimed, total=len(found), progress=progress)
    both = sorted([*named, *aligned], key=lambda recording: recording.name)
    if not any(recording.times.phones for recording in both):
        raise InputError(f"--speech {folder}: no recording has a phone; need speech with its times")
    return LabelledSpeech(both, notation if timed else "", len(aligned))


def _aligned(
    recordings: list[Recording], *, total: int, progress: Callable[[int, int], None]
) -> list[Recording]:
    """Return those of the recordings that can be aligned; warn of the others."""
    if not recordings:
        return []
    missing = f"{recordings[0].path}: no times of phones beside it ({len(recordings)} of {total})"
    if silent := next((found for found in recordings if not found.transcript), None):
        raise InputError(
            f"{silent.path}: neither times of phones nor a transcript beside it; a .TextGrid or "
            ".lab is needed, or a .txt of its (English) words and pocketsphinx"
        )
    try:
        aligner = Aligner()
    except InputError as error:
        raise InputError(
            f"{missing}; put a .TextGrid or .lab there, or, for English: {HOW_TO_GET}"
        ) from error
    done, left_out = [], []
    for number, recording in enumerate(recordings, 1):
        try:
            times = aligner.align(recording.path, recording.transcript)
        except Unaligned as error:
            left_out.append(f"{recording.name} ({error})")
        else:
            done.append(recording._replace(times=_renamed(times, arpabet)))
        progress(number, len(recordings))
    if left_out:
        text = (
            f"{len(left_out)} of {len(recordings)} recordings cannot be aligned: "
            f"{'; '.join(left_out[:SHOWN_RECORDINGS])}{' ...' * (len(left_out) > SHOWN_RECORDINGS)}"
        )
        if not done and len(recordings) == total:
            raise InputError(f"{text}; correct the transcripts or put a .TextGrid beside them")
        warnings.warn(f"{text}; they are left out", Notice, stacklevel=3)
    return done


def _renamed(times: SpeechTimes, rename: Callable[[str], str]) -> SpeechTimes:
    return times._replace(
        phones=tuple(phone._replace(text=rename(phone.text)) for phone in times.phones)
    )
