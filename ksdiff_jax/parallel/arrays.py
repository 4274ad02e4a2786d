"""Arrays that lie on a mesh, from what each process holds.

Every process reads its own part of the global batch; `global_batch` puts the parts on the devices
and gives arrays whose shape is that of the whole batch: (b_local, ...) on each of n processes -> (n
· b_local, ...). What every process holds whole goes to the devices by `batch_of_all` and
`on_every_device`, and comes back by `on_host`.
"""

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import PyTree

BATCH_AXES = ("data", "fsdp")


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The first axis over `data` and `fsdp`, everything else whole."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def check_batch_size(batch_size: int, mesh: Mesh, *, accumulate_steps: int = 1) -> int:
    """The number of examples that this process reads; raises `InputError` if `batch_size` does not
    divide.
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
    """A tree of this process's NumPy arrays as global arrays, split along their first axis."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda array: jax.make_array_from_process_local_data(sharding, np.asarray(array)), batch
    )


def batch_of_all(batch: PyTree, mesh: Mesh) -> PyTree:
    """A tree of NumPy arrays that every process holds whole as global arrays, split along their
    first axis.
    """
    return _placed(batch, batch_sharding(mesh))


def on_every_device(tree: PyTree, mesh: Mesh) -> PyTree:
    """A tree that every process holds whole, copied to every device; no copy of what lies there
    already.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(mesh))
    return _placed(tree, replicated(mesh))


def on_host(tree: PyTree) -> PyTree:
    """Whole NumPy arrays of global ones, on every process; all of them must ask, in the
    same order.
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
