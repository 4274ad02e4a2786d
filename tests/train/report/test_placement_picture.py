import io
import itertools
from typing import NamedTuple

import jax
import numpy as np
import pytest
from jax.sharding import Sharding
from matplotlib.image import imread

from ksdiff_jax.errors import InputError
from ksdiff_jax.train.report.placement_picture import draw_placement


class Device(NamedTuple):
    id: int


class Split(Sharding):
    """Rows over `devices`, one part each; or a copy on all of them."""

    def __init__(self, devices, *, copied=False):
        self.devices, self.copied = devices, copied

    def check_compatible_aval(self, shape):
        """Asked by JAX; all shapes fit."""

    def devices_indices_map(self, shape):
        if self.copied:
            return {Device(number): (slice(None),) * len(shape) for number in self.devices}
        rows = np.linspace(0, shape[0], len(self.devices) + 1).astype(int)
        cut = [
            (slice(a, b), *[slice(None)] * (len(shape) - 1)) for a, b in itertools.pairwise(rows)
        ]
        return {Device(number): place for number, place in zip(self.devices, cut, strict=True)}


def placed(shape, devices, **how):
    return jax.ShapeDtypeStruct(shape, np.float32, sharding=Split(devices, **how))


def colours(arrays):
    """How many colours a column of pixels through the only panel has, without white, text and soft
    edges.
    """
    picture = imread(io.BytesIO(draw_placement(arrays)))[..., :3]
    column = picture[:, int(0.6 * picture.shape[1])]
    values, counts = np.unique(column[np.ptp(column, axis=1) > 0.05], axis=0, return_counts=True)
    return len(values[counts > 5])


def test_each_part_has_the_colour_of_its_first_device_and_a_copy_has_one():
    assert colours({"2 × 1": {"kernel": placed((8, 4), [0, 1])}}) == 2
    assert colours({"4 × 1": {"kernel": placed((8, 4), [0, 1, 2, 3])}}) == 4
    assert colours({"2 × 1": {"kernel": placed((8, 4), range(8), copied=True)}}) == 1


def test_vectors_scalars_and_stacks_are_drawn_too():
    arrays = {
        "bias": placed((8,), [0, 1]),
        "step": placed((), [0, 1], copied=True),
        "stack": placed((6, 8, 4), [0, 1]),
    }
    assert draw_placement({"2 × 1": arrays}).startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(InputError, match="no arrays"):
        draw_placement({})
    with pytest.raises(InputError, match="kernel on 8 × 1 has no sharding"):
        draw_placement({"8 × 1": {"kernel": jax.ShapeDtypeStruct((2, 2), np.float32)}})
