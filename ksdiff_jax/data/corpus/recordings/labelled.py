"""Makes clips of a recording and its phone times: the corpus's face motion on real acoustics.

The mouth is that of the built-in corpus (`articulation.py`): targets of the phones, blended, scaled
by stress and loudness. Names without stress marks, such as X-SAMPA of most sets, would open every
vowel as an unstressed one; there a vowel that is louder than both of its neighbours is stressed.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_MOTION_FRAME,
)
from ksdiff_jax.audio.waveform import load_audio, to_int16
from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.data.corpus.articulation import refine_closures
from ksdiff_jax.data.corpus.espeak import PhonemeTime, WordTime
from ksdiff_jax.data.corpus.recordings.cutting import cuts, part
from ksdiff_jax.data.corpus.recordings.folder import Recording
from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes, check_inside
from ksdiff_jax.data.corpus.speech import SpokenClip
from ksdiff_jax.speech.transcripts.spoken_words import Spoken
from ksdiff_jax.typing import Float, Int

SHORTEST_S = 1.0  # shorter clips are left out
SHORTEST_PAUSE_S = 0.03  # between two phones; less is rounding


def spoken_clips(recording: Recording, *, stressed: bool, language: str) -> Iterator[SpokenClip]:
    """Yield the clips of a recording whose phones are in IPA; `stressed` states whether any phone
    of the set carries a stress mark.
    """
    audio = to_int16(load_audio(recording.path))
    frames = len(audio) // SAMPLES_PER_MOTION_FRAME
    times = check_inside(
        recording.times_path or recording.path,
        recording.times or SpeechTimes(()),
        duration_s=len(audio) / SAMPLE_RATE_HZ,
    )
    pieces = cuts(times.phones, frames=frames)
    for first, last in pieces:
        if (last - first) / MOTION_RATE_HZ < SHORTEST_S:
            continue
        span = {"start_s": first / MOTION_RATE_HZ, "end_s": last / MOTION_RATE_HZ}
        words = part(times.words, **span)
        text = " ".join(word.text for word in words)
        yield _spoken_clip(
            audio[first * SAMPLES_PER_MOTION_FRAME : last * SAMPLES_PER_MOTION_FRAME],
            phonemes_of(part(times.phones, **span)),
            words=words,
            stressed=stressed,
            transcript=recording.transcript if len(pieces) == 1 else text,
        )._replace(speaker_id=recording.speaker_id, language=language)


def _spoken_clip(
    audio: Int[np.ndarray, "s"],
    phonemes: tuple[PhonemeTime, ...],
    *,
    words: tuple[Spoken, ...],
    stressed: bool,
    transcript: str,
) -> SpokenClip:
    samples = audio / 32768.0
    phonemes = refine_closures(phonemes, samples, sample_rate_hz=SAMPLE_RATE_HZ)
    if not stressed:
        phonemes = stress_by_loudness(phonemes, samples)
    return SpokenClip(
        audio,
        phonemes,
        tuple(WordTime(*word) for word in words),
        transcript=transcript,
        speaker_id="",
        language="",
    )


def phonemes_of(phones: tuple[Spoken, ...]) -> tuple[PhonemeTime, ...]:
    """Return the phones, with pauses where no phone is."""
    named = [PhonemeTime(*phone) for phone in phones]
    filled = named[:1]
    for before, after in pairwise(named):
        if after.start_s - before.end_s >= SHORTEST_PAUSE_S:
            filled.append(PhonemeTime("", before.end_s, after.start_s))
        filled.append(after)
    return tuple(filled)


def stress_by_loudness(
    phonemes: tuple[PhonemeTime, ...], samples: Float[np.ndarray, "s"]
) -> tuple[PhonemeTime, ...]:
    """Put a mark of primary stress before every vowel that is louder than the vowels beside it."""
    vowels = [at for at, phoneme in enumerate(phonemes) if set(phoneme.ipa) & ph.VOWELS]
    loud = [_energy(phonemes[at], samples) for at in vowels]
    marked = list(phonemes)
    for at, (before, own, after) in zip(
        vowels, zip([0.0, *loud], loud, [*loud[1:], 0.0], strict=False), strict=False
    ):
        if own > max(before, after):
            marked[at] = phonemes[at]._replace(ipa=f"ˈ{phonemes[at].ipa}")
    return tuple(marked)


def _energy(phoneme: PhonemeTime, samples: Float[np.ndarray, "s"]) -> float:
    first, last = (int(time_s * SAMPLE_RATE_HZ) for time_s in phoneme[1:])
    return float(np.mean(samples[first:last] ** 2)) if last > first else 0.0
