"""The best LVE of a face that never moves, as a reference for LVE.

The LVE of a constant lip shape x over frames t of a split,

    L(x) = mean_t max_v |x_v − q_t,v|²,

is convex in x, so its minimum over *all* lip shapes can be found, and no constant pose of a face
model (any expression, any jaw) scores below it. `best_constant_lips` starts from the best of the
mean shape, the median shape and any given candidates, and takes subgradient steps: in every frame
the worst vertex is moved towards the truth. The result is an upper bound of the minimum, and in
practice within a few per cent of it. The reported ratio "LVE of a system over LVE of the best
constant pose" is therefore too low by at most that amount.
"""

import numpy as np

from ksdiff_jax.evaluate.lips import squared_lip_error
from ksdiff_jax.typing import Float

_FRAMES_OF_DESCENT = 1000


def constant_lip_error(shape: Float[np.ndarray, "v 3"], truth: Float[np.ndarray, "t v 3"]) -> float:
    """Return the LVE (m²) of one lip shape used for all frames."""
    return float(np.mean(squared_lip_error(truth, shape)))


def best_constant_lips(
    truth: Float[np.ndarray, "t v 3"],
    *,
    candidates: tuple[Float[np.ndarray, "v 3"], ...] = (),
    steps: int = 150,
) -> Float[np.ndarray, "v 3"]:
    """Return the constant lip shape of least LVE over all frames of a split; see the module's
    docstring.
    """
    starts = [truth.mean(axis=0), np.median(truth, axis=0).astype(truth.dtype), *candidates]
    shape = min(starts, key=lambda start: constant_lip_error(start, truth))
    frames = truth[:: max(1, len(truth) // _FRAMES_OF_DESCENT)]
    descended = _descend(shape, frames, steps=steps)
    return min((shape, descended), key=lambda end: constant_lip_error(end, truth))


def _descend(
    shape: Float[np.ndarray, "v 3"], frames: Float[np.ndarray, "t v 3"], *, steps: int
) -> Float[np.ndarray, "v 3"]:
    """Return the best shape of a normalised subgradient descent whose step shrinks from 20 % of the
    spread to 0.2 %.
    """
    best, best_error = shape, np.inf
    spread = np.linalg.norm(frames.std(axis=0))
    every = np.arange(len(frames))
    for step_size in spread * np.geomspace(0.2, 0.002, steps):
        offset = shape - frames
        squared = np.einsum("tvc,tvc->tv", offset, offset)
        worst = np.argmax(squared, axis=1)
        error = float(np.mean(squared[every, worst]))
        if error < best_error:
            best, best_error = shape, error
        gradient = np.zeros_like(shape)
        np.add.at(gradient, worst, offset[every, worst])
        length = np.linalg.norm(gradient)
        if length < 1e-12:
            break
        shape = shape - (step_size / length * gradient).astype(shape.dtype)
    return best
