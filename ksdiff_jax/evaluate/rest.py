"""The resting mouth: sound without speech.

`rest` animates digital silence, in which the mouth must stay closed, and noise, in which it must
not chatter. Openings are over face height. No transcript is used.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.evaluate.articulation import articulate, face_part
from ksdiff_jax.evaluate.lips import closed_frames
from ksdiff_jax.face import FaceModel, builtin_face, face_height
from ksdiff_jax.typing import Float

SILENCE_PATTERN = "vad_zero*"
NOISE_PATTERNS = ("vad_n_*", "noise_*")


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


def _openings(
    engine: Engine, sounds: Sequence[Path], *, seed: int, face: FaceModel | None
) -> list[Float[np.ndarray, "_"]]:
    """Return the mouth opening over face height for each recording, without a transcript."""
    part = face_part(face or builtin_face())
    samples = engine.sample([engine.read(sound) for sound in sounds], seed=seed)
    return [articulate(part, sample.motion).opening / face_height(part) for sample in samples]
