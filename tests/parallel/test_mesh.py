"""Mesh sizes: -1 becomes the rest, and sizes that do not fit are refused in one line."""

import jax
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.mesh import _grid_of_slices, across_slices, make_mesh, mesh_shape


class FakeDevice:
    """What the placement of devices looks at."""

    platform, device_kind = "gpu", "fake"

    def __init__(self, number: int, slice_index: int):
        self.id, self.slice_index, self.process_index = number, slice_index, slice_index


@pytest.mark.parametrize(
    ("config", "devices", "shape"),
    [
        (MeshConfig(), 1, (1, 1, 1)),
        (MeshConfig(), 8, (8, 1, 1)),
        (MeshConfig(data=2, fsdp=-1), 8, (2, 4, 1)),
        (MeshConfig(data=2, fsdp=1, tensor=4), 8, (2, 1, 4)),
        (MeshConfig(data=2, fsdp=2, tensor=2), 8, (2, 2, 2)),
    ],
)
def test_the_sizes_multiply_to_the_devices(config, devices, shape):
    assert mesh_shape(config, devices) == shape


@pytest.mark.parametrize(
    "config",
    [MeshConfig(data=3), MeshConfig(fsdp=3), MeshConfig(data=-1, fsdp=-1), MeshConfig(tensor=0)],
)
def test_sizes_that_do_not_fit_are_refused_with_their_names(config):
    with pytest.raises(InputError, match=r"mesh.data .* mesh.fsdp .* mesh.tensor") as error:
        mesh_shape(config, 8)
    assert "\n" not in str(error.value)


def test_a_mesh_of_one_has_all_axes_and_leaves_placement_to_the_compiler():
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    assert mesh.axis_names == ("data", "fsdp", "tensor")
    assert set(mesh.axis_types) == {jax.sharding.AxisType.Auto}


@pytest.mark.parametrize(
    ("shape", "slices", "crossed"),
    [
        ((8, 1, 1), 2, (2, 1, 1)),
        ((2, 4, 2), 4, (2, 2, 1)),
        ((1, 8, 1), 4, (1, 4, 1)),
        ((6, 2, 1), 4, (2, 2, 1)),
    ],
)
def test_slices_are_crossed_by_data_first_and_then_by_fsdp(shape, slices, crossed):
    assert across_slices(shape, slices) == crossed


def test_tensor_parallelism_across_slices_is_refused():
    with pytest.raises(InputError, match=r"mesh.data 1 × mesh.fsdp 2 on 4 slices"):
        across_slices((1, 2, 4), 4)


def test_every_row_of_fsdp_and_tensor_lies_inside_one_slice():
    devices = [FakeDevice(number, number // 4) for number in range(8)]
    grid = _grid_of_slices((2, 2, 2), 2, devices)
    assert grid.shape == (2, 2, 2)
    assert [{device.slice_index for device in row.flat} for row in grid] == [{0}, {1}]
