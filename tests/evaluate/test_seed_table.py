import io

import numpy as np
import pytest
from matplotlib.image import imread

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.seed_table import (
    Column,
    difference_of,
    difference_table,
    draw_seeds,
    interval_of,
    seed_table,
)

RESULTS = {
    "whole": [{"a": 1.0, "b": 10.0}, {"a": 2.0, "b": 10.0}, {"a": 3.0, "b": 10.0}],
    "less": [{"a": 1.5, "b": 12.0}, {"a": 2.4, "b": 12.0}, {"a": 3.6, "b": 12.0}],
}
COLUMNS = (
    Column("a", "A", "↑", {"chance": 0.5}),
    Column("b", "B", beside={"truth": 11.0, "chance": 9.0}),
)


def test_the_table_has_means_reaches_and_what_stands_beside():
    lines = seed_table(RESULTS, COLUMNS).splitlines()
    assert lines[0] == "| | seeds | A ↑ | B |"
    assert lines[2] == "| whole | 3 | 2.000 ± 2.484 | 10.000 ± 0.000 |"  # 4.3027 / √3
    assert lines[4:] == ["| *chance* | | 0.500 | 9.000 |", "| *truth* | |  | 11.000 |"]
    assert seed_table({"one": [{"a": 1.0}]}, COLUMNS[:1]).splitlines()[2] == "| one | 1 | 1.000 |"


def test_differences_are_paired():
    assert interval_of(RESULTS, "less", "a").mean == pytest.approx(2.5)
    difference = difference_of(RESULTS, "less", "whole", "a")
    assert difference.mean == pytest.approx(0.5)
    assert difference.high - difference.low < 1.0 < interval_of(RESULTS, "less", "a").high - 2.5


def test_only_differences_whose_interval_has_no_zero_are_bold():
    lines = difference_table(RESULTS, COLUMNS, reference="whole").splitlines()
    assert lines[0] == "| minus whole | A ↑ | B |"
    assert lines[2:] == ["| less | **+0.500 [+0.252, +0.748]** | +2.000 [+2.000, +2.000] |"]
    scattered = {"whole": RESULTS["whole"], "less": [{"a": 1.5}, {"a": 1.4}, {"a": 3.6}]}
    assert "**" not in difference_table(scattered, COLUMNS[:1], reference="whole")


def test_the_picture_shows_seeds_where_they_lie():
    first, second = (
        imread(io.BytesIO(draw_seeds(results, COLUMNS[:1]))) for results in (RESULTS, RESULTS)
    )
    np.testing.assert_array_equal(first, second)
    moved = RESULTS | {"less": [{"a": 1.5}, {"a": 2.4}, {"a": 2.9}]}
    assert not np.array_equal(first, imread(io.BytesIO(draw_seeds(moved, COLUMNS[:1]))))
    taller = imread(io.BytesIO(draw_seeds(RESULTS, COLUMNS, wide=1)))
    assert taller.shape[0] > first.shape[0] and taller.shape[1] == first.shape[1]


def test_undefined_figures_and_nothing_at_all():
    assert draw_seeds({"one": [{"a": float("nan")}]}, COLUMNS[:1]).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no systems or no columns"):
        draw_seeds({}, COLUMNS)
