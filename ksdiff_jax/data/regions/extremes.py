"""The frame of a data set in which each region moves the face most, for a picture."""

from collections.abc import Iterable, Mapping

import numpy as np

from ksdiff_jax.typing import Float


def farthest_frames(
    motions: Iterable[Float[np.ndarray, "_ k"]],
    regions: Mapping[str, tuple[int, ...]],
    *,
    mean: Float[np.ndarray, "k"],
    metric: Float[np.ndarray, "k k"],
) -> dict[str, Float[np.ndarray, "k"]]:
    """Return per region one E: its own numbers from the frame with the largest (E − μ)ᵀ G (E − μ)
    over these numbers, all others from the mean μ; `metric` is G.
    """
    farthest = dict.fromkeys(regions, -1.0)
    found = {region: mean.copy() for region in regions}
    for motion in motions:
        for region, numbers in regions.items():
            own = list(numbers)
            away = motion[:, own] - mean[own]
            distance = np.einsum("tk,kl,tl->t", away, metric[np.ix_(own, own)], away)
            frame = int(distance.argmax())
            if distance[frame] > farthest[region]:
                farthest[region] = float(distance[frame])
                found[region][own] = motion[frame, own]
    return found
