"""Scores on real recordings: lip motion against a real speaker's, and the resting mouth without
speech.

`lip_sync` scores a system against measured mouth openings of real clips. A folder contains
`lips/*.npz`, each with `opening` (t,) over face height at 25 Hz and the name `speech` of its sound
file in that folder. The figure of a clip is the Pearson correlation at the best lag within ±8
frames (the offset of trackers and cameras from the sound is not known more precisely), and the
figure of a set is its mean weighted by seconds. No transcript is used.

`rest` animates sound without speech: digital silence, in which the mouth must stay closed, and
noise, in which it must not chatter. Openings are over face height.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.articulation import articulate, face_part
from ksdiff_jax.evaluate.lips import closed_frames, pearson
from ksdiff_jax.face import FaceModel, builtin_face, face_height
from ksdiff_jax.typing import Float

MAX_LAG_FRAMES = 8
SILENCE_PATTERN = "vad_zero*"
NOISE_PATTERNS = ("vad_n_*", "noise_*")


class LipSync(NamedTuple):
    """One real clip: its score, and both curves for a plot."""

    name: str
    correlation: float
    lag_frames: int  # positive: the prediction is late
    seconds: float
    predicted: Float[np.ndarray, "t"]  # opening over face height
    measured: Float[np.ndarray, "n"]


def lagged_correlation(
    predicted: Float[np.ndarray, "t"],
    measured: Float[np.ndarray, "n"],
    *,
    max_lag_frames: int = MAX_LAG_FRAMES,
) -> tuple[float, int]:
    """Return (Pearson r, lag) at the lag of highest r; lag k compares predicted[i + k] with
    measured[i].
    """
    best = (-np.inf, 0)
    # among equal scores the smallest lag
    for lag in sorted(range(-max_lag_frames, max_lag_frames + 1), key=abs):
        ahead, behind = predicted[max(0, lag) :], measured[max(0, -lag) :]
        overlap = min(len(ahead), len(behind))
        score = pearson(ahead[:overlap], behind[:overlap])
        if score > best[0]:
            best = (score, lag)
    return (best[0], best[1]) if np.isfinite(best[0]) else (float("nan"), 0)


def lip_sync(
    engine: Engine, folder: str | Path, *, seed: int = 0, face: FaceModel | None = None
) -> list[LipSync]:
    """Return the score of every measured clip in `folder`."""
    files = sorted((Path(folder) / "lips").glob("*.npz"))
    if not files:
        raise InputError(
            f"{folder}: no measured mouth openings here; need a folder with lips/*.npz and their "
            "sound"
        )
    sounds, measured = [], []
    for file in files:
        with np.load(file, allow_pickle=False) as archive:
            measured.append(archive["opening"].astype(np.float64))
            sounds.append(Path(folder) / str(archive["speech"]))
    openings = _openings(engine, sounds, seed=seed, face=face)
    results = []
    for file, opening, truth in zip(files, openings, measured, strict=True):
        correlation, lag = lagged_correlation(opening.astype(np.float64), truth)
        results.append(
            LipSync(file.stem, correlation, lag, len(truth) / MOTION_RATE_HZ, opening, truth)
        )
    return results


def lip_sync_figures(results: Sequence[LipSync]) -> dict[str, float]:
    """Return `real_speech_correlation` weighted by seconds, and that of every clip."""
    weights = [result.seconds for result in results]
    figures = {
        "real_speech_correlation": float(
            np.average([r.correlation for r in results], weights=weights)
        )
    }
    for result in results:
        figures[f"real_speech_correlation/{result.name}"] = result.correlation
        figures[f"real_speech_lag_frames/{result.name}"] = float(result.lag_frames)
    return figures


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
