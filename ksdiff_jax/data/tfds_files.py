"""The files with which TensorFlow Datasets opens a data set by its folder: `dataset_info.json` and
`features.json`.

    tfds.builder_from_directory(folder).as_dataset(split="train")      requires TensorFlow

Both files are written without TensorFlow and without TFDS. The records are those of schema.py:
arrays are scalar byte strings, to be read by `tf.io.decode_raw` with the dtype and trailing shape
in `dataset.json`. `dataset_info.json` has the names of our shards as a template.
"""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np

from ksdiff_jax.data.description import DatasetInfo
from ksdiff_jax.data.schema import (
    ARRAYS,
    FEATURES,
    MEASURES,
    PICTURE_BOXES,
    PICTURES,
    TEXTS,
    TIMED,
)
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.plain_text import json_text

NAME = "ksdiff_jax"
VERSION = "1.0.0"  # of the record schema ksdiff-clip/1
FILE_NAME_TEMPLATE = "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}"
_FEATURES_MODULE = "tensorflow_datasets.core.features"


def write_tfds_files(folder: Path, info: DatasetInfo) -> None:
    """Write both files beside the shards of `info`.

    Splits without clips are left out, because TFDS cannot read them.
    """
    (folder / "features.json").write_text(
        json.dumps(_features(info.pictures > 0), indent=4), encoding="utf-8"
    )
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


def record_features(*, pictures: bool = False):
    """Return the codec of our records in TFDS, a `tfds.features.FeaturesDict`; it reads and writes
    without TensorFlow. `pictures` is whether the records have them.

    Raises `InputError` if TFDS cannot be imported.
    """
    tfds = import_tfds()
    raw_bytes = tfds.features.Tensor(shape=(), dtype=np.object_)
    return tfds.features.FeaturesDict(
        dict.fromkeys(_byte_strings(pictures), raw_bytes)
        | {name: tfds.features.Text() for name in (*TEXTS, *TIMED, MEASURES)}
        | {"fps": tfds.features.Scalar(np.float32)}
    )


def import_tfds() -> ModuleType:
    """Return `tensorflow_datasets` with its features, which it imports lazily and without which it
    has no readers.

    Raises `InputError` if it cannot be imported: tensorflow-metadata 1.21 refuses protobuf before
    6.31, which Colab has, and does not declare that (tensorflow/metadata#68).
    """
    import tensorflow_datasets as tfds

    try:
        importlib.import_module(_FEATURES_MODULE)
    except Exception as error:  # protobuf raises its own types
        raise InputError(
            f"tensorflow-datasets cannot be imported ({first_line(error)}); "
            "if the versions of protobuf are the reason: pip install 'tensorflow-metadata<1.21'"
        ) from error
    return tfds


def _byte_strings(pictures: bool) -> tuple[str, ...]:
    return (*ARRAYS, FEATURES, *((PICTURES, PICTURE_BOXES) if pictures else ()))


def _features(pictures: bool) -> dict:
    """Return the data that `record_features().save_config` writes to features.json."""

    def scalar(dtype: str, kind: str) -> dict:
        tensor = {"dtype": dtype, "encoding": "none", "shape": {}}
        return {"pythonClassName": f"{_FEATURES_MODULE}.{kind}", "tensor": tensor}

    text = {"pythonClassName": f"{_FEATURES_MODULE}.text_feature.Text", "text": {}}
    features = (
        dict.fromkeys(_byte_strings(pictures), scalar("string", "tensor_feature.Tensor"))
        | dict.fromkeys((*TEXTS, *TIMED, MEASURES), text)
        | {"fps": scalar("float32", "scalar.Scalar")}
    )
    by_name = {"features": {name: features[name] for name in sorted(features)}}
    return {
        "featuresDict": by_name,
        "pythonClassName": f"{_FEATURES_MODULE}.features_dict.FeaturesDict",
    }
