"""Arrays that lie on a mesh, from what each process holds.

Every process reads its own part of the global batch; `global_batch` puts the parts on the devices and gives arrays
whose shape is that of the whole batch: (b_local, ...) on each of n processes -> (n · b_local, ...).
"""

import jax
import numpy as np
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


def check_batch_size(batch_size: int, mesh: Mesh) -> int:
    """The number of examples that this process reads; raises `InputError` if `batch_size` does not divide."""
    shards = int(np.prod([mesh.shape[axis] for axis in BATCH_AXES]))
    if batch_size < 1 or batch_size % shards:
        raise InputError(
            f"data.batch_size {batch_size}: need a positive multiple of {shards}, "
            f"the batch shards of this mesh (mesh.data × mesh.fsdp)"
        )
    return batch_size // jax.process_count()


def global_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """A tree of this process's NumPy arrays as global arrays, split along their first axis."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda array: jax.make_array_from_process_local_data(sharding, np.asarray(array)), batch)
