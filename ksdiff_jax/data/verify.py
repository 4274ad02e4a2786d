"""Whether a data set is whole: every record read and checked, every shard's digest compared."""

from ksdiff_jax.data.description import PathLike, dataset_info
from ksdiff_jax.data.shards import ShardReader, verify_shards


def verify_dataset(folder: PathLike) -> None:
    """Read every record, so that a fault is named by file, record and offset; then compare each
    shard's SHA-256.
    """
    for split in dataset_info(folder).splits:
        # decodes every clip and checks what holds between its fields
        for _ in ShardReader(folder, split):
            pass
    verify_shards(folder)
