"""Updates that overwrite their state: no array of the state is copied or computed twice.

    m, v = moments(m, v, g);   θ = θ − step(m, v, θ);   ema = average(ema, θ)

XLA's CPU compiler fuses element-wise operations by computing their inputs again, so that without
further measures the fusion of each result begins at the gradient and at the old m, v and θ. These
then have other uses after they are overwritten, and the compiler copies three of the four arrays of
each parameter before the step. Here each result is stored before the next one is computed from it,
and every old array has its last use where it is overwritten.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from ksdiff_jax.typing import Array, Bool, PyTree

# of optax.scale_by_adam (Kingma and Ba 2015)
_B1, _B2, _EPSILON = 0.9, 0.999, 1e-8


def settled(values: PyTree) -> PyTree:
    """Return `values`, which no fusion of their uses computes again on a CPU.

    Other compilers fuse several results in one kernel, which this does not prevent.
    """
    return jax.lax.optimization_barrier(values) if jax.default_backend() == "cpu" else values


def where_finite(finite: Bool[Array, ""] | None, new: PyTree, old: PyTree) -> PyTree:
    """Return `new` if `finite` is true or None, otherwise `old`."""
    if finite is None:
        return new
    return jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)


def adam_in_place() -> optax.GradientTransformationExtraArgs:
    """`optax.scale_by_adam` with the same state, whose step is computed from the stored moments.

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
        new = settled(where_finite(finite, new, state))
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
