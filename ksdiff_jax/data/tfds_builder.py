"""Data sets by name, through TensorFlow Datasets.

    builder = named_builder("hdtf")               a tfds.core.DatasetBuilder: info, features, splits
    builder.as_dataset(split="train")             requires TensorFlow

A name is a folder of shards under `$KSDIFF_DATA_DIR`, or under `datasets` in our cache folder if
that is not set. Nothing is downloaded: copy a published data set there as a whole. Its builder is
read from the files beside its shards.
"""

import os

from etils import epath

from ksdiff_jax.data.description import DESCRIPTION
from ksdiff_jax.data.tfds_files import import_tfds
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import cache_folder

DATA_DIR_VARIABLE = "KSDIFF_DATA_DIR"


def named_folder(name: str) -> epath.Path:
    """Return the folder of the data set of that name; if there is none, raise `InputError` with the
    available names.
    """
    root = epath.Path(os.environ.get(DATA_DIR_VARIABLE) or cache_folder() / "datasets")
    plain = name and name not in (".", "..") and "/" not in name and "\\" not in name
    if plain and (root / name / DESCRIPTION).exists():
        return root / name
    known = (
        sorted(path.name for path in root.iterdir() if (path / DESCRIPTION).exists())
        if root.exists()
        else []
    )
    there = f"there are {', '.join(known)}" if known else "there are none"
    raise InputError(
        f"no data set {name!r} in {root}: {there}; put its folder there or set {DATA_DIR_VARIABLE}"
    )


def named_builder(name: str):
    """Return the `tfds.core.DatasetBuilder` of a data set by name."""
    folder = named_folder(name)
    if not (folder / "dataset_info.json").exists():
        raise InputError(
            f"{folder}: written by a version without TFDS support; make it again to have "
            "dataset_info.json"
        )
    return import_tfds().builder_from_directory(folder)
