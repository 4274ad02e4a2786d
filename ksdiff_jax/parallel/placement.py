"""Which part of an array is on which device, from its shape and sharding alone; nothing is computed
or moved.

    parts(shape, sharding)  ->  {((0, 16), (0, 32)): (0, 1), ((16, 32), (0, 32)): (2, 3)}
                                 (rows, columns): devices
    bytes_per_device(tree)  ->  {0: 4096, 1: 4096, ...}

A replicated array has one part, which is on all devices.
"""

import math

import jax
import numpy as np
from jax.sharding import Sharding

from ksdiff_jax.typing import PyTree

Bounds = tuple[tuple[int, int], ...]  # (first, one past the last) along each dimension


def parts(shape: tuple[int, ...], sharding: Sharding) -> dict[Bounds, tuple[int, ...]]:
    """Return the parts of an array of `shape`, each with the ids of its devices, both in order."""
    held: dict[Bounds, list[int]] = {}
    for device, index in sharding.devices_indices_map(tuple(shape)).items():
        bounds = tuple(piece.indices(size)[:2] for piece, size in zip(index, shape, strict=True))
        held.setdefault(bounds, []).append(device.id)
    return {bounds: tuple(sorted(devices)) for bounds, devices in sorted(held.items())}


def bytes_per_device(tree: PyTree) -> dict[int, int]:
    """Return the bytes on each device, by its id, of a tree of arrays or of `jax.ShapeDtypeStruct`s
    with shardings.
    """
    held: dict[int, int] = {}
    for leaf in jax.tree.leaves(tree):
        for bounds, devices in parts(leaf.shape, leaf.sharding).items():
            size = math.prod(last - first for first, last in bounds) * np.dtype(leaf.dtype).itemsize
            for device in devices:
                held[device] = held.get(device, 0) + size
    return dict(sorted(held.items()))
