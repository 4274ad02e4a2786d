"""Converts the arrays of each process to arrays on a mesh, and back.

Every process reads its own part of the global batch. `global_batch` places the parts on the devices
and returns arrays with the shape of the whole batch: (b_local, ...) on each of n processes -> (n ·
b_local, ...). `batch_of_all` and `on_every_device` place arrays that every process has in full, and
`on_host` copies arrays back to the host.
"""

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import PyTree

BATCH_AXES = ("data", "fsdp")


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Shard the first axis over `data` and `fsdp`; do not split the others."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """Replicate on every device."""
    return NamedSharding(mesh, PartitionSpec())


def check_batch_size(batch_size: int, mesh: Mesh, *, accumulate_steps: int = 1) -> int:
    """Return the number of examples that this process reads; raise `InputError` if `batch_size`
    does not divide.
    """
    shards = int(np.prod([mesh.shape[axis] for axis in BATCH_AXES]))
    if batch_size % (shards * accumulate_steps):
        micro = f" times train.accumulate_steps {accumulate_steps}" if accumulate_steps > 1 else ""
        raise InputError(
            f"data.batch_size {batch_size}: need a positive multiple of "
            f"{shards * accumulate_steps}, "
            f"the batch shards of this mesh (mesh.data × mesh.fsdp = {shards}){micro}"
        )
    if shards % (processes := len({device.process_index for device in mesh.devices.flat})):
        raise InputError(
            f"mesh.data × mesh.fsdp {shards} on {processes} processes: need a multiple of the "
            "processes, so that each "
            "reads its own examples; lower mesh.tensor to the devices of one process or fewer"
        )
    return batch_size // processes


def global_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """Return a tree of this process's NumPy arrays as global arrays, split along their first
    axis.
    """
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda array: jax.make_array_from_process_local_data(sharding, np.asarray(array)), batch
    )


def batch_of_all(batch: PyTree, mesh: Mesh) -> PyTree:
    """Return a tree of NumPy arrays that every process has in full as global arrays, split along
    their first axis.
    """
    return _placed(batch, batch_sharding(mesh))


def on_every_device(tree: PyTree, mesh: Mesh) -> PyTree:
    """Copy a tree that every process has in full to every device; arrays that are already there are
    not copied.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(mesh))
    return _placed(tree, replicated(mesh))


def on_host(tree: PyTree) -> PyTree:
    """Return global arrays as whole NumPy arrays on every process; all processes must call this, in
    the same order.
    """

    def fetch(leaf: jax.Array) -> np.ndarray:
        if not isinstance(leaf, jax.Array) or leaf.is_fully_replicated or leaf.is_fully_addressable:
            return np.asarray(leaf)
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(fetch, tree)


def _placed(tree: PyTree, sharding: NamedSharding) -> PyTree:
    def place(leaf: np.ndarray | jax.Array) -> jax.Array:
        if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
            return leaf
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place, tree)
