"""Filmed mouths with their phones: word times beside a video, phones by forced alignment.

Where the aligner refuses a clip, its phones are spread in the times of the words, vowels twice as
long as consonants. Function words are weak in sentences, which the aligner's dictionary does not
state: their vowel is ə.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, motion_frames
from ksdiff_jax.audio.waveform import load_audio, to_int16
from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.data.corpus.articulation import MouthParts, mouth_parts, refine_closures
from ksdiff_jax.data.corpus.recordings.alignment import Aligner, Unaligned
from ksdiff_jax.data.corpus.recordings.labelled import phonemes_of, stress_by_loudness
from ksdiff_jax.data.corpus.recordings.phone_names import arpabet, is_silence
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.bilabials import read_align
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.speech.transcripts.spoken_words import Spoken
from ksdiff_jax.typing import Int

SPOKEN = {"z": "zed"}  # as British talkers name the letter
REDUCED = {"at": "æ", "again": "ʌ", "seven": "ʌ"}  # the vowel of the dictionary that is ə


class FilmedMouth(NamedTuple):
    """The measured opening of a clip, and what its targets are applied to."""

    clip: MeasuredClip
    parts: MouthParts


def filmed_mouths(
    clips: Sequence[MeasuredClip],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[FilmedMouth]:
    """Return the clips with word times and their phones; clips without word times are left out.

    Raise `InputError` without pocketsphinx, or if no clip has word times.
    """
    timed = [clip for clip in clips if clip.video and clip.video.with_suffix(".align").is_file()]
    if not timed:
        raise InputError(
            f"none of {len(clips)} clips has word times; put a .align file beside each video"
        )
    aligner, found = Aligner(), []
    for number, clip in enumerate(timed, 1):
        words = read_align(clip.video.with_suffix(".align"))
        words = tuple(Spoken(*word) for word in words if not is_silence(word[0]))
        audio = to_int16(load_audio(clip.sound))
        if phones := phones_of(clip, words, aligner):
            found.append(FilmedMouth(clip, parts_of(phones, audio)))
        progress(number, len(timed))
    return found


def phones_of(clip: MeasuredClip, words: Sequence[Spoken], aligner: Aligner) -> tuple[Spoken, ...]:
    """Return the phones of a clip in IPA; none if a word is not in the aligner's dictionary."""
    spoken = [word._replace(text=SPOKEN.get(word.text, word.text)) for word in words]
    try:
        times = aligner.align(clip.sound, " ".join(word.text for word in spoken))
        return weakened(times.phones, times.words)
    except Unaligned:
        named = [aligner.pronunciation(word.text) for word in spoken]
    if not all(named):
        return ()
    return weakened(
        tuple(
            phone
            for word, names in zip(spoken, named, strict=True)
            for phone in spread(names, word)
        ),
        spoken,
    )


def spread(names: Sequence[str], word: Spoken) -> tuple[Spoken, ...]:
    """Return the phones of a word (ARPABET) in its time, vowels twice as long as consonants."""
    shares = np.cumsum([0.0, *(2.0 if set(arpabet(name)) & ph.VOWELS else 1.0 for name in names)])
    edges = word.start_s + (word.end_s - word.start_s) * shares / shares[-1]
    return tuple(map(Spoken, names, edges[:-1].tolist(), edges[1:].tolist()))


def weakened(phones: Sequence[Spoken], words: Sequence[Spoken]) -> tuple[Spoken, ...]:
    """Return ARPABET phones in IPA, the vowels of weak words as ə."""
    found = []
    for phone in phones:
        middle = (phone.start_s + phone.end_s) / 2
        word = next((each.text for each in words if each.start_s <= middle < each.end_s), "")
        ipa = arpabet(phone.text)
        found.append(phone._replace(text="ə" if ipa == REDUCED.get(word) else ipa))
    return tuple(found)


def parts_of(phones: tuple[Spoken, ...], audio: Int[np.ndarray, "n"]) -> MouthParts:
    """Return the segments of a recording at 16 kHz as the corpus's recordings have them."""
    samples = audio / 32768.0
    phonemes = phonemes_of(phones)
    phonemes = refine_closures(phonemes, samples, sample_rate_hz=SAMPLE_RATE_HZ)
    return mouth_parts(
        stress_by_loudness(phonemes, samples),
        samples,
        sample_rate_hz=SAMPLE_RATE_HZ,
        frames=motion_frames(len(audio)),
    )
