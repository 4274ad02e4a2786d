"""Regions: what each has, and choices that are none."""

import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.disenttalk.config import RegionsConfig
from ksdiff_jax.models.disenttalk.latent import Latent
from ksdiff_jax.models.disenttalk.regions import region_numbers
from ksdiff_jax.motion.space import BFM, BUILTIN, FLAME, expression_columns
from tests.models.disenttalk.conftest import REGIONS, TINY

GOOD = {"lip": (50, 20), "eye": (0,)}


@pytest.mark.parametrize(("space", "count"), [(BUILTIN, 53), (FLAME, 53), (BFM, 64)])
def test_expression_and_moving_jaw_are_generated_and_the_pose_is_not(space, count):
    numbers = expression_columns(space)
    assert len(set(numbers)) == count
    pose = set(range(space.width)) - set(numbers)
    still = ("rotation", "camera") if space is not BFM else ("rotation", "jaw", "translation")
    assert pose == {n for part in still for n in range(space.width)[space.slice(part)]}


def test_every_number_is_in_one_region_and_the_rest_is_global():
    regions = region_numbers(RegionsConfig(**GOOD), BUILTIN)
    assert regions["lip"] == (50, 20) and regions["eye"] == (0,)
    assert sorted(sum(regions.values(), ())) == list(range(53))
    whole = region_numbers(RegionsConfig(disentangle=False), BUILTIN)
    assert list(whole.values()) == [tuple(range(53))]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"lip": ()}, "lip is empty"),
        ({"eye": ()}, "eye is empty"),
        ({"eye": (0, 50)}, "lip and eye have 50 twice"),
        ({"eye": (0, 0)}, "lip and eye have 0 twice"),
        ({"lip": (53,)}, "lip has 53, beyond the builtin space"),
        ({"lip": (-1,)}, "lip has -1, beyond the builtin space"),
        ({"lip": tuple(range(1, 53))}, "lip and eye have all 53 numbers"),
    ],
)
def test_a_choice_that_is_none_is_one_line_that_names_the_command(changes, what):
    with pytest.raises(InputError, match=rf"^model.regions.{what}") as error:
        region_numbers(RegionsConfig(**GOOD | changes), BUILTIN)
    assert "need different numbers from 0 to 52; `ksdiff-jax regions SHARDS`" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_latent_has_eye_lip_and_global_after_each_other_and_is_undone():
    regions = region_numbers(REGIONS, BUILTIN)
    latent = Latent(TINY.model, regions, jnp.float32)
    expression = jnp.asarray(np.random.default_rng(0).normal(size=(1, 2, 53)), jnp.float32)
    code = latent.apply({}, expression, method=Latent.encode)
    order = [5, 0, 1, 50, 22, 20, 31]
    np.testing.assert_array_equal(code[..., :7], expression[..., jnp.array(order)])
    np.testing.assert_array_equal(latent.apply({}, code, method=Latent.decode), expression)
