"""Weights of an exported model in fewer bytes: float16, or int8 with a scale per output channel.

An int8 weight is the nearest of 255 steps: W ≈ s_c q, with s_c = max|W_c| / 127 over the weights of
output channel c, the last axis. Vectors (biases, norms) and small arrays stay float32: they are a
hundredth of the bytes. The programs compute in float32 whatever is stored, so fewer bytes do not
make them faster.
"""

from collections.abc import Mapping

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.pretrained import half_precision

KINDS = ("float32", "float16", "int8")
SCALE = " scale"  # the suffix of the name of an int8 weight's scales
SMALLEST = 1024  # weights in an array that is stored as int8


def compacted(weights: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """Return the arrays to store of float32 weights by name; int8 adds `NAME scale` for each.

    Raise `InputError` for an unknown kind and for a weight that float16 cannot hold.
    """
    if kind not in KINDS:
        raise InputError(f"weights {kind!r}: need one of {' '.join(KINDS)}")
    stored: dict[str, np.ndarray] = {}
    for name, weight in weights.items():
        if kind == "float16":
            stored[name] = half_precision(name, weight)
        elif kind == "int8" and weight.ndim > 1 and weight.size >= SMALLEST:
            stored[name], stored[name + SCALE] = _eight_bits(weight)
        else:
            stored[name] = weight
    return stored


def expanded(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the float32 weights by name of what `compacted` returned."""
    return {
        name: array.astype(np.float32) * stored.get(name + SCALE, np.float32(1))
        for name, array in stored.items()
        if not name.endswith(SCALE)
    }


def _eight_bits(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    largest = np.abs(weight).max(axis=tuple(range(weight.ndim - 1)))
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale
