"""What lets TensorFlow Datasets open a data set by its folder: `dataset_info.json` and `features.json`.

    tfds.builder_from_directory(folder).as_dataset(split="train")      where TensorFlow is installed

Both files are written without it. The records are those of schema.py: arrays arrive as scalar byte strings, read by
`tf.io.decode_raw` with the dtype and trailing shape that `dataset.json` gives. The names of our shards stand in
`dataset_info.json` as a template.
"""

from pathlib import Path

from ksdiff_jax.data.description import DatasetInfo
from ksdiff_jax.data.schema import record_features
from ksdiff_jax.plain_text import json_text

NAME = "ksdiff_jax"
VERSION = "1.0.0"  # of the record schema ksdiff-clip/1
FILE_NAME_TEMPLATE = "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}"


def write_tfds_files(folder: Path, info: DatasetInfo) -> None:
    """Write both files beside the shards of `info`. Splits without clips are left out, which TFDS cannot read."""
    record_features().save_config(str(folder))
    splits = [
        {
            "name": name,
            "filepathTemplate": FILE_NAME_TEMPLATE,
            "shardLengths": [str(clips) for clips in split.shard_clips],
            "numBytes": str(sum((folder / shard).stat().st_size for shard in split.shards)),
        }
        for name, split in info.splits.items()
        if split.clips
    ]
    raw = {
        "name": NAME,
        "version": VERSION,
        "fileFormat": "tfrecord",
        "description": info.made_by,
        "redistributionInfo": {"license": info.licence},
        "splits": splits,
    }
    text = json_text(raw, indent=1) + "\n"
    (folder / "dataset_info.json").write_text(text, encoding="utf-8")
