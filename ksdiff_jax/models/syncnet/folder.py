"""Converts the weights of SyncNet from the original's PyTorch file, and loads the converted folder.

    config.json          schema "ksdiff-syncnet/1", a digest over the weights, the name and SHA-256
                         of the source
    weights.safetensors  every parameter by its path in the tree, float32

The file is read without PyTorch, and code in it is never executed (`foreign.torch_file`). The
conversion is checked to be a bijection: every parameter of ours has its weight there, and every
weight there is one of ours. The digest is verified whenever the folder is loaded. The weights are
not part of this package, and the rights to them stay with their authors.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.foreign.torch_file import read_state_dict
from ksdiff_jax.models.syncnet.origins import NOT_A_WEIGHT, origins
from ksdiff_jax.outputs import check_output_folder, writing_folder
from ksdiff_jax.ownership import SYNCNET
from ksdiff_jax.speech.config_fields import read_json_object
from ksdiff_jax.speech.weight_checks import likely_reason, sound_weight
from ksdiff_jax.tree import named_leaves, nested, parameter_count, tree_digest
from ksdiff_jax.typing import PyTree

SCHEMA = "ksdiff-syncnet/1"
WEIGHTS_FILE = "weights.safetensors"
NEEDED = "the weights of SyncNet, which this package does not have"
REMEDY = "give the authors' syncnet_v2.model to `ksdiff-jax convert syncnet`"
_AGAIN = "convert the file of weights again"


class LoadedSyncNet(NamedTuple):
    """The weights of a converted SyncNet."""

    params: PyTree
    digest: str  # SHA-256 over the weights
    source: str  # the name of the file that they come from
    source_sha256: str

    @property
    def parameters(self) -> int:
        """Return the number of scalars."""
        return parameter_count(self.params)


def convert_syncnet(
    source: str | Path, out: str | Path, *, overwrite: bool = False
) -> LoadedSyncNet:
    """Convert the original's file of weights into the folder `out`, which is complete or absent.

    A converted SyncNet of ours at `out` is replaced, other content only with `overwrite`. Raise
    `InputError` in one line for a file that is not SyncNet's.
    """
    source, out = Path(source), Path(out)
    check_output_folder(out, SYNCNET, overwrite=overwrite, inputs=[source])
    if not source.is_file():
        raise InputError(f"{source}: no such file; {REMEDY}")
    params = nested(converted(read_state_dict(source), source=str(source)))
    with source.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    loaded = LoadedSyncNet(params, tree_digest(params), source.name, sha256)
    _write(out, loaded, overwrite=overwrite)
    return loaded


def converted(weights: dict[str, np.ndarray], *, source: str) -> dict[str, np.ndarray]:
    """Return our parameters by their path; raise `InputError` unless the weights are those of
    SyncNet, one for one.
    """
    places = origins()
    given = {key for key in weights if not key.endswith(NOT_A_WEIGHT)}
    wanted = {origin.key for origin in places.values()}
    for keys, what in ((wanted - given, "missing"), (given - wanted, "unknown")):
        if keys:
            reason = likely_reason(given, "syncnet") or "this is another network"
            raise InputError(
                f"{source}: {len(keys)} weights are {what}, first {min(keys)!r:.80}; {reason}; "
                f"{REMEDY}"
            )
    params = {}
    for name, origin in places.items():
        weight = weights[origin.key]
        if weight.shape != origin.shape:
            raise InputError(
                f"{source}: {origin.key} has shape {weight.shape}, SyncNet's has {origin.shape}: "
                f"this is another form of it; {REMEDY}"
            )
        params[name] = origin.converted(sound_weight(origin.key, weight, source=source))
        if name.endswith("/variance") and (params[name] < 0).any():
            raise InputError(f"{source}: {origin.key} has a negative variance; give another copy")
    return params


def load_syncnet(folder: str | Path) -> LoadedSyncNet:
    """Return the SyncNet in a folder that `convert_syncnet` wrote; raise `InputError` for any
    other, and for a damaged one.
    """
    folder = Path(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder}: not a converted SyncNet (no config.json); {REMEDY}")
    manifest = read_json_object(path)
    if manifest.get("schema") != SCHEMA:
        raise InputError(
            f"{folder}: of schema {manifest.get('schema')!r:.60}, a converted SyncNet is of "
            f"{SCHEMA!r}; {REMEDY}"
        )
    leaves = read_tensors(folder / WEIGHTS_FILE, what="file of weights", remedy=_AGAIN)
    expected = {name: origin.ours for name, origin in origins().items()}
    found = {name: leaf.shape for name, leaf in leaves.items()}
    if wrong := sorted(name for name in expected | found if expected.get(name) != found.get(name)):
        raise InputError(
            f"{folder}: weight {wrong[0]} has shape {found.get(wrong[0])}, SyncNet's has "
            f"{expected.get(wrong[0])}; {_AGAIN}"
        )
    params = nested(leaves)
    if (digest := tree_digest(params)) != manifest.get("digest"):
        raise InputError(
            f"{folder}: its weights do not have the digest in config.json: a file is damaged or "
            f"was replaced; {_AGAIN}"
        )
    origin = (str(manifest.get(name, "not stated")) for name in ("source", "source_sha256"))
    return LoadedSyncNet(params, digest, *origin)


def _write(out: Path, loaded: LoadedSyncNet, *, overwrite: bool) -> None:
    from safetensors.numpy import save_file

    manifest = {
        "schema": SCHEMA,
        "digest": loaded.digest,
        "source": loaded.source,
        "source_sha256": loaded.source_sha256,
        "parameters": loaded.parameters,
    }
    with writing_folder(out, SYNCNET, overwrite=overwrite) as temporary:
        save_file(named_leaves(loaded.params), temporary / WEIGHTS_FILE)
        text = json.dumps(manifest, indent=1) + "\n"
        (temporary / "config.json").write_text(text, encoding="utf-8")
