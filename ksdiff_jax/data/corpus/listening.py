"""Clips without speech: digital silence, or the noise of a room, with the mouth at rest.

Without them, a model that normalises its input per utterance treats the loudest sound as speech.
"""

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.augment import random_noise
from ksdiff_jax.data.corpus.sentences import Split
from ksdiff_jax.data.corpus.speakers import draw_speaker
from ksdiff_jax.data.corpus.speech import SHORTEST_CLIP_S, SpokenClip
from ksdiff_jax.typing import Float, Int

LISTENING_SHARE = 0.12  # of training clips
DIGITAL_SILENCE_SHARE = 0.15  # of those
LEVEL_DBFS = (-65.0, -12.0)
TWO_NOISES_SHARE = 0.4  # of the rest
LONGEST_S = 6.0


def listen_clip(
    rng: np.random.Generator, *, languages: tuple[str, ...], split: Split
) -> SpokenClip:
    """Return a clip without phonemes, words or transcript."""
    language = languages[int(rng.integers(len(languages)))]
    speaker = draw_speaker(rng, language=language, split=split)
    frames = int(
        rng.uniform(SHORTEST_CLIP_S, LONGEST_S) * SAMPLE_RATE_HZ / SAMPLES_PER_MOTION_FRAME
    )
    audio = _room(rng, samples=frames * SAMPLES_PER_MOTION_FRAME)
    return SpokenClip(
        audio,
        phonemes=(),
        words=(),
        transcript="",
        speaker_id=speaker.speaker_id,
        language=language,
    )


def _room(rng: np.random.Generator, *, samples: int) -> Int[np.ndarray, "s"]:
    if rng.random() < DIGITAL_SILENCE_SHARE:
        return np.zeros(samples, np.int16)
    # Two noises at once: a room has a hum and steps, for example. Babble is generated from the
    # sound that it disturbs, and from noise it would only generate more noise.
    noise = _unit_level(
        random_noise(rng.standard_normal(samples, dtype=np.float32), rng, limits=None)
    )
    if rng.random() < TWO_NOISES_SHARE:
        noise = noise + rng.uniform(0.1, 1.0) * _unit_level(random_noise(noise, rng, limits=None))
    level = 10.0 ** (rng.uniform(*LEVEL_DBFS) / 20)
    return (np.clip(_unit_level(noise) * level, -1.0, 1.0) * 32767).astype(np.int16)


def _unit_level(noise: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
    return noise / max(float(np.sqrt(np.mean(noise**2))), 1e-9)
