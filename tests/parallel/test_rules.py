"""Logical axes: known names, no mesh axis twice, dimensions that divide; on an abstract mesh of
eight.
"""

import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.parallel.rules import RULES, check_axes, parameter_axes

MESH = AbstractMesh((2, 2, 2), ("data", "fsdp", "tensor"), axis_types=(AxisType.Auto,) * 3)


def test_the_two_matrices_of_a_pair_are_split_along_opposite_sides():
    assert parameter_axes("block/feed_forward/up/kernel", (128, 256)) == ("embed", "mlp")
    assert parameter_axes("block/feed_forward/down/kernel", (256, 128)) == ("mlp", "embed")
    assert parameter_axes("block/attention/query/kernel", (128, 128)) == ("embed", "mlp")
    assert parameter_axes("block/attention/out/kernel", (128, 128)) == ("mlp", "embed")


def test_vectors_are_copied_and_odd_dimensions_stay_whole():
    assert parameter_axes("norm/scale", (128,)) == (None,)
    assert parameter_axes("step", ()) == ()
    assert parameter_axes("decode/kernel", (128, MOTION_DIMS)) == ("embed", None)
    assert parameter_axes("depthwise/kernel", (5, 128)) == (None, "mlp")
    assert parameter_axes("transcript/embed/embedding", (259, 128)) == (None, "embed")


def test_the_moments_of_a_parameter_lie_where_it_lies():
    for prefix in ("params", "ema", "opt_state/1/0/mu", "opt_state/1/0/nu"):
        name = f"{prefix}/block/feed_forward/down/kernel"
        assert parameter_axes(name, (256, 128)) == parameter_axes(
            "block/feed_forward/down/kernel", (256, 128)
        )


def test_a_partition_follows_the_table():
    assert check_axes("x", ("batch", "time", "width"), (8, 3, 5), MESH) == PartitionSpec(
        ("data", "fsdp"), None, None
    )
    assert check_axes("w", ("embed", "mlp"), (8, 6), MESH) == PartitionSpec("fsdp", "tensor")


def test_an_unknown_name_a_doubled_axis_and_a_wrong_rank_are_our_mistakes():
    with pytest.raises(ValueError, match="not in RULES"):
        check_axes("w", ("embde", "mlp"), (8, 8), MESH)
    with pytest.raises(ValueError, match="twice"):
        check_axes("w", ("mlp", "heads"), (8, 8), MESH)
    with pytest.raises(ValueError, match="2 axis names"):
        check_axes("w", ("embed", "mlp"), (8,), MESH)
    with pytest.raises(ValueError, match="twice"):
        check_axes("w", ("batch", "embed"), (8, 8), MESH)


def test_a_dimension_that_does_not_divide_is_refused_by_name():
    with pytest.raises(InputError, match=r"w: dimension 7 .* 2 shards .* smaller mesh.tensor"):
        check_axes("w", ("embed", "mlp"), (8, 7), MESH)


def test_every_axis_name_that_a_layer_constrains_is_in_the_table():
    import re
    from pathlib import Path

    import ksdiff_jax.parallel as parallel

    package = Path(parallel.__file__).parents[1]
    used = set()
    for path in [
        *package.glob("layers/*.py"),
        *package.glob("models/**/*.py"),
        *package.glob("speech/*.py"),
    ]:
        for call in re.findall(r"with_logical_constraint\([^()]*\(([^()]*)\)", path.read_text()):
            used |= set(re.findall(r'"(\w+)"', call))
    assert used <= {name for name, _ in RULES}
