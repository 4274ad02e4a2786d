"""The sharding of each array axis: the one table that maps axis names to mesh axes, and its checks.

Layers and parameters name their axes by function ("embed", "mlp"); `RULES` maps each name to a mesh
axis. Flax ignores unknown names without an error, and a dimension that does not divide fails deep
inside the compiler. `check_axes` therefore checks every array once before compilation.

Parameters get their axis names here, from their path and shape, in one function. The scheme is the
usual one. The first matrix of a pair is split along its output features ("mlp"), the second along
its input features, so that only one sum over the `tensor` axis is needed after the pair. The other
side of each matrix ("embed") is sharded over `fsdp`.
"""

import re

import jax
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from ksdiff_jax.errors import InputError
from ksdiff_jax.tree import named_leaves
from ksdiff_jax.typing import Array, PyTree

RULES: tuple[tuple[str, str | tuple[str, ...] | None], ...] = (
    ("batch", ("data", "fsdp")),  # activations: examples
    ("time", None),  # activations: frames or tokens
    ("width", None),  # activations: features between blocks
    ("embed", "fsdp"),  # parameters: the residual side of a matrix
    ("mlp", "tensor"),  # parameters and activations: hidden features inside a block
    ("heads", "tensor"),  # activations: attention heads
)

# Matrices that project back into the residual stream: split along their input features.
_SECOND_OF_A_PAIR = re.compile(r"(^|/)(out|down)/kernel$")

# Widths of a model are multiples of 8; other dimensions (59 of motion, 2 of prosody, 259 tokens)
# are not split.
_WIDTH_MULTIPLE = 8


def parameter_axes(name: str, shape: tuple[int, ...]) -> tuple[str | None, ...]:
    """Return the logical axes of the parameter at path `name`; also of its moments and its average,
    whose paths end the same.

    Kernels `(..., inputs, outputs)` are split along both, embedding tables along their features;
    vectors and scalars are replicated.
    """
    if len(shape) < 2:
        return (None,) * len(shape)
    if name.endswith("/embedding"):
        return (None,) * (len(shape) - 1) + ("embed" if shape[-1] % _WIDTH_MULTIPLE == 0 else None,)
    inputs, outputs = ("mlp", "embed") if _SECOND_OF_A_PAIR.search(name) else ("embed", "mlp")
    axes = (None,) * (len(shape) - 2) + (inputs, outputs)
    return tuple(
        axis if size % _WIDTH_MULTIPLE == 0 else None
        for axis, size in zip(axes, shape, strict=True)
    )


def check_axes(
    name: str, axes: tuple[str | None, ...], shape: tuple[int, ...], mesh: Mesh | AbstractMesh
) -> PartitionSpec:
    """Return the partition of an array of `shape` whose axes are named `axes`.

    Raises `ValueError` for a name that is not in `RULES`, for a number of names other than the
    number of dimensions, and for a mesh axis that would be used twice. Raises `InputError` for a
    dimension that the mesh does not divide, because that depends on the caller's mesh.
    """
    rules = dict(RULES)
    if len(axes) != len(shape):
        raise ValueError(
            f"{name}: {len(axes)} axis names {axes} for {len(shape)} dimensions {shape}"
        )
    if unknown := [axis for axis in axes if axis is not None and axis not in rules]:
        raise ValueError(
            f"{name}: axis names {unknown} are not in RULES; known: {', '.join(rules)}"
        )
    spec = tuple(None if axis is None else rules[axis] for axis in axes)
    used = [mesh_axis for entry in spec for mesh_axis in _as_tuple(entry)]
    if len(used) != len(set(used)):
        raise ValueError(f"{name}: axes {axes} use a mesh axis twice: {spec}")
    for size, entry in zip(shape, spec, strict=True):
        shards = _shards(entry, mesh)
        if size % shards:
            raise InputError(
                f"{name}: dimension {size} of {shape} does not divide into {shards} shards of "
                "mesh axis "
                f"{'×'.join(_as_tuple(entry))}; choose a smaller mesh.{_as_tuple(entry)[-1]}"
            )
    return PartitionSpec(*spec)


def parameter_shardings(tree: PyTree, mesh: Mesh) -> PyTree:
    """Return the shardings of a tree of (abstract) arrays, checked leaf by leaf, with the structure
    of `tree`.
    """
    shapes = {name: tuple(leaf.shape) for name, leaf in named_leaves(tree).items()}
    specs = [
        check_axes(name, parameter_axes(name, shape), shape, mesh) for name, shape in shapes.items()
    ]
    return jax.tree.unflatten(
        jax.tree.structure(tree), [NamedSharding(mesh, spec) for spec in specs]
    )


def gathered(tree: PyTree, shardings: PyTree) -> PyTree:
    """Inside jit, return the arrays as layers use them, whole along `fsdp`; `shardings` describes
    how they are stored.

    This states fully sharded data parallelism explicitly: each device gathers a parameter before
    its use, and the transpose sums the gradient over the batch shards before it is split again.
    Without this, the SPMD partitioner of jaxlib 0.10.2 omits a sum where a gradient goes directly
    from partial sums over `data` and `fsdp` to a matrix split over `fsdp` and `tensor` (openxla/xla
    issue 40034 describes a similar case). On a 2 × 2 × 2 mesh, 62 of KSDiff's 293 gradients were
    wrong by up to their own size, while the loss was right.
    """

    def whole(leaf: Array, sharding: NamedSharding) -> Array:
        axes = [None if entry == "fsdp" else entry for entry in sharding.spec]
        return jax.lax.with_sharding_constraint(
            leaf, NamedSharding(sharding.mesh, PartitionSpec(*axes))
        )

    return jax.tree.map(whole, tree, shardings)


def _as_tuple(entry: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if entry is None else (entry,) if isinstance(entry, str) else entry


def _shards(entry: str | tuple[str, ...] | None, mesh: Mesh | AbstractMesh) -> int:
    size = 1
    for mesh_axis in _as_tuple(entry):
        size *= mesh.shape[mesh_axis]
    return size
