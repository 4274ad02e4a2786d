"""The text and sound of a clip: sentences, a speaker, pauses, and their recording at 16 kHz.

espeak synthesises at 22.05 kHz. The recording is resampled to 16 kHz as if its rate were 22.05 kHz
× the speaker's tract factor; all times are divided by that factor. Sentences are synthesised one by
one and joined by silences, so that pauses can be longer than espeak's. Some clips contain a longer
silence before speech.
"""

from typing import NamedTuple

import numpy as np
import soxr

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.corpus.articulation import refine_closures
from ksdiff_jax.data.corpus.espeak import PhonemeTime, SpokenText, WordTime
from ksdiff_jax.data.corpus.sentences import Split, draw_sentence
from ksdiff_jax.data.corpus.voices import Synthesiser
from ksdiff_jax.typing import Int

SHORTEST_CLIP_S, LONGEST_CLIP_S = 3.0, 9.0
USUAL_CLIP_S = (4.0, 7.0)
LONG_SILENCE_SHARE = 0.12  # of clips, which contain a silence of a second or two
LEVEL_DBFS = (-32.0, -17.0)  # RMS of the whole recording
MAX_SENTENCES = 4
MAX_DRAWS = 20


class SpokenClip(NamedTuple):
    audio: Int[np.ndarray, "s"]  # int16, 16 kHz, a whole number of motion frames
    phonemes: tuple[PhonemeTime, ...]
    words: tuple[WordTime, ...]
    transcript: str
    speaker_id: str
    language: str


def speak_clip(
    synthesiser: Synthesiser, rng: np.random.Generator, *, languages: tuple[str, ...], split: Split
) -> SpokenClip:
    """Draw language, speaker and sentences, and record them; the languages are those of the
    synthesiser.
    """
    language = languages[int(rng.integers(len(languages)))]
    speaker = synthesiser.draw_speaker(rng, language=language, split=split)
    wanted_s = rng.uniform(*USUAL_CLIP_S)
    sentences: list[str] = []
    utterances: list[SpokenText] = []
    spoken_s = 0.0
    for _ in range(MAX_DRAWS):
        sentence = draw_sentence(rng, language=language, split=split)
        utterance = synthesiser.speak(sentence, voice=speaker.voice)
        length_s = len(utterance.samples) / utterance.sample_rate_hz / speaker.tract_factor
        if utterance.phonemes and spoken_s + length_s < LONGEST_CLIP_S - 1.0 and length_s > 0.4:
            sentences.append(sentence)
            utterances.append(utterance)
            spoken_s += length_s
        if spoken_s > wanted_s - 1.0 or len(sentences) == MAX_SENTENCES:
            break
    room_s = LONGEST_CLIP_S - spoken_s
    silences_s = _silences_s(
        rng, gaps=len(sentences) + 1, room_s=room_s, least_s=SHORTEST_CLIP_S - spoken_s
    )
    audio, phonemes, words = _join(utterances, silences_s, tract_factor=speaker.tract_factor)
    audio = _at_level(audio, level_dbfs=rng.uniform(*LEVEL_DBFS))
    phonemes = refine_closures(phonemes, audio / 32768.0, sample_rate_hz=SAMPLE_RATE_HZ)
    return SpokenClip(audio, phonemes, words, " ".join(sentences), speaker.speaker_id, language)


def _silences_s(
    rng: np.random.Generator, *, gaps: int, room_s: float, least_s: float
) -> np.ndarray:
    """Return seconds of silence before, between and after the sentences (in addition to espeak's
    own sentence pauses).
    """
    silences = rng.uniform(0.1, 0.6, gaps)
    silences[1:-1] *= 0.8
    if rng.random() < LONG_SILENCE_SHARE:
        silences[int(rng.integers(gaps))] += rng.uniform(0.8, 2.0)
    silences[-1] += max(0.0, least_s - silences.sum())
    return silences * min(1.0, room_s / silences.sum())


def _join(
    utterances: list[SpokenText], silences_s: np.ndarray, *, tract_factor: float
) -> tuple[np.ndarray, tuple[PhonemeTime, ...], tuple[WordTime, ...]]:
    """Return float samples at 16 kHz of the utterances between silences, and the times in them."""
    rate = utterances[0].sample_rate_hz
    pieces, phonemes, words = [], [], []
    position = 0
    for utterance, silence_s in zip(utterances, silences_s, strict=False):
        silence = round(silence_s * tract_factor * rate)
        pieces += [np.zeros(silence), utterance.samples / 32768.0]
        position += silence

        def heard_s(time_s: float, offset: int = position) -> float:
            return (offset / rate + time_s) / tract_factor

        phonemes += [
            PhonemeTime(p.ipa, heard_s(p.start_s), heard_s(p.end_s)) for p in utterance.phonemes
        ]
        words += [
            WordTime(w.word, heard_s(w.start_s), heard_s(w.end_s))
            for w in _without_pauses(utterance)
        ]
        position += len(utterance.samples)
    pieces.append(np.zeros(round(silences_s[-1] * tract_factor * rate)))
    audio = soxr.resample(np.concatenate(pieces), rate * tract_factor, SAMPLE_RATE_HZ)
    frames = len(audio) // SAMPLES_PER_MOTION_FRAME
    return audio[: frames * SAMPLES_PER_MOTION_FRAME], tuple(phonemes), tuple(words)


def _without_pauses(utterance: SpokenText) -> list[WordTime]:
    """End the last word before a pause at its last sounding phoneme; espeak extends it through the
    pause.
    """
    ends = np.array([phoneme.end_s for phoneme in utterance.phonemes if phoneme.ipa])
    words = []
    for word in utterance.words:
        sounding = ends[(ends > word.start_s) & (ends <= word.end_s + 1e-6)]
        words.append(word._replace(end_s=float(sounding[-1])) if sounding.size else word)
    return words


def _at_level(audio: np.ndarray, *, level_dbfs: float) -> Int[np.ndarray, "s"]:
    """Return int16 samples at an RMS level, or as near to it as is possible without clipping."""
    rms, peak = np.sqrt(np.mean(audio**2)), np.abs(audio).max()
    gain = min(10 ** (level_dbfs / 20) / max(rms, 1e-9), 0.97 / max(peak, 1e-9))
    return np.round(audio * gain * 32767).astype(np.int16)
