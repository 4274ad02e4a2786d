"""Motion spaces: parts, statistics, and the space of a file from an earlier version."""

import jax
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.earlier import space_of_checkpoint, space_of_maker, stated_space
from ksdiff_jax.motion.space import BFM, BUILTIN, FLAME, STD_FLOOR, MotionSpace


@pytest.mark.parametrize("space", [BUILTIN, FLAME, BFM])
def test_the_parts_of_a_space_tile_its_frame_in_order(space):
    numbers = np.arange(space.width)
    tiled = np.concatenate([numbers[space.slice(name)] for name, _ in space.parts])
    np.testing.assert_array_equal(tiled, numbers)
    assert BFM.slice("expression") == slice(0, 64) and BUILTIN.slice("jaw") == slice(53, 56)
    with pytest.raises(KeyError):
        space.slice("tongue")


def test_motion_is_normalised_by_mean_and_by_deviation_or_the_floor():
    space = MotionSpace("builtin", (("expression", 3),)).with_statistics(
        [1.0, 2.0, 3.0], [2.0, 1e-5, 1.0]
    )
    motion = np.array([[3.0, 2.5, 3.0]], np.float32)
    by_hand = [[(3 - 1) / 2, (2.5 - 2) / STD_FLOOR, 0]]
    np.testing.assert_allclose(space.normalise(motion), by_hand, rtol=1e-6)
    np.testing.assert_allclose(space.denormalise(space.normalise(motion)), motion, rtol=1e-6)
    assert BUILTIN.normalise(motion) is motion and BUILTIN.denormalise(motion) is motion


def test_a_space_is_static_where_jax_traces_and_another_one_traces_anew():
    traces = []

    @jax.jit
    def shifted(space, motion):
        traces.append(space.name)
        return space.denormalise(motion)

    one = np.ones(BUILTIN.width, np.float32)
    unit = BUILTIN.with_statistics(0 * one, one)
    for space in (unit, BUILTIN.with_statistics(0 * one, one), BUILTIN.with_statistics(one, one)):
        np.testing.assert_allclose(shifted(space, one), space.denormalise(one))
    assert len(traces) == 2


def test_statistics_of_another_width_are_refused():
    with pytest.raises(InputError, match="mean has 2 numbers, need 59 or none"):
        BUILTIN.with_statistics([0.0, 0.0], [1.0, 1.0])


def test_a_given_name_counts_only_where_nothing_else_shows_the_space():
    assert stated_space("", "flame", what="x") == stated_space("flame", "", what="x") == "flame"
    for found, given, says in (
        ("builtin", "flame", "leave --space out"),
        ("", "", "name them with --space builtin or flame or bfm"),
        ("", "flam", "motion space 'flam'; need builtin, flame, bfm"),
    ):
        with pytest.raises(InputError, match=says):
            stated_space(found, given, what="x")


def test_what_shipped_and_what_our_commands_made_is_of_the_built_in_head():
    demo = "2868bf85b11286d0fb9b92aa3fedc728df8b6094252613f35095fdfa28d3d669"
    assert (space_of_checkpoint(demo), space_of_checkpoint("0" * 64)) == ("builtin", "")
    corpus = "ksdiff-jax corpus --clips 9 --seed 0 --languages en; speech features of x"
    assert (space_of_maker(corpus), space_of_maker("ksdiff-jax prepare v")) == ("builtin", "")


def test_a_motion_file_names_its_space_and_an_earlier_one_is_known_by_its_checkpoint(tmp_path):
    def saved(**meta):
        clip = MotionClip.from_coefficients(np.zeros((2, BUILTIN.width)), space="flame")
        object.__setattr__(clip, "meta", meta)
        return clip.save(tmp_path / "a.motion.npz")

    demo = "2868bf85b11286d0fb9b92aa3fedc728df8b6094252613f35095fdfa28d3d669"
    assert MotionClip.load(saved(space="flame")).space == "flame"
    assert MotionClip.load(saved(checkpoint=demo)).space == "builtin"
    assert MotionClip.load(saved(checkpoint="0" * 64)).space == ""
    assert MotionClip.load(saved(checkpoint="0" * 64), space="flame").space == "flame"
    for meta, given in (({"space": "flame"}, "builtin"), ({"space": "smplx"}, "")):
        with pytest.raises(InputError, match=r"a\.motion\.npz: space of this motion"):
            MotionClip.load(saved(**meta), space=given)
