"""The gradient of one batch from n micro-batches, one after the other: the memory of a small batch
for a large one.

    batch (b, ...) -> (n, b / n, ...);   loss = Σ_i loss_i,   g = Σ_i ∇ loss_i,   i = 0 … n - 1

Every loss_i is the micro-batch's share of the mean over the whole batch (`System.loss`, `whole`),
so the sums are the loss and the gradient of the whole batch even where clips differ in length. Only
random numbers differ: those of micro-batch i come from key(step, "micro-batch", i).

Micro-batch i takes clips i, i + n, i + 2n, ... Each device holds neighbouring clips, so it finds
its part of every micro-batch in its own memory: nothing is sent, and no device waits.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ksdiff_jax.models.system import Batch
from ksdiff_jax.parallel.arrays import BATCH_AXES
from ksdiff_jax.rng import stream
from ksdiff_jax.typing import Array, Bool, Float, Key, PyTree

Terms = dict[str, Float[Array, ""]]
Gradient = tuple[tuple[Float[Array, ""], Terms], PyTree]


def micro_batches(batch: PyTree, count: int, mesh: Mesh) -> PyTree:
    """Every array (b, ...) as (count, b / count, ...): [i, j] is clip j · count + i; each part on
    all batch shards.
    """
    sharding = NamedSharding(mesh, PartitionSpec(None, BATCH_AXES))

    def dealt(array: Array) -> Array:
        parts = array.reshape(array.shape[0] // count, count, *array.shape[1:])
        return jax.lax.with_sharding_constraint(jnp.moveaxis(parts, 1, 0), sharding)

    return jax.tree.map(dealt, batch)


def accumulated(
    gradient: Callable[[PyTree, Batch, Key[Array, ""], Bool[Array, "n t"] | None], Gradient],
    params: PyTree,
    batch: Batch,
    key: Key[Array, ""],
    *,
    count: int,
    mesh: Mesh,
) -> Gradient:
    """((loss, terms), gradient) of `batch` by `gradient`, which gets (params, micro-batch, key,
    whole masks).
    """
    if count == 1:
        return gradient(params, batch, key, None)
    whole = batch.speech.mask

    def add(
        total: PyTree, part: tuple[Array, Batch]
    ) -> tuple[PyTree, tuple[Float[Array, ""], Terms]]:
        number, micro = part
        values, found = gradient(params, micro, stream(key, "micro-batch", number), whole)
        return jax.tree.map(jnp.add, total, found), values

    zeros = jax.tree.map(jnp.zeros_like, params)
    total, values = jax.lax.scan(add, zeros, (jnp.arange(count), micro_batches(batch, count, mesh)))
    return jax.tree.map(lambda shares: shares.sum(axis=0), values), total
