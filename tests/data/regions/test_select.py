"""The choice of a region's dimensions, against a literal reading of the rule."""

import numpy as np
import pytest

from ksdiff_jax.data.regions.select import (
    choose_dimensions,
    global_dimensions,
    region_ratios,
)
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import BFM, BUILTIN, FLAME, expression_columns


def by_the_letter(ratios, sizes):
    """Each region takes its first; of a number in both the smaller ratio gives way and takes its
    next, until none is in both.
    """
    lost = {region: set() for region in ratios}
    while True:
        first = {
            region: [k for k in np.argsort(-values, kind="stable") if k not in lost[region]][
                : sizes[region]
            ]
            for region, values in ratios.items()
        }
        both = set(first["lip"]) & set(first["eye"])
        if not both:
            return {region: tuple(map(int, numbers)) for region, numbers in first.items()}
        for number in both:
            weaker = "eye" if ratios["lip"][number] >= ratios["eye"][number] else "lip"
            lost[weaker].add(number)


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_is_that_of_the_rule_by_the_letter(seed):
    rng = np.random.default_rng(seed)
    shared = rng.uniform(0.1, 1, size=24)  # both regions like the same numbers
    ratios = {region: shared + rng.uniform(0, 0.6, size=24) for region in ("lip", "eye")}
    sizes = {"lip": int(rng.integers(1, 12)), "eye": int(rng.integers(1, 12))}
    assert choose_dimensions(ratios, sizes) == by_the_letter(ratios, sizes)


def test_a_contested_number_goes_to_its_larger_ratio_and_the_other_region_takes_its_next():
    ratios = {"lip": np.array([5.0, 4.0, 1.0, 0.5]), "eye": np.array([6.0, 2.0, 3.0, 1.0])}
    # 0 is the first of both; the lips lose it, and 1 is their next
    assert choose_dimensions(ratios, {"lip": 1, "eye": 1}) == {"lip": (1,), "eye": (0,)}
    # 1 is the second of the lips, and no number of the eyes, whose second is 2
    assert choose_dimensions(ratios, {"lip": 2, "eye": 2}) == {"lip": (1, 3), "eye": (0, 2)}


def test_of_equal_ratios_the_lips_go_first_and_then_the_lower_number():
    same = np.array([2.0, 2.0, 2.0])
    assert choose_dimensions({"lip": same, "eye": same}, {"lip": 1, "eye": 1}) == {
        "lip": (0,),
        "eye": (1,),
    }


def test_a_number_that_does_not_move_with_a_region_is_never_taken_to_fill_it():
    ratios = {"lip": np.array([3.0, 2.0, 1e-7, 0.0]), "eye": np.array([0.0, 0.0, 0.0, 4.0])}
    chosen = choose_dimensions(ratios, {"lip": 2, "eye": 2})
    assert chosen == {"lip": (0, 1), "eye": (3,)}
    assert global_dimensions(chosen, 4) == (2,)


def test_each_ratio_is_over_the_deviation_of_its_number():
    change, std = np.array([1.0, -4.0, 0.0]), np.array([0.5, 8.0, 0.0])
    np.testing.assert_allclose(region_ratios(change, std), [2.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"lip": 0, "eye": 2}, "region lip: got 0 dimensions, need 1 or more"),
        ({"lip": 3, "eye": 2}, "are 5 dimensions, the motion space has 4; request fewer"),
        ({"lip": 2, "eye": 2}, "region eye: no dimension of the motion changes"),
    ],
)
def test_an_impossible_region_is_named(sizes, says):
    ratios = {"lip": np.array([3.0, 2.0, 1.0, 1.0]), "eye": np.zeros(4)}
    with pytest.raises(InputError, match=says):
        choose_dimensions(ratios, sizes)


def test_the_expression_of_a_region_is_expression_and_jaw_or_the_whole_of_bfm():
    for space in (BUILTIN, FLAME):
        np.testing.assert_array_equal(expression_columns(space), [*range(50), 53, 54, 55])
    np.testing.assert_array_equal(expression_columns(BFM), range(64))
