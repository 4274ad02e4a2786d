"""The frames of a data set in which each region is farthest from its mean, for a picture of what it
moves.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from ksdiff_jax.motion.space import STD_FLOOR
from ksdiff_jax.typing import Float


def farthest_frames(
    motions: Iterable[Float[np.ndarray, "_ k"]],
    regions: Mapping[str, tuple[int, ...]],
    *,
    mean: Float[np.ndarray, "k"],
    std: Float[np.ndarray, "k"],
) -> dict[str, Float[np.ndarray, "k"]]:
    """Per region, E of mean μ in all but the region's numbers, which are those of the frame with
    the largest Σ_k ((E_k − μ_k) / σ_k)².
    """
    farthest = dict.fromkeys(regions, -1.0)
    found = {region: mean.copy() for region in regions}
    for motion in motions:
        squares = ((motion - mean) / np.maximum(std, STD_FLOOR)) ** 2
        for region, numbers in regions.items():
            distance = squares[:, list(numbers)].sum(axis=1)
            frame = int(distance.argmax())
            if distance[frame] > farthest[region]:
                farthest[region] = float(distance[frame])
                found[region][list(numbers)] = motion[frame, list(numbers)]
    return found
