"""The device mesh: every device of the run on a grid with three named axes.

| axis | what is split along it |
|---|---|
| data | the batch; parameters are copied |
| fsdp | the batch, and parameters with their moments (fully sharded data parallelism) |
| tensor | hidden features inside a layer (Megatron-style tensor parallelism) |

A single device is the grid (1, 1, 1): nothing in the training code is different there. The axes are `Auto`, so the
compiler places whatever is not pinned by a sharding; under jax's default, `Explicit`, Flax's activation constraints
would become assertions.
"""

import math
from collections.abc import Sequence

import jax
from jax.sharding import AxisType, Mesh

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError

MESH_AXES = ("data", "fsdp", "tensor")


def mesh_shape(config: MeshConfig, device_count: int) -> tuple[int, int, int]:
    """Sizes of the axes (data, fsdp, tensor), with -1 replaced by what is left of `device_count`.

    Raises `InputError` if the sizes do not multiply to `device_count`.
    """
    sizes = (config.data, config.fsdp, config.tensor)
    asked = ", ".join(f"mesh.{axis} {size}" for axis, size in zip(MESH_AXES, sizes, strict=True))
    if any(size < 1 and size != -1 for size in sizes) or sizes.count(-1) > 1:
        raise InputError(f"{asked}: each size must be at least 1, and at most one may be -1 (what is left)")
    fixed = math.prod(size for size in sizes if size != -1)
    if (-1 in sizes and device_count % fixed) or (-1 not in sizes and fixed != device_count):
        raise InputError(
            f"{asked}: the sizes must multiply to the {device_count} device(s) of this run; "
            "change one of them, or set one to -1"
        )
    data, fsdp, tensor = (device_count // fixed if size == -1 else size for size in sizes)
    return data, fsdp, tensor


def make_mesh(config: MeshConfig, *, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """The mesh of `config` over `devices` (default: all of the run)."""
    devices = jax.devices() if devices is None else devices
    shape = mesh_shape(config, len(devices))
    return jax.make_mesh(shape, MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES), devices=devices)
