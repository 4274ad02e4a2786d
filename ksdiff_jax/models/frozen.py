"""The parameters that training does not change, such as the weights of a pretrained speech encoder
(KSDiff §2.1).

A configuration lists their path prefixes in `Config.frozen`; `is_frozen` tests the name of a
parameter. Its users:

| where | use |
|---|---|
| `System.loss` | `stop_frozen`: no gradient flows into frozen parameters |
| the training step | `part`: gradient, moments and moving average of the trainable part only |
| checkpoints | frozen weights are not stored but referred to, by path and digest |
| `ksdiff-jax inspect` | counts both kinds |
"""

from typing import NamedTuple

import jax

from ksdiff_jax.config import Config
from ksdiff_jax.tree import named_leaves, nested
from ksdiff_jax.typing import PyTree

# Path of the weights of a pretrained encoder in a tree of parameters.
BACKBONE = ("encoder", "backbone")


class Parts(NamedTuple):
    """The trainable and the frozen parameters of a system; both are nested dicts and may be
    empty.
    """

    trainable: PyTree
    frozen: PyTree


def is_frozen(name: str, config: Config) -> bool:
    """Return whether the parameter at the path `name` ("encoder/backbone/...") keeps its start
    value.
    """
    return any(name.startswith(f"{prefix}/") for prefix in config.frozen)


def part(params: PyTree, config: Config) -> Parts:
    """Return both kinds of parameters; `join` is the inverse."""
    leaves = named_leaves(params)
    frozen = {name: leaf for name, leaf in leaves.items() if is_frozen(name, config)}
    if not frozen:  # return the tree unchanged, whatever the types of its nodes
        return Parts(params, {})
    return Parts(
        nested({name: leaf for name, leaf in leaves.items() if name not in frozen}), nested(frozen)
    )


def join(params: PyTree, others: PyTree) -> PyTree:
    """Return the union of two nested dicts; a leaf that is in both is taken from `others`."""
    if not others:
        return params
    return nested(named_leaves(params) | named_leaves(others))


def stop_frozen(params: PyTree, config: Config) -> PyTree:
    """Return the same values, with no gradient into the frozen ones."""
    trainable, frozen = part(params, config)
    return join(trainable, jax.lax.stop_gradient(frozen))
