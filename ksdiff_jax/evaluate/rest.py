"""The resting mouth: sound without speech.

`rest` animates recorded silence, in which the mouth must stay closed, and noise, in which it must
not chatter. `synthetic_rest` does so with sounds that are synthesised here, 5 s each, the same in
every call:

| kind | sounds |
|---|---|
| silence | zeros |
| noise | white and pink noise, each at -20 and -40 dB (root mean square, of full scale) |
| hum | 50 Hz with nine harmonics; three chords of sines; -20 dB |
| music | a plucked melody, drums; -20 dB |

Openings are over face height. No transcript is used. The definitions are ours.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.evaluate.articulation import articulate, face_part
from ksdiff_jax.evaluate.lips import closed_frames
from ksdiff_jax.face import FaceModel, builtin_face, face_height
from ksdiff_jax.typing import Float

SILENCE_PATTERN = "vad_zero*"
NOISE_PATTERNS = ("vad_n_*", "noise_*")
SECONDS = 5
LEVELS_DB = (-20.0, -40.0)
A_HZ, SCALE = 220.0, (0, 2, 4, 5, 7, 9, 11, 12)  # half tones of the melody


def rest(
    engine: Engine, folder: str | Path, *, seed: int = 0, face: FaceModel | None = None
) -> dict[str, float]:
    """Return how far the mouth opens on silence, and how much it moves on noise; empty if the
    folder has neither.
    """
    audio = Path(folder) / "audio"
    silence = sorted(audio.glob(SILENCE_PATTERN))
    noise = sorted({file for pattern in NOISE_PATTERNS for file in audio.glob(pattern)})
    openings = _openings(engine, (*silence, *noise), seed=seed, face=face)
    quiet, noisy = openings[: len(silence)], openings[len(silence) :]
    figures = {}
    if quiet:
        figures["silence_opening_max"] = float(max(np.max(opening) for opening in quiet))
    if noisy:
        figures |= {
            "noise_opening_std": float(np.mean([np.std(opening) for opening in noisy])),
            "noise_opening_range": float(
                np.mean([np.ptp(np.percentile(opening, (5, 95))) for opening in noisy])
            ),
            "noise_closed_share": float(
                np.mean(np.concatenate([closed_frames(opening) for opening in noisy]))
            ),
        }
    return figures


def synthetic_rest(engine: Engine, *, seed: int = 0, face: FaceModel) -> dict[str, float]:
    """Return the widest opening on each kind of synthesised sound: `rest_KIND_opening_max`."""
    kinds = resting_sounds()
    sounds = [sound for of_kind in kinds.values() for sound in of_kind]
    widest = [float(np.max(each)) for each in _openings(engine, sounds, seed=seed, face=face)]
    figures, first = {}, 0
    for kind, of_kind in kinds.items():
        figures[f"rest_{kind}_opening_max"] = max(widest[first : first + len(of_kind)])
        first += len(of_kind)
    return figures


def resting_sounds() -> dict[str, list[Float[np.ndarray, "s"]]]:
    """Return the sounds of the module's table at 16 kHz, by kind."""
    samples = SECONDS * SAMPLE_RATE_HZ
    seconds, random = np.arange(samples) / SAMPLE_RATE_HZ, np.random.default_rng(0)
    white = random.normal(size=samples)
    spectrum = np.fft.rfft(random.normal(size=samples))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), samples)
    hum = sum(np.sin(2 * np.pi * 50 * k * seconds) / k for k in range(1, 11))
    chords = np.zeros(samples)
    for number, root in enumerate((0, 5, 7)):
        inside = seconds // (SECONDS / 3) == number
        for tone in (root, root + 4, root + 7):
            chords += inside * np.sin(2 * np.pi * A_HZ * 2 ** (tone / 12) * seconds)
    beat, since = np.floor(4 * seconds).astype(int), seconds % 0.25  # four notes a second
    pitch = A_HZ * 2 ** (np.take(SCALE, beat % len(SCALE)) / 12)
    plucked = sum(np.sin(2 * np.pi * pitch * k * since) / k for k in range(1, 6))
    drums = random.normal(size=samples) * np.exp(-40 * since)
    return {
        "silence": [np.zeros(samples, np.float32)],
        "noise": [_at(sound, level) for sound in (white, pink) for level in LEVELS_DB],
        "hum": [_at(sound, LEVELS_DB[0]) for sound in (hum, chords)],
        "music": [_at(sound, LEVELS_DB[0]) for sound in (plucked * np.exp(-8 * since), drums)],
    }


def _at(sound: Float[np.ndarray, "s"], level_db: float) -> Float[np.ndarray, "s"]:
    """Return a sound at a root mean square, cut to full scale."""
    scaled = sound * 10 ** (level_db / 20) / np.sqrt(np.mean(sound**2))
    return np.clip(scaled, -1, 1).astype(np.float32)


def _openings(
    engine: Engine,
    sounds: Sequence[Path | Float[np.ndarray, "s"]],
    *,
    seed: int,
    face: FaceModel | None,
) -> list[Float[np.ndarray, "_"]]:
    """Return the mouth opening over face height for each recording, without a transcript."""
    part = face_part(face or builtin_face())
    read = [
        engine.read(sound, sample_rate_hz=None if isinstance(sound, Path) else SAMPLE_RATE_HZ)
        for sound in sounds
    ]
    samples = engine.sample(read, seed=seed)
    return [articulate(part, sample.motion).opening / face_height(part) for sample in samples]
