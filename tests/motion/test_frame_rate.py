"""Motion at other frame rates, for an hour."""

from fractions import Fraction

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.frame_rate import at_frame_rate, exact_rate
from ksdiff_jax.motion.space import MOTION_DIMS, ROTATION

HOUR = 25 * 3600


@pytest.fixture(scope="module")
def hour():
    """A head that turns to and fro, once in two seconds, and a keyframe every minute."""
    motion = np.zeros((HOUR, MOTION_DIMS), np.float32)
    motion[:, ROTATION.start] = 0.3 * np.sin(np.pi * np.arange(HOUR) / 25)
    keyframes = np.arange(HOUR) % (25 * 60) == 0
    return MotionClip.from_coefficients(motion, tracks={"keyframes_head": keyframes})


@pytest.mark.parametrize(
    ("fps", "rate"), [(24, 24), (29.97, Fraction(30_000, 1001)), (30, 30), (60, 60)]
)
def test_an_hour_has_its_time_stamps_and_its_phase_at_every_rate(hour, fps, rate):
    motion = at_frame_rate(hour, fps)
    assert exact_rate(fps) == rate
    assert len(motion) == int(3600 * rate)
    assert motion.timestamps[-1] == float(Fraction(len(motion) - 1) / rate)
    turn = 0.3 * np.sin(np.pi * motion.timestamps)
    np.testing.assert_allclose(motion.global_orient[:-3, 0], turn[:-3], atol=7e-4)
    at = motion.timestamps[motion.keyframes_head]
    np.testing.assert_allclose(at, 60 * np.arange(60), atol=0.51 / float(rate))


@pytest.mark.parametrize("fps", [0, -25, 1000, float("nan")])
def test_a_rate_out_of_range_is_refused(hour, fps):
    with pytest.raises(InputError, match="need a frame rate from 5 to 240"):
        at_frame_rate(hour, fps)
