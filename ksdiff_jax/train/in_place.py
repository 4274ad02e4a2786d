"""Updates that overwrite their state: no array of the state is copied.

    m, v = moments(m, v, g);   θ = θ − step(m, v, θ);   ema = average(ema, θ)

Each of the three is computed from the stored result of the one before, after the choice between new
and old state in a step that is not finite. Every old array then has its last use where it is
overwritten. A step computed from moments before that choice reads the old m and v again: XLA's CPU
compiler then copies three of the four arrays of each parameter, before the forward pass.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from ksdiff_jax.typing import Array, Bool, PyTree

# of optax.scale_by_adam (Kingma and Ba 2015)
_B1, _B2, _EPSILON = 0.9, 0.999, 1e-8


def where_finite(finite: Bool[Array, ""] | None, new: PyTree, old: PyTree) -> PyTree:
    """Return `new` if `finite` is true or None, otherwise `old`."""
    if finite is None:
        return new
    return jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)


def adam_in_place() -> optax.GradientTransformationExtraArgs:
    """`optax.scale_by_adam` that computes its updates from the moments it stores.

    `update` has the further argument `finite`: if it is false, the state is unchanged and the
    updates are not to be used.
    """
    adam = optax.scale_by_adam(_B1, _B2, _EPSILON)

    def update(
        gradients: PyTree,
        state: optax.ScaleByAdamState,
        params: PyTree | None = None,
        *,
        finite: Bool[Array, ""] | None = None,
        **_others: Any,
    ) -> tuple[PyTree, optax.ScaleByAdamState]:
        _, new = adam.update(gradients, state, params)
        new = where_finite(finite, new, state)
        mean = optax.tree.bias_correction(new.mu, _B1, new.count)
        square = optax.tree.bias_correction(new.nu, _B2, new.count)
        return jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + _EPSILON), mean, square), new

    return optax.GradientTransformationExtraArgs(adam.init, update)


def counting_finite(
    transformation: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """Return `transformation` whose state is unchanged if the argument `finite` of `update` is
    false.
    """

    def update(
        updates: PyTree,
        state: PyTree,
        params: PyTree | None = None,
        *,
        finite: Bool[Array, ""] | None = None,
        **_others: Any,
    ) -> tuple[PyTree, PyTree]:
        updates, new = transformation.update(updates, state, params)
        return updates, where_finite(finite, new, state)

    return optax.GradientTransformationExtraArgs(transformation.init, update)
