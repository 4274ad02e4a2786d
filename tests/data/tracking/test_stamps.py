"""Times of pictures from imperfect stamps, each case against the times at which the pictures were
taken.
"""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from ksdiff_jax.data.tracking.stamps import by_count, by_places, by_stamps

TICK = Fraction(1, 1000)


def taken(*stamps, **options):
    """Times in ms of pictures with these stamps in ms."""
    pictures = [SimpleNamespace(pts=stamp, number=k) for k, stamp in enumerate(stamps)]
    timed = list(by_stamps(iter(pictures), time_base=TICK, step_s=0.04, **options))
    assert [item.picture.number for item in timed] == list(range(len(stamps)))
    return [round(1000 * item.time_s) for item in timed]


STEADY = list(range(0, 40 * 30, 40))


def changed(**places):
    stamps = list(STEADY)
    for place, stamp in places.items():
        stamps[int(place[1:])] = stamp
    return stamps


@pytest.mark.parametrize(
    "stamps",
    [
        STEADY,
        changed(_7=None),
        changed(_7=None, _8=None, _9=None),
        changed(_0=None, _1=None),
        changed(_28=None, _29=None),
        changed(_7=STEADY[6]),  # doubled
        changed(_7=0),  # far back, once
        changed(_7=STEADY[5]),  # out of order
        changed(_7=900_000),  # far ahead, once
        changed(_7=-5_000),
        [None] * 30,
        [0] * 30,
    ],
)
def test_a_steady_camera_stays_steady_whatever_single_stamps_tell(stamps):
    assert taken(*stamps) == STEADY


def test_a_variable_rate_and_long_pauses_are_kept():
    stamps = [0, 20, 90, 100, 400, 1390, 5000, 9000, 9040, 30_000]
    assert taken(*stamps) == stamps
    assert taken(*stamps, spliced=False)[-1] == 30_000


def test_time_stamps_that_start_anew_go_on_a_step_after_the_last():
    assert taken(*STEADY, *STEADY) == list(range(0, 40 * 60, 40))
    assert taken(*STEADY, *(stamp + 500_000 for stamp in STEADY), spliced=True) == list(
        range(0, 40 * 60, 40)
    )


def test_a_jump_is_a_pause_where_the_format_knows_no_splices():
    late = [stamp + 500_000 for stamp in STEADY]
    assert taken(*STEADY, *late) == [*STEADY, *late]


def test_a_single_picture_and_none_at_all():
    assert taken(700) == [700] and taken(None) == [0] and taken() == []


def test_any_damage_loses_no_picture_and_times_increase():
    rng = np.random.default_rng(0)
    for _ in range(200):
        stamps = [int(s) for s in np.cumsum(rng.integers(10, 90, 40))]
        for place in rng.integers(0, 40, rng.integers(0, 15)):
            stamps[place] = [None, int(rng.integers(-2000, 4000)), stamps[place - 1], 10**6][
                rng.integers(4)
            ]
        times = taken(*stamps, spliced=bool(rng.integers(2)))
        assert (np.diff(times) >= 0).all() and len(times) == 40


def test_pictures_of_an_avi_take_the_places_of_its_packets_in_turn():
    """Two packets of delay, an empty place after the third picture, one packet lost, the last two
    flushed.
    """
    places = [0, 1, 2, 4, 5, 6, 7, 8]
    pictures = [SimpleNamespace(dts=dts) for dts in (2, 4, 5, 7, 8, None, None)]
    timed = list(by_places(iter(pictures), places, time_base=Fraction(1, 25)))
    assert [round(25 * item.time_s) for item in timed] == [0, 1, 2, 5, 6, 7, 8]


def test_raw_streams_are_counted_by_what_each_picture_lasts():
    pictures = [
        SimpleNamespace(duration=duration) for duration in (40, 60, 40, None, 0, 20, 10**6, 40)
    ]
    timed = list(by_count(iter(pictures), time_base=TICK, step_s=0.04))
    assert [round(1000 * item.time_s) for item in timed] == [0, 40, 100, 140, 180, 220, 260, 300]
