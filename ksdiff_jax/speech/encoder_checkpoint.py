"""The speech encoder in a checkpoint of this package: layout and weights, read and verified without
the rest of it.

It is that of a student (`configs/student.py`), or the pretrained encoder of a self-contained
checkpoint (`ksdiff-jax convert checkpoint`), as the shipped `whisper_demo` is one. Its weights are
float16 there, so its digest is another one than that of the original encoder.

A checkpoint is what `models.pretrained` writes. It is read here as well because an encoder is
loaded below the systems; of its manifest only the layout and the digests of the weights are used.
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.overrides import from_dict
from ksdiff_jax.speech.config import EncoderConfig, EncoderLayout
from ksdiff_jax.speech.config_fields import read_json_object
from ksdiff_jax.speech.weight_checks import sound_weight
from ksdiff_jax.tree import leaf_digest, nested
from ksdiff_jax.typing import PyTree

CHECKPOINT_SCHEMA = "ksdiff-checkpoint/1"
PREFIX = "encoder/backbone/"  # of the encoder's weights in the system's tree
_AGAIN = "fetch the checkpoint again"


def encoder_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint in a folder: itself, or `pretrained` in it, as a run has it; None if
    there is none.

    Raise `InputError` for a checkpoint that does not contain the weights of a speech encoder.
    """
    for place in (folder, folder / "pretrained"):
        path = place / "config.json"
        if not path.is_file() or CHECKPOINT_SCHEMA.split("/")[0] not in path.read_text(
            encoding="utf-8", errors="replace"
        ):
            continue
        manifest = read_json_object(path)
        system = (manifest.get("config") or {}).get("system")
        leaves = manifest.get("leaves")
        holds_one = isinstance(leaves, dict) and any(name.startswith(PREFIX) for name in leaves)
        if manifest.get("schema") != CHECKPOINT_SCHEMA or not holds_one:
            raise InputError(
                f"{folder}: a checkpoint of the system {system!r:.60}, which is no speech encoder "
                "and contains no pretrained one; name a run of configs/student.py, or an encoder"
            )
        return place
    return None


def read_encoder_checkpoint(folder: Path) -> tuple[EncoderLayout, PyTree]:
    """Return layout and parameters of the encoder in a checkpoint; raise `InputError` with the name
    of what is damaged.
    """
    manifest = read_json_object(folder / "config.json")
    try:
        values = {"architecture": manifest["config"]["model"]["encoder"]["architecture"]}
        config = from_dict(EncoderConfig, values).architecture
        digests = dict(manifest["leaves"])
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'}: {first_line(error)}; {_AGAIN}") from error
    if config is None:
        raise InputError(f"{folder / 'config.json'}: has no layout of an encoder; {_AGAIN}")
    path = folder / "weights.safetensors"
    leaves = read_tensors(path, what="file of weights", remedy=_AGAIN)
    params = {}
    for name, leaf in leaves.items():
        if not name.startswith(PREFIX):
            continue
        if leaf_digest(leaf) != digests.get(name):
            raise InputError(f"{path}: weight {name!r} is corrupt (SHA-256 differs); {_AGAIN}")
        sound = sound_weight(name, leaf, source=str(path))
        params[name.removeprefix(PREFIX)] = np.ascontiguousarray(sound, np.float32)
    return config, nested(params)
