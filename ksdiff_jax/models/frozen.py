"""Which parameters training leaves alone, as the weights of a pretrained speech encoder (KSDiff
§2.1).

A configuration has their path prefixes, `Config.frozen`; `is_frozen` tests the name of a parameter.
Everything else asks it:

| where | what it does with the answer |
|---|---|
| `System.loss` | `stop_frozen`: no gradient flows into them |
| the training step | `part`: gradient, moments and moving average of the trainable part alone |
| checkpoints | frozen weights are not stored but referred to, by path and digest |
| `ksdiff-jax inspect` | counts both kinds |
"""

from typing import NamedTuple

import jax

from ksdiff_jax.config import Config
from ksdiff_jax.tree import named_leaves, nested
from ksdiff_jax.typing import PyTree

# Where the weights of a pretrained encoder lie in a tree of parameters.
BACKBONE = ("encoder", "backbone")


class Parts(NamedTuple):
    """The parameters of a system by what training does with them; each a nested dict, perhaps an
    empty one.
    """

    trainable: PyTree
    frozen: PyTree


def is_frozen(name: str, config: Config) -> bool:
    """Whether the parameter at the path `name` ("encoder/backbone/...") keeps the value it starts
    from.
    """
    return any(name.startswith(f"{prefix}/") for prefix in config.frozen)


def part(params: PyTree, config: Config) -> Parts:
    """Both kinds of parameters; `join` is the inverse."""
    leaves = named_leaves(params)
    frozen = {name: leaf for name, leaf in leaves.items() if is_frozen(name, config)}
    if not frozen:  # the tree as it is, whatever its nodes are
        return Parts(params, {})
    return Parts(
        nested({name: leaf for name, leaf in leaves.items() if name not in frozen}), nested(frozen)
    )


def join(params: PyTree, others: PyTree) -> PyTree:
    """The union of two nested dicts; a leaf that is in both is taken from `others`."""
    if not others:
        return params
    return nested(named_leaves(params) | named_leaves(others))


def stop_frozen(params: PyTree, config: Config) -> PyTree:
    """The same values, without a gradient into the frozen ones."""
    trainable, frozen = part(params, config)
    return join(trainable, jax.lax.stop_gradient(frozen))
