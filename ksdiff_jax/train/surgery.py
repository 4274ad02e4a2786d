"""Starting from the weights of another run, with some parameters copied, some new and some frozen.

| field | meaning |
|---|---|
| train.init_from | start weights: checkpoint folder, workdir, shipped name or org/name of the hub |
| train.init_patterns | parameters copied from there; the others start as in any new run |
| train.freeze_patterns | parameters that keep their start values |

An autoencoder also starts from a folder of `ksdiff-jax convert autoencoder`.

Patterns are shell patterns on the path of a parameter, and `*` also matches `/`:
"generators_head/*" is a whole generator, "*/bias" every bias. A pattern without a match is an
error. The origin of every parameter is written to `<workdir>/init_report.json`. A resumed run reads
none of this, because its checkpoint is complete.

Where a system has a row of a parameter for each style (`Needs.per_style`), every style starts from
the row of a checkpoint without named styles.

A frozen parameter has no gradient, no moments of the optimiser and no weight decay. It stays in the
state, so that checkpoints and exports are complete.
"""

import fnmatch
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import write_json
from ksdiff_jax.models.frozen import part
from ksdiff_jax.models.pretrained import read_pretrained
from ksdiff_jax.models.system import System
from ksdiff_jax.ownership import PICTURE_NETWORK
from ksdiff_jax.pictures.published_autoencoder import load_autoencoder, paired
from ksdiff_jax.speech.converted_network import ConvertedNetwork
from ksdiff_jax.tree import named_leaves, nested
from ksdiff_jax.typing import PyTree


class Start(NamedTuple):
    """Weights that a new run starts from, and the origin of every parameter."""

    params: PyTree  # a part of the system's tree
    report: dict


def trainable_mask(params: PyTree, patterns: tuple[str, ...]) -> PyTree:
    """Return False for the parameters frozen by `train.freeze_patterns`, in the structure of
    `params`.
    """
    moves = [not _matches(name, patterns) for name in named_leaves(params)]
    return jax.tree.unflatten(jax.tree.structure(params), moves)


def hold(params: PyTree, patterns: tuple[str, ...]) -> PyTree:
    """Return the same values, without a gradient into the frozen ones."""
    if not patterns:
        return params
    stop = jax.lax.stop_gradient
    return jax.tree.map(
        lambda leaf, moves: leaf if moves else stop(leaf), params, trainable_mask(params, patterns)
    )


def check_surgery(config: Config, system: System, workdir: str | Path) -> None:
    """Raise `InputError` for patterns that match nothing and, in a new run, for weights that cannot
    be read.
    """
    if not (config.train.freeze_patterns or config.train.init_from):
        return
    names = _shapes(config, system)
    _each_matches("train.freeze_patterns", config.train.freeze_patterns, names, "this model")
    if config.train.freeze_patterns and all(
        _matches(name, config.train.freeze_patterns) for name in names
    ):
        raise InputError(
            f"train.freeze_patterns {','.join(config.train.freeze_patterns)}: nothing is left to "
            "train"
        )
    if not any(Path(workdir).glob("checkpoints/*")):
        starting_weights(config, system)


def starting_weights(config: Config, system: System) -> Start | None:
    """Return the weights that `train.init_from` provides for this system; None if it is not set."""
    settings = config.train
    if not settings.init_from:
        return None
    source = _published(config) or read_pretrained(settings.init_from)
    there, here = named_leaves(source.params), _shapes(config, system)
    _each_matches(
        "train.init_patterns", settings.init_patterns, there, f"the checkpoint {settings.init_from}"
    )
    loaded, reshaped, repeated, skipped = {}, {}, [], []
    for name, leaf in there.items():
        if name not in here or not _matches(name, settings.init_patterns):
            skipped.append(name)
        elif tuple(leaf.shape) == here[name]:
            loaded[name] = np.asarray(leaf, np.float32)
        elif _matches(name, system.needs.per_style) and len(leaf) == 1:
            loaded[name] = np.repeat(np.asarray(leaf, np.float32), here[name][0], axis=0)
            repeated.append(name)
        else:
            reshaped[name] = {"checkpoint": list(leaf.shape), "model": list(here[name])}
    if not loaded:
        raise InputError(
            f"train.init_from {settings.init_from}: none of its {len(there)} parameters that "
            f"train.init_patterns name is in this model with the same shape ({len(reshaped)} have "
            "another shape); choose another checkpoint"
        )
    report = {
        "init_from": str(getattr(source, "path", settings.init_from)),
        "digest": source.digest,
        "init_patterns": list(settings.init_patterns),
        "freeze_patterns": list(settings.freeze_patterns),
        "loaded": sorted(loaded),
        "repeated": sorted(repeated),  # of those loaded: one row there, every style's here
        "skipped": sorted(skipped),  # in the checkpoint, not copied
        "reshaped": reshaped,  # in both, with another shape here: new values
        "new": sorted(name for name in here if name not in there or (name in skipped)),
        "frozen": sorted(name for name in here if _matches(name, settings.freeze_patterns)),
    }
    return Start(nested(loaded), report)


def _published(config: Config) -> ConvertedNetwork | None:
    """Return the converted autoencoder that an autoencoder is to start from, if it is one."""
    path = Path(config.train.init_from)
    if config.system != "fd2talk_autoencoder" or not PICTURE_NETWORK.owns(path):
        return None
    _, network = load_autoencoder(path)
    return network._replace(params=paired(network.params), source=str(path))


def write_report(start: Start, workdir: Path, *, tell: Callable[[str], None]) -> None:
    """Print one line about what was loaded, and write all of it to `init_report.json`."""
    report = start.report
    counts = ", ".join(
        f"{len(report[kind])} {kind}" for kind in ("loaded", "skipped", "reshaped", "new", "frozen")
    )
    tell(
        f"starting from {report['init_from']}: {counts} parameters; names in "
        f"{workdir / 'init_report.json'}"
    )
    for name, shapes in report["reshaped"].items():
        tell(f"  {name}: {shapes['checkpoint']} there, {shapes['model']} here; initialised anew")
    write_json(workdir / "init_report.json", report)


def _shapes(config: Config, system: System) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters that training may change, by name."""
    tree = jax.eval_shape(lambda: system.init(jax.random.key(0)))
    return {
        name: tuple(leaf.shape) for name, leaf in named_leaves(part(tree, config).trainable).items()
    }


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _each_matches(field: str, patterns: tuple[str, ...], names: Iterable[str], where: str) -> None:
    idle = [
        pattern
        for pattern in patterns
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names)
    ]
    if idle:
        parts = sorted({name.split("/")[0] for name in names})
        raise InputError(
            f"{field}: {', '.join(map(repr, idle))} matches no parameter of {where}; its parts are "
            f"{', '.join(parts)}; write a whole one as {parts[0] + '/*'!r}"
        )
