"""The source of a parameter in a foreign file: its keys there, the shapes of the arrays under them,
and how they become ours.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

Weights = Mapping[str, np.ndarray]


class Origin(NamedTuple):
    """The source of one parameter of ours."""

    keys: tuple[str, ...]
    build: Callable[..., np.ndarray]
    shapes: tuple[tuple[int, ...], ...]  # of the arrays under `keys`


def dense(
    ours: str, theirs: str, inputs: int, outputs: int, *, joint: str = "."
) -> dict[str, Origin]:
    """Return the origins of a dense layer; matrices are transposed, because Flax multiplies from
    the right.
    """
    kernel, bias = f"{theirs}{joint}weight", f"{theirs}{joint}bias"
    return {
        f"{ours}/kernel": Origin((kernel,), np.transpose, ((outputs, inputs),)),
        f"{ours}/bias": Origin((bias,), same, ((outputs,),)),
    }


def norm(
    ours: str,
    theirs: str,
    width: int,
    *,
    joint: str = ".",
    names: tuple[str, str] = ("weight", "bias"),
) -> dict[str, Origin]:
    """Return the origins of a layer norm's scale and bias, which have these names there."""
    return {
        f"{ours}/{name}": Origin((f"{theirs}{joint}{key}",), same, ((width,),))
        for name, key in zip(("scale", "bias"), names, strict=True)
    }


def same(array: np.ndarray) -> np.ndarray:
    """Return the array unchanged."""
    return array
