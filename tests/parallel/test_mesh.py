"""Mesh sizes: what is left goes to -1, and what does not fit is refused in one line."""

import jax
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.mesh import make_mesh, mesh_shape


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
    "config", [MeshConfig(data=3), MeshConfig(fsdp=3), MeshConfig(data=-1, fsdp=-1), MeshConfig(tensor=0)]
)
def test_sizes_that_do_not_fit_are_refused_with_their_names(config):
    with pytest.raises(InputError, match=r"mesh.data .* mesh.fsdp .* mesh.tensor") as error:
        mesh_shape(config, 8)
    assert "\n" not in str(error.value)


def test_a_mesh_of_one_has_all_axes_and_leaves_placement_to_the_compiler():
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    assert mesh.axis_names == ("data", "fsdp", "tensor")
    assert set(mesh.axis_types) == {jax.sharding.AxisType.Auto}
