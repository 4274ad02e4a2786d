"""Joint sampling of windows that overlap: at every step of the sampler the predictions of
neighbouring windows are blended over the frames that they share, as in MultiDiffusion (Bar-Tal et
al. 2023, Eq. 5) with the weights of a ramp,

    x̂₀ ← (1 − w) x̂₀ of the left window + w x̂₀ of the right window,   w(x) = sin²(π x / 2)

with x from 0 to 1 across the overlap. Neighbours have the same noise there, so they stay the same
signal at every step, and their samples are one motion. The clean signal is blended, not the noisy
one, so the sampler may have any order.

The windows of a clip are neighbouring rows of a batch (`speech.utterance.Joint`). A window that
follows windows sampled before has some frames `held`: x̂₀ there is their motion, which the rest
approaches (diffusion/in_painting.py).
"""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp

from ksdiff_jax.diffusion.in_painting import filled
from ksdiff_jax.diffusion.sample import Denoiser
from ksdiff_jax.typing import Array, Bool, Float, Int, PyTree, Shaped

T = TypeVar("T")


@runtime_checkable
class Joint(Protocol):
    """What rows share, as in `speech.utterance.Joint`."""

    before: Int[Array, "b"]  # frames shared with the row before; 0: none
    after: Int[Array, "b"]  # frames shared with the row after
    held: Bool[Array, "b t"]  # frames that keep a given motion


def jointly(
    denoise: Denoiser,
    joint: Joint,
    held: Float[Array, "b t c"],
    *,
    mask: Bool[Array, "b t"],
) -> Denoiser:
    """Return the denoiser whose predictions are blended between the rows, and are `held` where
    `joint.held`; `mask` marks the valid frames.
    """
    left, right = _neighbours(joint, mask)
    at = jnp.arange(mask.shape[1])[None]
    begins = at < joint.before[:, None]
    ends = mask & (at >= _end(joint, mask))
    of_left = _ramp(at, joint.before[:, None])[..., None]
    of_right = _ramp(at - _end(joint, mask), joint.after[:, None])[..., None]
    kept = jnp.broadcast_to(joint.held[..., None], held.shape)

    def blended(noisy: Float[Array, "b t c"], step: Int[Array, ""]) -> Float[Array, "b t c"]:
        own = denoise(noisy, step)
        clean = jnp.where(begins[..., None], (1 - of_left) * left(own) + of_left * own, own)
        clean = jnp.where(ends[..., None], (1 - of_right) * own + of_right * right(own), clean)
        return filled(clean, held, kept)

    return blended


def owned(
    values: Shaped[Array, "b t"], joint: Joint, *, mask: Bool[Array, "b t"]
) -> Shaped[Array, "b t"]:
    """Return the values of every frame from the row whose border is farther away."""
    left, right = _neighbours(joint, mask)
    at = jnp.arange(mask.shape[1])
    of_left = at < joint.before[:, None] // 2
    of_right = mask & (at >= _end(joint, mask) + joint.after[:, None] // 2)
    return jnp.where(of_left, left(values), jnp.where(of_right, right(values), values))


def row_by_row(
    function: Callable[[PyTree], T], rows: PyTree, present: Bool[Array, "b"] | None
) -> T:
    """Return `function(rows)`, one row after the other and zeros for those that are not present: in
    the memory of one row. With `present` None it is computed as one batch.
    """
    if present is None:
        return function(rows)

    def one(row: PyTree) -> T:
        return jax.tree.map(lambda a: a[0], function(jax.tree.map(lambda a: a[None], row)))

    def nothing(row: PyTree) -> T:
        return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(one, row))

    return jax.lax.map(
        lambda given: jax.lax.cond(given[1], one, nothing, given[0]), (rows, present)
    )


def _end(joint: Joint, mask: Bool[Array, "b t"]) -> Int[Array, "b 1"]:
    """Return the first frame that a row shares with the next one."""
    return mask.sum(axis=1, keepdims=True) - joint.after[:, None]


def _ramp(place: Int[Array, "#b t"], shared: Int[Array, "b 1"]) -> Float[Array, "b t"]:
    """Return w of frame number `place` of an overlap."""
    return jnp.square(jnp.sin(jnp.pi / 2 * (place + 0.5) / jnp.maximum(shared, 1)))


def _neighbours(
    joint: Joint, mask: Bool[Array, "b t"]
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Return the functions that move the values of the previous and of the next row to the frames
    of this row; they are arbitrary where nothing is shared.
    """
    at, last = jnp.arange(mask.shape[1]), mask.shape[1] - 1
    end = _end(joint, mask)
    of_left = jnp.clip(jnp.roll(mask.sum(axis=1), 1)[:, None] - joint.before[:, None] + at, 0, last)
    of_right = jnp.clip(at - end, 0, last)

    def moved(values: Array, rows: int, index: Int[Array, "b t"]) -> Array:
        index = index.reshape(*index.shape, *(1,) * (values.ndim - 2))
        return jnp.take_along_axis(jnp.roll(values, rows, axis=0), index, axis=1)

    return lambda values: moved(values, 1, of_left), lambda values: moved(values, -1, of_right)
