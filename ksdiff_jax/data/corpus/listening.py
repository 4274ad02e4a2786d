"""Clips without speech: silence, the noise of a room, hum or music, with the mouth at rest.

Without them, a model that normalises its input per utterance treats the loudest sound as speech.
The built-in corpus has silence and noise among its clips. A corpus of the voice `none` has nothing
else, and music: for a source of real faces, which come without such sounds.
"""

from collections.abc import Callable

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
MUSIC_SHARE, HUM_SHARE = 0.4, 0.2  # of the clips of the voice `none`; the rest is a room
NOTES_HZ = (55.0, 880.0)
NOTE_S = (0.1, 2.0)
PARTIALS = 10


def listen_clip(
    rng: np.random.Generator, *, languages: tuple[str, ...], split: Split
) -> SpokenClip:
    """Return a clip without phonemes, words or transcript."""
    return _unspoken(_room, rng, languages=languages, split=split)


def unvoiced_clip(
    rng: np.random.Generator, *, languages: tuple[str, ...], split: Split
) -> SpokenClip:
    """Return a clip of the voice `none`: music, hum or a room, never two with the same samples."""
    return _unspoken(_unvoiced, rng, languages=languages, split=split)


def _unspoken(
    sound: Callable[..., Int[np.ndarray, "s"]],
    rng: np.random.Generator,
    *,
    languages: tuple[str, ...],
    split: Split,
) -> SpokenClip:
    language = languages[int(rng.integers(len(languages)))]
    speaker = draw_speaker(rng, language=language, split=split)
    frames = int(
        rng.uniform(SHORTEST_CLIP_S, LONGEST_S) * SAMPLE_RATE_HZ / SAMPLES_PER_MOTION_FRAME
    )
    audio = sound(rng, samples=frames * SAMPLES_PER_MOTION_FRAME)
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


def _unvoiced(rng: np.random.Generator, *, samples: int) -> Int[np.ndarray, "s"]:
    kind = rng.random()
    if kind >= MUSIC_SHARE + HUM_SHARE:
        audio = _room(rng, samples=samples)
    else:
        sound = _music(rng, samples=samples) if kind < MUSIC_SHARE else _hum(rng, samples=samples)
        level = 10.0 ** (rng.uniform(*LEVEL_DBFS) / 20)
        audio = (np.clip(_unit_level(sound) * level, -1.0, 1.0) * 32767).astype(np.int16)
    # the lowest bit tells apart clips of digital silence, which would otherwise be one clip
    return audio if audio.any() else rng.integers(-1, 2, size=samples).astype(np.int16)


def _hum(rng: np.random.Generator, *, samples: int) -> Float[np.ndarray, "s"]:
    """Return one steady tone with harmonics of any fundamental from mains to a whistle."""
    base_hz = float(np.exp(rng.uniform(*np.log((45.0, 1500.0)))))
    return _tone(rng, base_hz, samples=samples, slope=rng.uniform(0.3, 2.0))


def _music(rng: np.random.Generator, *, samples: int) -> Float[np.ndarray, "s"]:
    """Return notes of a drawn scale, one or several at a time, plucked or held, with drums in some
    clips.
    """
    root_hz = float(np.exp(rng.uniform(*np.log(NOTES_HZ))))
    scale = np.sort(rng.choice(12, size=int(rng.integers(4, 8)), replace=False))
    slope, decay = rng.uniform(0.5, 2.5), rng.choice([0.0, rng.uniform(1.0, 12.0)])
    note_s, together = float(np.exp(rng.uniform(*np.log(NOTE_S)))), int(rng.integers(1, 5))
    note = max(1, int(note_s * SAMPLE_RATE_HZ))
    beats = rng.uniform(0.1, 1.0) * (rng.random() < 0.4)
    sound = np.zeros(samples)
    for first in range(0, samples, note):
        count = min(note, samples - first)
        since_s = np.arange(count) / SAMPLE_RATE_HZ
        ends = np.minimum(1.0, np.minimum(since_s, since_s[::-1]) / 0.005)
        for step in rng.choice(scale, size=min(together, len(scale)), replace=False):
            tone = _tone(rng, root_hz * 2 ** (step / 12), samples=count, slope=slope)
            sound[first : first + count] += tone * np.exp(-decay * since_s) * ends
        if beats:
            struck = rng.standard_normal(count) * np.exp(-rng.uniform(20.0, 60.0) * since_s)
            sound[first : first + count] += beats * struck
    return sound


def _tone(
    rng: np.random.Generator, base_hz: float, *, samples: int, slope: float
) -> Float[np.ndarray, "s"]:
    """Return a harmonic tone; partial k has the amplitude k^-slope and a phase of its own."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    audible = [k for k in range(1, PARTIALS + 1) if k == 1 or k * base_hz < SAMPLE_RATE_HZ / 2]
    phases = rng.uniform(0.0, 2 * np.pi, size=len(audible))
    return sum(
        k**-slope * np.sin(2 * np.pi * base_hz * k * time_s + phase)
        for k, phase in zip(audible, phases, strict=True)
    )


def _unit_level(noise: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
    return noise / max(float(np.sqrt(np.mean(noise**2))), 1e-9)
