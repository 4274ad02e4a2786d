"""In-painting: a sample some of whose values are given and most of whose frames stay, after RePaint
(Lugmayr et al. 2022), in the space of clean signals.

Two samples are computed side by side from one noise: the plain one, and the edited one, whose
prediction at every step of the sampler is

    x̂₀ ← given                                     where a value is pinned
    x̂₀ ← x̂₀ of the plain sample at this step       in frames that stay
    x̂₀ ← x̂₀ + s(d⁻) e(d⁻) + s(d⁺) e(d⁺)            elsewhere

e is what these values are off the prediction at the nearest such frame before (d⁻ frames away) and
after (d⁺), continued with its slope there; s falls smoothly from 1 at that frame to 0, `reach`
frames away or at the next such frame. So the edited sample approaches them without a step, and the
denoiser reads noisy frames of both as one signal. Without an edit both samples are one. A
deterministic sampler returns the pinned values themselves.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.diffusion.sample import Denoiser
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int

REACH_FRAMES = 10  # 0.4 s


def side_by_side(
    plain: Denoiser,
    edited: Denoiser,
    given: Float[Array, "b t c"],
    *,
    pinned: Bool[Array, "b t c"],
    free: Bool[Array, "b t"],
) -> Denoiser:
    """Return the denoiser of both samples, (b, t, 2 c), the plain one first.

    `plain` and `edited` are the denoisers without and with the edit, and `free` marks the frames
    that may change. Any sampler that computes each number by itself may run it.
    """
    stays = pinned | ~free[..., None]

    def both(noisy: Float[Array, "b t c2"], step: Int[Array, ""]) -> Float[Array, "b t c2"]:
        before, after = jnp.split(noisy, 2, axis=-1)
        clean = plain(before, step)
        wanted = jnp.where(pinned, given, clean)
        return jnp.concatenate([clean, filled(edited(after, step), wanted, stays)], axis=-1)

    return both


def filled(
    free: Float[AnyArray, "*b t c"],
    given: Float[AnyArray, "*b t c"],
    kept: Bool[AnyArray, "*b t c"],
    *,
    reach: int = REACH_FRAMES,
) -> Float[AnyArray, "*b t c"]:
    """Return `given` where `kept` and `free`, which approaches it, elsewhere; NumPy arrays give
    NumPy arrays.
    """
    xp = np if isinstance(free, np.ndarray) else jnp
    frames = free.shape[-2]
    at = xp.arange(frames)[:, None] + xp.zeros(free.shape, int)
    before = _running_maximum(xp.where(kept, at, -1), xp)
    after = (
        frames
        - 1
        - xp.flip(_running_maximum(xp.flip(xp.where(kept, frames - 1 - at, -1), -2), xp), -2)
    )
    off = xp.where(kept, given - free, 0.0)
    gap = xp.where((before >= 0) & (after < frames), after - before, reach)
    span = xp.minimum(gap, reach)

    def approach(nearest: AnyArray, inside: AnyArray, towards: int) -> AnyArray:
        """Return s · e of the given frame `nearest`, 0 where there is none."""
        distance = xp.abs(at - nearest)
        index = xp.clip(nearest, 0, frames - 1)
        value = xp.take_along_axis(off, index, axis=-2)
        second = xp.clip(index - towards, 0, frames - 1)
        slope = value - xp.take_along_axis(off, second, axis=-2)
        slope = xp.where(xp.take_along_axis(kept, second, axis=-2), slope, 0.0)
        x = xp.clip(distance / xp.maximum(span, 1), 0.0, 1.0)
        share = 1.0 - x * x * (3.0 - 2.0 * x)
        return xp.where(inside, share * (value + slope * distance), 0.0)

    near = approach(before, before >= 0, 1) + approach(after, after < frames, -1)
    return xp.where(kept, given, free + near).astype(free.dtype)


def _running_maximum(values: Int[AnyArray, "*b t c"], xp) -> Int[AnyArray, "*b t c"]:
    """Return the maximum of the frames up to each frame."""
    if xp is np:
        return np.maximum.accumulate(values, axis=-2)
    return jax.lax.cummax(values, axis=values.ndim - 2)
