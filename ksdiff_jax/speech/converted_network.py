"""Networks of other tools in this package's format: a folder with the weights, and checks that they
are complete.

    config.json          schema "ksdiff-syncnet/1" or "ksdiff-picture-network/1", the kind, its
                         layout, a digest over the weights, the name and SHA-256 of the source
    weights.safetensors  every parameter by its path in the tree, float32

A conversion is a bijection: every parameter of ours has its weight in the source, and every weight
there is one of ours. The digest is verified whenever the folder is loaded. The weights are not part
of this package, and the rights to them stay with their authors.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.outputs import check_output_folder, writing_folder
from ksdiff_jax.ownership import PICTURE_NETWORK, SYNCNET, FolderKind
from ksdiff_jax.speech.config_fields import read_json_object
from ksdiff_jax.speech.weight_checks import likely_reason, sound_weight
from ksdiff_jax.tree import named_leaves, nested, parameter_count, tree_digest
from ksdiff_jax.typing import Float, PyTree

WEIGHTS_FILE = "weights.safetensors"
SYNCNET_KIND = "syncnet"
_AGAIN = "convert the weights again"


@runtime_checkable
class WeightOrigin(Protocol):
    """A weight of the original: its key and its shape there, and its conversion."""

    @property
    def key(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def ours(self) -> tuple[int, ...]:
        """Return the shape of the parameter."""

    def converted(self, weight: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*m"]:
        """Return the weight with the axes of ours."""


class ConvertedNetwork(NamedTuple):
    """The weights of a converted network."""

    kind: str  # syncnet, autoencoder, lpips, inception
    layout: Mapping[str, object]  # the fields of its configuration
    params: PyTree
    digest: str  # SHA-256 over the weights
    source: str  # the name of the file that they come from
    source_sha256: str

    @property
    def parameters(self) -> int:
        """Return the number of scalars."""
        return parameter_count(self.params)


def folder_kind(kind: str) -> FolderKind:
    """Return what marks the folders of a kind of network."""
    return SYNCNET if kind == SYNCNET_KIND else PICTURE_NETWORK


def schema_of(kind: str) -> str:
    """Return the schema in `config.json` of a kind of network."""
    return f"ksdiff-{folder_kind(kind).purpose}/1"


def converted(
    weights: Mapping[str, np.ndarray],
    origins: Mapping[str, WeightOrigin],
    *,
    source: str,
    remedy: str,
    ignored: Collection[str] = (),
) -> PyTree:
    """Return the tree of our parameters from a file's weights; keys of `ignored` may be there too.

    Raises `InputError` unless the weights are those of the network, one for one.
    """
    given = set(weights) - set(ignored)
    wanted = {origin.key for origin in origins.values()}
    for keys, what in ((wanted - given, "missing"), (given - wanted, "unknown")):
        if keys:
            reason = likely_reason(given, "this network") or "this is another network"
            raise InputError(
                f"{source}: {len(keys)} weights are {what}, first {min(keys)!r:.80}; {reason}; "
                f"{remedy}"
            )
    leaves = {}
    for name, origin in origins.items():
        weight = weights[origin.key]
        if weight.shape != origin.shape:
            raise InputError(
                f"{source}: {origin.key} has shape {weight.shape}, its layout has {origin.shape}: "
                f"this is another form of the network; {remedy}"
            )
        leaves[name] = origin.converted(sound_weight(origin.key, weight, source=source))
        if name.endswith("/variance") and (leaves[name] < 0).any():
            raise InputError(f"{source}: {origin.key} has a negative variance; give another copy")
    return nested(leaves)


def network_of(
    kind: str, layout: Mapping[str, object], params: PyTree, *, source: Path
) -> ConvertedNetwork:
    """Return the network of a file's weights."""
    with source.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return ConvertedNetwork(kind, layout, params, tree_digest(params), source.name, sha256)


def write_network(
    out: Path, network: ConvertedNetwork, *, inputs: Collection[Path], overwrite: bool = False
) -> None:
    """Write the folder `out`, which is complete or absent. A converted network at `out` is
    replaced, other content only with `overwrite`, the `inputs` never.
    """
    from safetensors.numpy import save_file

    owner = folder_kind(network.kind)
    check_output_folder(out, owner, overwrite=overwrite, inputs=list(inputs))
    manifest = {
        "schema": schema_of(network.kind),
        "kind": network.kind,
        "layout": dict(network.layout),
        "digest": network.digest,
        "source": network.source,
        "source_sha256": network.source_sha256,
        "parameters": network.parameters,
    }
    with writing_folder(out, owner, overwrite=overwrite) as temporary:
        save_file(named_leaves(network.params), temporary / WEIGHTS_FILE)
        text = json.dumps(manifest, indent=1) + "\n"
        (temporary / "config.json").write_text(text, encoding="utf-8")


def read_network(folder: str | Path, *, kind: str, remedy: str) -> ConvertedNetwork:
    """Return the network in a folder that `write_network` wrote.

    Raises `InputError` for any other folder, for a network of another kind and for a damaged one;
    `remedy` ends the message.
    """
    folder = Path(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder}: not a converted {kind} (no config.json); {remedy}")
    manifest = read_json_object(path)
    found = manifest.get("schema")
    if found == schema_of(kind):  # a SyncNet of an earlier version names no kind
        found = manifest.get("kind", SYNCNET_KIND)
    if found != kind:
        raise InputError(f"{folder}: holds {found!r:.60}, need a converted {kind}; {remedy}")
    params = nested(read_tensors(folder / WEIGHTS_FILE, what="file of weights", remedy=_AGAIN))
    if (digest := tree_digest(params)) != manifest.get("digest"):
        raise InputError(
            f"{folder}: its weights do not have the digest in config.json: a file is damaged or "
            f"was replaced; {_AGAIN}"
        )
    layout = manifest.get("layout")
    layout = layout if isinstance(layout, dict) else {}
    source, sha256 = (str(manifest.get(name, "not stated")) for name in ("source", "source_sha256"))
    return ConvertedNetwork(kind, layout, params, digest, source, sha256)


def checked(
    network: ConvertedNetwork, origins: Mapping[str, WeightOrigin], folder: str | Path
) -> ConvertedNetwork:
    """Return the network; raise `InputError` unless it has these parameters and shapes."""
    shapes = {name: origin.ours for name, origin in origins.items()}
    found = {name: tuple(leaf.shape) for name, leaf in named_leaves(network.params).items()}
    if wrong := sorted(name for name in shapes | found if shapes.get(name) != found.get(name)):
        raise InputError(
            f"{folder}: weight {wrong[0]} has shape {found.get(wrong[0])}, a {network.kind} of its "
            f"layout has {shapes.get(wrong[0])}; {_AGAIN}"
        )
    return network
