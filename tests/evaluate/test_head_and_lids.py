import numpy as np
import pytest

from ksdiff_jax.evaluate.head_and_lids import blink_figures, blinks_of_gaps, head_score
from ksdiff_jax.motion.space import MOTION_DIMS


def test_a_blink_that_stops_half_way_is_counted_and_not_closed():
    gaps = np.full((250, 2), 0.01)
    gaps[50:54] = 0.0002  # closes
    gaps[100:104] = 0.004  # stops at 40 %
    gaps[150:154, 0] = 0.0  # one eye alone: no blink
    gaps[200:203] = 0.008  # a twitch
    blinks = blinks_of_gaps(gaps)
    assert blinks == (2, 1, 10.0)
    assert blink_figures([blinks]) == {"real_blink_rate_hz": 0.2, "real_blinks_closed": 0.5}


def test_a_head_that_turns_evenly_has_its_speed():
    motion = np.zeros((200, MOTION_DIMS), np.float32)
    motion[:, 51] = np.radians(20) * np.arange(200) / 25
    score = head_score(motion)
    assert score.speed_median_deg == pytest.approx(20, rel=1e-3)
    assert score.speed_95_deg == pytest.approx(20, rel=1e-3)


def test_a_head_that_nods_once_a_second_has_its_power_there():
    motion = np.zeros((500, MOTION_DIMS), np.float32)
    motion[:, 50] = 0.1 * np.sin(2 * np.pi * np.arange(500) / 25)
    assert head_score(motion).half_hz == pytest.approx(1.0, abs=0.06)
