"""The strip of a filmed and an animated face."""

from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
from PIL import Image

from ksdiff_jax.data.tracking.tracker import Tracker
from ksdiff_jax.evaluate import people_strip as strips
from ksdiff_jax.evaluate.filmed_crops import Filmed
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.motion.space import MOTION_DIMS


def test_the_instants_are_wide_and_narrow_openings_in_turn():
    opening = np.array([0.0, 3.0, 1.0, 2.0, 0.5, 2.0, 9.0, 7.0])
    np.testing.assert_array_equal(strips.shown_frames(opening, shown=4), [1, 2, 5, 7])
    np.testing.assert_array_equal(strips.shown_frames(opening[:2]), [0, 1])


def test_a_strip_has_the_filmed_picture_above_the_drawn_one_of_the_same_instant(
    monkeypatch, tmp_path
):
    """The video starts two frames after its sound."""
    numbers = np.arange(20, dtype=np.uint8)
    pictures = np.broadcast_to(numbers[2:, None, None, None], (18, 224, 224, 3))
    monkeypatch.setattr(strips, "filmed_crops", lambda video, tracker: Filmed(pictures, 2))
    monkeypatch.setattr(
        strips,
        "face_crops",
        lambda face, motion: np.broadcast_to(
            motion[:, :1, None, None].astype(np.uint8), (len(motion), 224, 224, 3)
        ),
    )
    opening = np.tile([0.0, 1.0], 9)
    clip = MeasuredClip("a", "anna", Path("a.wav"), opening, first_frame=2, video=Path("a.mp4"))
    motion = np.tile(np.arange(20, dtype=np.float32)[:, None], (1, MOTION_DIMS))
    strip = strips.people_strip(clip, motion, create_autospec(Tracker, instance=True))
    assert strip.shape == (64 + 448, 8 * 224, 3)
    np.testing.assert_array_equal(strip[64], strip[-1])
    assert strip[64, 0, 0] == 3  # the widest of the first part: frame 1 of the opening
    times = strip[32:64].reshape(32, 8, 224, 3)
    assert len({times[:, k].tobytes() for k in range(8)}) > 1  # not of one instant
    assert strip[:32].std() > 5  # a name

    path = strips.write_people_strip(tmp_path / "strip.png", strip)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), strip)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_short_clip_has_as_many_instants_as_frames(frames):
    assert len(strips.shown_frames(np.zeros(frames))) == frames
