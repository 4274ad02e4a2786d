"""Checkpoints for inference: a folder of three files in open formats.

| file | content |
|---|---|
| config.json | schema "ksdiff-checkpoint/1", configuration, motion space, a SHA-256 per weight |
| weights.safetensors | every trained parameter by its path in the tree, float32 or float16 |
| card.md | how the checkpoint was made, its metrics, its limits |

Weights are stored as float32 or, at half the size, as float16; `load_pretrained` always returns
float32. A safetensors file with a flipped bit loads without an error. The digest of every leaf is
therefore verified on reading. The manifest contains a digest of itself, which is also the identity
of the checkpoint.

The frozen weights of a pretrained speech encoder belong to a third party and are larger than the
rest. A checkpoint does not store them but refers to them by `model.encoder.path` and
`model.encoder.digest` of the configuration, and they are loaded from there. With `embed_encoder`
they are stored like all others.

A checkpoint may also be on the Hugging Face hub, as `org/name` or `org/name@revision`; `publish.py`
uploads it. Its three files are downloaded into the cache of the hub's client and verified like any
others.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy as np

from ksdiff_jax import hub
from ksdiff_jax.config import Config, to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import SHIPPED, moved_away
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.models import config_from_dict
from ksdiff_jax.models.frozen import BACKBONE, join, part
from ksdiff_jax.motion.earlier import space_of_checkpoint, space_of_maker, stated_space
from ksdiff_jax.motion.space import BUILTIN, SPACES, MotionSpace
from ksdiff_jax.outputs import writing_folder
from ksdiff_jax.ownership import CHECKPOINT
from ksdiff_jax.plain_text import printable
from ksdiff_jax.tree import leaf_digest, named_leaves, nested
from ksdiff_jax.typing import PyTree

SCHEMA = "ksdiff-checkpoint/1"
DEFAULT_NAME = "whisper_demo"
HUB_FILES = ("config.json", "weights.safetensors", "card.md", "README.md")

# Number of attempts to read a folder that other processes replace; the last one may raise.
_ATTEMPTS = 20

T = TypeVar("T")


class Pretrained(NamedTuple):
    """A trained system: its configuration, its weights, the motion space it was trained on, and its
    identity.
    """

    config: Config
    params: PyTree  # float32
    space: MotionSpace  # its name is "" if a checkpoint of an earlier version does not show it
    digest: str  # SHA-256 of the manifest, which contains the digests of all weights
    path: Path
    # SHA-256 of the files that it was trained on; None: the checkpoint does not record them
    sources: tuple[str, ...] | None = None
    recorded: Mapping[str, float] = MappingProxyType({})  # figures that the checkpoint reports


def shipped_names() -> list[str]:
    """Return the names of the checkpoints in the package."""
    return sorted(folder.parent.name for folder in SHIPPED.glob("*/config.json"))


def save_pretrained(
    folder: str | Path,
    *,
    config: Config,
    params: PyTree,
    space: MotionSpace,
    card: str = "",
    extra: dict | None = None,
    float16: bool = False,
    embed_encoder: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a checkpoint folder and return its path; the folder is complete or absent. `extra` is
    JSON for the reader (metrics, versions).

    A checkpoint of ours is replaced. A folder with other content is written into only with
    `overwrite`.

    Raise `InputError` if `float16` is set and a weight exceeds the range of float16.
    """
    from safetensors.numpy import save_file

    stored = params if embed_encoder else part(params, config).trainable
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(stored).items()}
    if float16:
        leaves = {name: half_precision(name, leaf) for name, leaf in leaves.items()}
    manifest = {
        "schema": SCHEMA,
        "config": to_dict(config),
        "space": space.name,
        "statistics": {"mean": space.mean, "std": space.std},
        "leaves": {name: leaf_digest(leaf) for name, leaf in sorted(leaves.items())},
        "extra": extra or {},
    }
    manifest["digest"] = _manifest_digest(manifest)
    with writing_folder(folder, CHECKPOINT, overwrite=overwrite) as temporary:
        # np.require keeps scalars; np.ascontiguousarray would convert them to vectors.
        contiguous = {name: np.require(leaf, requirements="C") for name, leaf in leaves.items()}
        save_file(contiguous, temporary / "weights.safetensors")
        (temporary / "config.json").write_text(
            json.dumps(manifest, indent=1) + "\n", encoding="utf-8"
        )
        text = card or f"# {printable(config.name) or 'KSDiff checkpoint'}\n"
        (temporary / "card.md").write_text(text, encoding="utf-8")
        for file in temporary.iterdir():
            file.chmod(0o644)  # readable by others, because checkpoints are shared
    return Path(folder)


def find_pretrained(folder_or_name: str | Path = DEFAULT_NAME) -> Path:
    """Return the checkpoint folder for a path, a training workdir (its `pretrained/`), a shipped
    name or a name on the hub.

    Local folders have priority. The hub is queried for `org/name`, or `org/name@revision`, only if
    there is no such path. Raise `InputError` if none of these is a checkpoint.
    """
    try:
        return _find_here(folder_or_name)
    except InputError as error:
        name = None if Path(folder_or_name).exists() else hub.find_name(folder_or_name)
        if name is None:
            raise
        return _find_on_hub(name, here=error)


def _find_here(folder_or_name: str | Path) -> Path:
    path = Path(folder_or_name)
    shipped = [SHIPPED / path.name] if path.name == str(folder_or_name) else []
    replaced = [*moved_away(path / "pretrained"), *moved_away(path)]
    for candidate in (path, path / "pretrained", *shipped, *replaced):
        # A training workdir has its own config.json, but no weights beside it.
        if _holds_one(candidate):
            return candidate
    if (path / "checkpoints").is_dir() and (path / "config.json").is_file():
        raise InputError(
            f"{path}: a run that has exported no weights yet; resume it with the same command, "
            "they are written at each validation and at the end"
        )
    if path.exists():
        raise InputError(
            f"{path}: not a checkpoint; need a folder with config.json and weights.safetensors"
        )
    shipped = ", ".join(shipped_names()) or "none"
    needed = f"a checkpoint folder, a shipped name ({shipped}) or org/name on the hub"
    raise InputError(f"no checkpoint {str(folder_or_name)!r}: need {needed}")


def _find_on_hub(name: hub.HubName, *, here: InputError) -> Path:
    try:
        folder = hub.fetch(name, HUB_FILES)
    except InputError as error:
        raise InputError(f"{here}; on the hub: {error}") from error
    if not _holds_one(folder):
        raise InputError(
            f"{name.repo} on the hub: not a checkpoint of ksdiff-jax, which has config.json and "
            "weights.safetensors"
        )
    return folder


def _holds_one(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (folder / "weights.safetensors").is_file()


def load_pretrained(
    folder_or_name: str | Path = DEFAULT_NAME,
    *,
    encoder: str | Path | None = None,
    space: str = "",
) -> Pretrained:
    """Read and verify a checkpoint and the pretrained encoder that it refers to, if any.

    `encoder` is the location of that encoder here, if it differs from the one in the checkpoint.
    `space` names the motion space of a checkpoint of an earlier version that does not show it.
    Raise `InputError` with the name of the damaged file or weight.
    """
    pretrained = read_pretrained(folder_or_name)
    name = stated_space(pretrained.space.name, space, what=f"checkpoint {pretrained.path}")
    pretrained = pretrained._replace(space=replace(pretrained.space, name=name))
    if embeds_encoder(pretrained):
        if encoder is not None:
            raise InputError(
                f"{pretrained.path}: holds its own speech encoder; leave the encoder {encoder} out"
            )
        return pretrained
    from ksdiff_jax.models.speech_encoder import encoder_params, with_encoder

    try:
        _, found = with_encoder(pretrained.config, path=encoder)
    except InputError as error:
        hint = "" if encoder else "; say where it lies now with --encoder"
        raise InputError(f"{pretrained.path} needs its speech encoder: {error}{hint}") from error
    return pretrained._replace(params=join(pretrained.params, encoder_params(found)))


def embeds_encoder(pretrained: Pretrained) -> bool:
    """Return whether a checkpoint, as read, has every weight of its speech encoder."""
    settings = getattr(pretrained.config.model, "encoder", None)  # None of picture systems
    return (
        settings is None
        or settings.kind != "pretrained"
        or BACKBONE[1] in pretrained.params.get(BACKBONE[0], {})
    )


def read_whole(folder_or_name: str | Path, read: Callable[[Path], T]) -> T:
    """Return the result of `read` for the folder of a checkpoint, of which all files belong
    together.

    A training run may replace its export during reading. If the folder is another one after
    reading, the result or the error is discarded and the new folder is read.
    """
    for _ in range(_ATTEMPTS - 1):
        before = _export_at(folder_or_name)
        try:
            result, error = read(_find_here(folder_or_name)), None
        except (InputError, OSError) as raised:
            result, error = None, raised
        if before is not None and _export_at(folder_or_name) == before:
            if error is not None:
                raise error
            return result
    folder = find_pretrained(folder_or_name)
    try:
        return read(folder)
    except InputError as error:
        if folder.parent.name != "snapshots":  # not in the hub's cache
            raise
        raise InputError(f"{error}; delete {folder.parents[1]} to have it fetched anew") from error


def _export_at(folder_or_name: str | Path) -> tuple | None:
    """Return the identity of the folder that has the name of the checkpoint now; None if there is
    none.
    """
    try:
        status = (_find_here(folder_or_name) / "config.json").stat()
    except (InputError, OSError):
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def read_pretrained(folder_or_name: str | Path = DEFAULT_NAME) -> Pretrained:
    """Read and verify the content of the checkpoint folder only.

    The weights of an encoder that the checkpoint refers to are not loaded. Raise `InputError` with
    the name of the damaged file or weight.
    """
    return read_whole(folder_or_name, _read)


def _read(folder: Path) -> Pretrained:
    manifest = read_manifest(folder)
    try:
        config = config_from_dict(manifest["config"])
    except InputError as error:
        raise InputError(f"{folder / 'config.json'}: {error}") from error
    leaves = _read_weights(folder / "weights.safetensors", manifest["leaves"])
    extra = manifest.get("extra", {})
    space, sources = _space(folder, manifest), extra.get("sources_digests")
    sources = None if sources is None else tuple(map(str, sources))
    made = config, nested(leaves), space, manifest["digest"], folder
    return Pretrained(*made, sources, extra.get("metrics", {}))


def space_name(manifest: dict) -> str:
    """Return the name of a checkpoint's motion space; "" if an earlier version wrote none and
    neither its digest nor its data show it.
    """
    if "space" in manifest:
        return manifest["space"]
    data = manifest.get("extra", {}).get("data", "")
    made_by = str(data).partition("(")[2]  # as in "3,000 clips, 5.6 h (ksdiff-jax corpus ...)"
    return space_of_checkpoint(manifest["digest"]) or space_of_maker(made_by)


def _space(folder: Path, manifest: dict) -> MotionSpace:
    path, stored, name = folder / "config.json", manifest["statistics"], space_name(manifest)
    if name and name not in SPACES:
        raise InputError(f"{path}: motion space {name!r}; this version knows {', '.join(SPACES)}")
    parts = SPACES[name or BUILTIN.name].parts
    width = sum(numbers for _, numbers in parts)
    try:
        statistics = [np.asarray(stored[field], np.float32) for field in ("mean", "std")]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: statistics are not numbers under mean and std ({error})"
        ) from error
    if any(values.shape != (width,) for values in statistics):
        raise InputError(f"{path}: statistics are not {width} numbers each")
    if not all(np.isfinite(values).all() for values in statistics) or not (statistics[1] > 0).all():
        raise InputError(
            f"{path}: statistics hold NaN, infinity or a deviation that is not above 0; train again"
        )
    return MotionSpace(name, parts).with_statistics(*statistics)


def read_manifest(folder: str | Path) -> dict:
    """Return the content of a checkpoint's `config.json`; raise `InputError` if it is damaged."""
    path = Path(folder) / "config.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: not a checkpoint's config.json ({type(error).__name__}: {error})"
        ) from error
    if schema != SCHEMA:
        raise InputError(f"{path}: checkpoint of schema {schema!r}, this version reads {SCHEMA!r}")
    if manifest.get("digest") != _manifest_digest(manifest):
        raise InputError(
            f"{path}: corrupt or edited, it does not match its own digest; fetch the checkpoint "
            "again"
        )
    if lacking := [
        key for key in ("config", "statistics", "leaves") if not isinstance(manifest.get(key), dict)
    ]:
        raise InputError(f"{path}: not a checkpoint's config.json, it lacks {', '.join(lacking)}")
    return manifest


def _read_weights(path: Path, digests: dict[str, str]) -> dict[str, np.ndarray]:
    try:
        leaves = read_tensors(path, what="file of weights", remedy="fetch the checkpoint again")
    except InputError as error:
        raise InputError(
            f"{path}: cannot be read: {str(error).removeprefix(f'{path}: ')}"
        ) from error
    if leaves.keys() != digests.keys():
        name = sorted(leaves.keys() ^ digests.keys())[0]
        raise InputError(
            f"{path}: weight {name!r} is {'not in config.json' if name in leaves else 'missing'}"
        )
    for name, leaf in leaves.items():
        if leaf_digest(leaf) != digests[name]:
            raise InputError(
                f"{path}: weight {name!r} is corrupt (SHA-256 differs); fetch the checkpoint again"
            )
        if bad := int(leaf.size - np.isfinite(leaf).sum()):
            raise InputError(
                f"{path}: weight {name!r} holds NaN or infinity in {bad} of {leaf.size} values; "
                "its training diverged: "
                "take an earlier checkpoint"
            )
    return {
        name: leaf.astype(np.float32) if leaf.dtype == np.float16 else leaf
        for name, leaf in leaves.items()
    }


def half_precision(name: str, leaf: np.ndarray) -> np.ndarray:
    """Return a float32 weight as float16, any other as it is; raise `InputError` for one beyond
    the range of float16.
    """
    if leaf.dtype != np.float32:
        return leaf
    with np.errstate(over="ignore"):
        half = leaf.astype(np.float16)
    if not np.isfinite(half).all():
        raise InputError(
            f"weight {name!r} reaches {np.abs(leaf).max():.3g}, beyond float16; store it as float32"
        )
    return half


def _manifest_digest(manifest: dict) -> str:
    content = {key: value for key, value in manifest.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
