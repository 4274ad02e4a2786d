"""The plot is a picture of the expected size for any motion and any sound."""

import numpy as np
import pytest
from PIL import Image

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.export.plot import _envelope, write_plot
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MOTION_DIMS


@pytest.mark.parametrize(
    ("frames", "samples"), [(1, SAMPLES_PER_MOTION_FRAME), (50, 32_000), (50, None), (3000, 100)]
)
def test_any_motion_can_be_drawn(tmp_path, frames, samples):
    rng = np.random.default_rng(0)
    keyframes = rng.random(frames) > 0.9
    clip = MotionClip.from_coefficients(
        rng.normal(size=(frames, MOTION_DIMS)).astype(np.float32) * 0.05,
        tracks={"keyframes_head": keyframes, "keyframes_expression": keyframes},
    )
    audio = None if samples is None else rng.normal(size=samples).astype(np.float32)
    opening_m = np.abs(rng.normal(size=frames)).astype(np.float32) * 0.01
    picture = np.asarray(
        Image.open(write_plot(tmp_path / "a.png", clip, opening_m=opening_m, audio=audio))
    )
    assert picture.shape[:2] == (840, 1320)
    assert (picture[..., :3].min(axis=-1) < 250).mean() > 0.01


def test_the_envelope_keeps_the_peaks():
    audio = np.zeros(1_000_000, np.float32)
    audio[[123_456, 700_000]] = [0.9, -0.7]
    low, high = _envelope(audio)
    assert high.max() == np.float32(0.9) and low.min() == np.float32(-0.7) and len(low) <= 2000
