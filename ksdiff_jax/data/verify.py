"""Verifies that a data set is complete: reads and checks every record, and compares every shard's
digest.
"""

from ksdiff_jax.data.description import PathLike, dataset_info
from ksdiff_jax.data.shards import ShardReader, verify_shards


def verify_dataset(folder: PathLike) -> None:
    """Read every record, so that a fault is reported with file, record and offset; then compare
    each shard's SHA-256.
    """
    for split in dataset_info(folder).splits:
        # decodes every clip and checks the invariants between its fields
        for _ in ShardReader(folder, split):
            pass
    verify_shards(folder)
