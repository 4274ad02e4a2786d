"""Classifier-free guidance (Ho and Salimans 2022): x̂₀ = x̂₀(∅) + s (x̂₀(c) − x̂₀(∅)); s = 1 is the
conditional model.

The predictions under several conditions are one batch on an accelerator, which runs one large
program faster than several small ones. On a CPU they are computed in turn.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from ksdiff_jax.typing import Array, Float, Int, PyTree

Predictor = Callable[[Float[Array, "b *n"], Int[Array, ""], PyTree], Float[Array, "b *n"]]


def guide(
    conditional: Float[Array, "*b"], unconditional: Float[Array, "*b"], *, scale: float
) -> Float[Array, "*b"]:
    """Extrapolate a prediction away from the unconditional one by `scale`."""
    return unconditional + scale * (conditional - unconditional)


def one_batch(setting: bool | None) -> bool:
    """Return `setting`, or, if it is None, whether JAX computes on an accelerator."""
    return jax.default_backend() != "cpu" if setting is None else setting


def under_each(
    predict: Predictor, conditions: Sequence[PyTree], *, together: bool
) -> Callable[[Float[Array, "b *n"], Int[Array, ""]], list[Float[Array, "b *n"]]]:
    """Return the function of noisy signal and step that returns the predictions under all
    `conditions`, whose arrays have the batch as their first axis; as one batch if `together`.

    The rows of one batch element are neighbours, so that a batch split over devices needs no
    communication.
    """
    count = len(conditions)
    if not together or count == 1:
        return lambda noisy, step: [predict(noisy, step, condition) for condition in conditions]
    joined = _interleaved(conditions)

    def predictions(noisy: Float[Array, "b *n"], step: Int[Array, ""]):
        found = predict(_interleaved([noisy] * count), step, joined)
        return list(jnp.moveaxis(found.reshape(-1, count, *found.shape[1:]), 1, 0))

    return predictions


def _interleaved(trees: Sequence[PyTree]) -> PyTree:
    return jax.tree.map(
        lambda *leaves: jnp.stack(leaves, axis=1).reshape(-1, *leaves[0].shape[1:]), *trees
    )
