"""Times are interleaved, and a program that cannot be compiled does not affect the others."""

import jax
import pytest

from ksdiff_jax.bench.timing import Programs, in_turn, ratio, spread


def test_works_are_timed_in_turn():
    order = []
    times = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=3)
    assert order == ["a", "b"] * 3 and all(
        len(spent) == 3 and min(spent) > 0 for spent in times.values()
    )


def test_the_spread_is_of_one_call_in_milliseconds():
    assert spread([0.4, 0.1, 0.2], calls=10) == {"ms": 20.0, "ms_fastest": 10.0, "ms_slowest": 40.0}
    assert list(spread([1.0], name="total_ms")) == [
        "total_ms",
        "total_ms_fastest",
        "total_ms_slowest",
    ]


def test_a_ratio_is_of_neighbours():
    quotients = ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0])
    assert quotients == {"ratio": 3.0, "ratio_lowest": 2.0, "ratio_highest": 4.0}


def test_a_program_that_fails_raises_where_it_is_asked_for():
    def fails():
        raise ValueError("cannot be traced")

    programs = Programs({"bad": fails, "good": lambda: jax.jit(lambda x: x + 1).lower(1)})
    assert programs["good"].call(1) == 2 and programs["good"].costs().keys() == {
        "trace_s",
        "compile_s",
    }
    with pytest.raises(ValueError, match="cannot be traced"):
        programs["bad"]
