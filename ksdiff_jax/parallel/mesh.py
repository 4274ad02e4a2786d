"""The device mesh: every device of the run on a grid with three named axes.

| axis | what is split along it |
|---|---|
| data | the batch; parameters are replicated |
| fsdp | the batch, and parameters with their moments (fully sharded data parallelism) |
| tensor | hidden features inside a layer (Megatron-style tensor parallelism) |

A single device is the grid (1, 1, 1) and needs no other training code. The axes are `Auto`, so the
compiler places everything that no sharding constrains. Under JAX's default, `Explicit`, Flax's
activation constraints would become assertions.

Several slices (TPU slices, or hosts of GPUs without a common NVLink) communicate over the
data-centre network, which is an order of magnitude slower than the network inside a slice. `data`
is placed across slices first, because its only traffic is one sum of the gradient per step, and
then `fsdp`. `tensor` never crosses slices, because it communicates in every layer.
"""

import math
from collections.abc import Sequence

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError

MESH_AXES = ("data", "fsdp", "tensor")


def mesh_shape(config: MeshConfig, device_count: int) -> tuple[int, int, int]:
    """Return the sizes of the axes (data, fsdp, tensor), with -1 replaced by the rest of
    `device_count`.

    Raises `InputError` if the product of the sizes is not `device_count`.
    """
    sizes = (config.data, config.fsdp, config.tensor)
    asked = ", ".join(f"mesh.{axis} {size}" for axis, size in zip(MESH_AXES, sizes, strict=True))
    if any(size < 1 and size != -1 for size in sizes) or sizes.count(-1) > 1:
        raise InputError(
            f"{asked}: each size must be at least 1, and at most one may be -1 (the remaining "
            "devices)"
        )
    fixed = math.prod(size for size in sizes if size != -1)
    if (-1 in sizes and device_count % fixed) or (-1 not in sizes and fixed != device_count):
        raise InputError(
            f"{asked}: the sizes must multiply to the {device_count} device(s) of this run; "
            "change one of them, or set one to -1"
        )
    data, fsdp, tensor = (device_count // fixed if size == -1 else size for size in sizes)
    return data, fsdp, tensor


def across_slices(shape: tuple[int, int, int], slices: int) -> tuple[int, int, int]:
    """Return how many slices each axis crosses: (data, fsdp, 1) with product `slices`.

    Raises `InputError` if data and fsdp cannot cover all slices.
    """
    data = math.gcd(shape[0], slices)
    fsdp = math.gcd(shape[1], slices // data)
    if data * fsdp != slices:
        raise InputError(
            f"mesh.data {shape[0]} × mesh.fsdp {shape[1]} on {slices} slices: need a multiple of "
            "the slices, so that mesh.tensor stays inside one; lower mesh.tensor"
        )
    return data, fsdp, 1


def make_mesh(config: MeshConfig, *, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return the mesh of `config` over `devices` (default: all of the run)."""
    devices = jax.devices() if devices is None else devices
    shape, types = mesh_shape(config, len(devices)), (AxisType.Auto,) * len(MESH_AXES)
    slices = len({getattr(device, "slice_index", 0) for device in devices})
    if slices == 1:
        return jax.make_mesh(shape, MESH_AXES, axis_types=types, devices=devices)
    return Mesh(_grid_of_slices(shape, slices, devices), MESH_AXES, axis_types=types)


def _grid_of_slices(shape: tuple[int, int, int], slices: int, devices: Sequence) -> np.ndarray:
    outside = across_slices(shape, slices)
    inside = tuple(size // crossed for size, crossed in zip(shape, outside, strict=True))
    return mesh_utils.create_hybrid_device_mesh(inside, outside, devices=devices)
