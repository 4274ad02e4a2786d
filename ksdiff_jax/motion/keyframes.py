"""Keyframe targets: the frames of most intense motion (KSDiff §2.2, Eq. 3).

    δ_h,t = θ_t + |c'_t − c'_{t−1}|,   c' = [jaw, camera] (6),   θ_t = angle of R_t R_{t−1}^T
    δ_e,t = |e_t − e_{t−1}|,   δ_1 = 0

Both sequences are smoothed by a Gaussian; a keyframe is a local maximum (of a plateau: its first
frame) above mean + threshold_std · std of its own clip. All functions take a batch with a validity
mask, so that padding does not change the result; a clip is a batch of one. The threshold of a
training crop is that of its clip, so `motion/clip_keyframes.py` computes the same for whole clips
in NumPy, before they are cut.

R: in speech the jaw moves more than the head. With `jaw=False`, c' = camera (3).
"""

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.motion import space
from ksdiff_jax.motion.rotation import relative_angle
from ksdiff_jax.typing import Array, Bool, Float


def motion_change(
    motion: Float[Array, "b t 59"],
    *,
    jaw: bool = True,
) -> tuple[Float[Array, "b t"], Float[Array, "b t"]]:
    """Return the frame-to-frame change (δ_e, δ_h) of Eq. 3, both 0 at the first frame."""
    rotation = motion[..., space.ROTATION]
    angle = relative_angle(rotation[:, :-1], rotation[:, 1:])
    articulation = motion[..., (space.JAW if jaw else space.CAMERA).start : space.CAMERA.stop]
    head = angle + _step_length(articulation)
    expression = _step_length(motion[..., space.EXPRESSION])
    return tuple(jnp.pad(change, ((0, 0), (1, 0))) for change in (expression, head))


def gaussian_smooth(
    signal: Float[Array, "b t"], mask: Bool[Array, "b t"], *, sigma_frames: float
) -> Float[Array, "b t"]:
    """Smooth along time with a Gaussian; the valid part of each row is reflected at both ends (d c
    b a | a b c d).
    """
    radius = int(4 * sigma_frames + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma_frames) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    length = jnp.maximum(mask.sum(axis=-1, keepdims=True), 1)[..., None]  # b 1 1
    index = jnp.arange(signal.shape[-1])[None, :, None] + offsets  # 1 t k
    # Half-sample reflection has period 2 * length; folding the index also handles clips shorter
    # than the kernel.
    index = jnp.mod(index, 2 * length)
    index = jnp.where(index < length, index, 2 * length - 1 - index)  # b t k
    windows = jnp.take_along_axis(signal[..., None], index, axis=1)
    return jnp.where(mask, windows @ kernel, 0.0)


def local_maxima(
    signal: Float[Array, "b t"], mask: Bool[Array, "b t"], *, threshold_std: float
) -> Bool[Array, "b t"]:
    """Return local maxima above mean + threshold_std · std of the row's valid frames; a plateau
    counts at its first frame.

    The first and the last valid frame are never maxima. A constant row has none.
    """
    count = jnp.maximum(mask.sum(axis=-1, keepdims=True), 1)
    mean = jnp.sum(jnp.where(mask, signal, 0.0), axis=-1, keepdims=True) / count
    variance = jnp.sum(jnp.where(mask, (signal - mean) ** 2, 0.0), axis=-1, keepdims=True) / count
    rises = signal[:, 1:-1] > signal[:, :-2]
    # The next different value decides whether a plateau is a maximum: scan from the right and carry
    # the decision over ties.
    valid_next = mask[:, 1:]
    down = (signal[:, 1:] < signal[:, :-1]) & valid_next
    tie = (signal[:, 1:] == signal[:, :-1]) & valid_next
    position = jnp.arange(down.shape[-1])
    # first index >= own at which the following value differs or is invalid
    next_change = _next_index(~tie, position)
    falls = jnp.take_along_axis(down, jnp.minimum(next_change, down.shape[-1] - 1), axis=-1)[:, 1:]
    peak = jnp.pad(rises & falls, ((0, 0), (1, 1)))
    return peak & mask & (signal > mean + threshold_std * jnp.sqrt(variance))


def keyframe_targets(
    motion: Float[Array, "b t 59"],
    mask: Bool[Array, "b t"],
    *,
    smoothing_frames: float = 2.0,
    threshold_std: float = 0.5,
    jaw: bool = True,
) -> tuple[Bool[Array, "b t"], Bool[Array, "b t"]]:
    """Return the keyframes (expression, head) of a batch of ground-truth motions; `jaw` counts the
    jaw as part of the head.
    """
    targets = []
    for change in motion_change(motion, jaw=jaw):
        smooth = gaussian_smooth(jnp.where(mask, change, 0.0), mask, sigma_frames=smoothing_frames)
        targets.append(local_maxima(smooth, mask, threshold_std=threshold_std))
    return targets[0], targets[1]


def _step_length(values: Float[Array, "b t n"]) -> Float[Array, "b t-1"]:
    return jnp.sqrt(jnp.sum(jnp.diff(values, axis=1) ** 2, axis=-1))


def _next_index(event: Bool[Array, "b t"], position: Array) -> Array:
    """Return for every position the smallest index >= it where `event` is true, or the last
    position.
    """
    last = position.shape[-1] - 1
    candidates = jnp.where(event, position, last)
    return jnp.flip(jnp.minimum.accumulate(jnp.flip(candidates, axis=-1), axis=-1), axis=-1)
