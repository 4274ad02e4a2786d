"""The gradient of one batch from n micro-batches in sequence: the memory of a small batch for a
large one.

    batch (b, ...) -> (n, b / n, ...);   loss = 1/n Σ_i loss_i,   g = 1/n Σ_i ∇ loss_i

A loss is a mean over clips (steps.py) and all micro-batches have the same number of clips, so these
are the loss and the gradient of the whole batch. Each clip keeps its key and therefore its random
draws; only dropout differs.

Micro-batch i has clips i, i + n, i + 2n, ... Each device has neighbouring clips, so its part of
every micro-batch is in its own memory: nothing is sent, and no device waits.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ksdiff_jax.parallel.arrays import BATCH_AXES
from ksdiff_jax.typing import Array, Float, Key, PyTree

Means = dict[str, Float[Array, ""]]  # of the terms of a loss, over clips
Gradient = tuple[tuple[Float[Array, ""], Means], PyTree]


def micro_batches(batch: PyTree, count: int, mesh: Mesh) -> PyTree:
    """Return every array (b, ...) as (count, b / count, ...): [i, j] is clip j · count + i; each
    part is on all batch shards.
    """
    sharding = NamedSharding(mesh, PartitionSpec(None, BATCH_AXES))

    def dealt(array: Array) -> Array:
        parts = array.reshape(array.shape[0] // count, count, *array.shape[1:])
        return jax.lax.with_sharding_constraint(jnp.moveaxis(parts, 1, 0), sharding)

    return jax.tree.map(dealt, batch)


def accumulated(
    gradient: Callable[[PyTree, PyTree, Key[Array, "b"]], Gradient],
    params: PyTree,
    batch: PyTree,
    keys: Key[Array, "b"],
    *,
    count: int,
    mesh: Mesh,
) -> Gradient:
    """Return ((loss, means of its terms), gradient) of `batch`, from `gradient` of (params,
    micro-batch, keys of its clips).
    """
    if count == 1:
        return gradient(params, batch, keys)

    def add(
        total: PyTree, part: tuple[PyTree, Key[Array, "b"]]
    ) -> tuple[PyTree, tuple[Float[Array, ""], Means]]:
        values, found = gradient(params, *part)
        return jax.tree.map(jnp.add, total, found), values

    zeros = jax.tree.map(jnp.zeros_like, params)
    parts = micro_batches(batch, count, mesh), keys.reshape(-1, count).T
    total, values = jax.lax.scan(add, zeros, parts)
    mean_of_values = jax.tree.map(lambda value: value.mean(axis=0), values)
    return mean_of_values, jax.tree.map(lambda leaf: leaf / count, total)
