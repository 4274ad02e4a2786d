"""Painters without a network, which a system that paints faces has to surpass.

| painter | frame of motion m, with the reference r of motion m₀ |
|---|---|
| copied | r |
| linear | W m + b: pixels from motion, the same face for everyone |
| difference | r + W' (m − m₀) |

W and W' are ridge regressions (ridge.py) on frames of the training split; the reference of a clip
is its first frame, as in the scores. The penalty is chosen on validation clips.

On `corpus --clips 400 --pictures 64` (English, seed 0), 25 frames of each of the 20 people of its
test split, they reach (mean ± half the 95 % interval over people; one regressor of the opening,
whose r on the true frames is 0.981 ± 0.006):

| | PSNR face, dB | turned ≥ 5° | PSNR mouth, dB | turned ≥ 5° | r of the lips' opening |
|---|---|---|---|---|---|
| copied | 20.7 ± 0.8 | 18.7 ± 0.9 | 22.1 ± 0.8 | 20.3 ± 0.7 | 0 |
| linear | 17.0 ± 1.0 | 17.1 ± 1.1 | 18.0 ± 1.2 | 18.1 ± 1.2 | 0.807 ± 0.045 |
| difference | 20.9 ± 0.8 | 19.0 ± 0.9 | 22.5 ± 0.7 | 20.9 ± 0.7 | 0.836 ± 0.053 |

Person by person the difference is above the copy by 0.15 dB (0.04 to 0.26) of the face and 0.44 dB
(0.27 to 0.61) of the mouth. The scores were seen three times while the regressor's steps and the
size of the crops were set.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.frame_scores import Painter, Pictures, Targets, psnr_db
from ksdiff_jax.evaluate.ridge import Moments, Ridge, fit_ridge, moments

PENALTIES = (10.0, 1e3, 1e4, 1e5)


class LinearPainters(NamedTuple):
    """Both linear maps, with the penalty of each."""

    linear: Ridge
    difference: Ridge
    penalties: tuple[float, float]

    def painters(self) -> dict[str, Painter]:
        """Return all painters of this module by name."""
        return {
            "copied": copied,
            "linear": lambda targets: linear(self.linear, targets),
            "difference": lambda targets: difference(self.difference, targets),
        }


def copied(targets: Targets) -> Pictures:
    """Return the reference for every frame."""
    return np.repeat(targets.reference[None], len(targets.motion), axis=0)


def linear(ridge: Ridge, targets: Targets) -> Pictures:
    """Return pictures that are linear in the motion."""
    return _pictures(ridge.predict(targets.motion), targets)


def difference(ridge: Ridge, targets: Targets) -> Pictures:
    """Return the reference plus a linear map of the difference to its motion."""
    change = ridge.predict(targets.motion - targets.reference_motion)
    return _pictures(change + targets.reference.reshape(1, -1), targets)


def fit_painters(train: Iterable[Targets], validation: Sequence[Targets]) -> LinearPainters:
    """Return both maps, fitted on targets of training clips, with the penalties that give the
    highest PSNR of the face on validation clips.
    """
    sums: list[Moments | None] = [None, None]
    for targets in train:
        truth = targets.truth.reshape(len(targets.truth), -1).astype(np.float32)
        rows = (
            moments(targets.motion, truth),
            moments(
                targets.motion - targets.reference_motion, truth - targets.reference.reshape(1, -1)
            ),
        )
        sums = [new if old is None else old.plus(new) for old, new in zip(sums, rows, strict=True)]
    fitted = []
    for total, paint in zip(sums, (linear, difference), strict=True):
        ridges = {penalty: fit_ridge(total, penalty=penalty) for penalty in PENALTIES}
        quality = {
            penalty: np.mean(
                [psnr_db(paint(ridge, one), one.truth, "face").mean() for one in validation]
            )
            for penalty, ridge in ridges.items()
        }
        best = max(PENALTIES, key=lambda penalty: quality[penalty])
        fitted.append((ridges[best], best))
    (first, of_first), (second, of_second) = fitted
    return LinearPainters(first, second, (of_first, of_second))


def _pictures(values: np.ndarray, targets: Targets) -> Pictures:
    shape = (len(values), *targets.reference.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8).reshape(shape)
