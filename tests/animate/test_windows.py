"""Windows over long speech: coverage, noise, seams."""

import itertools

import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.windows import Window, join_windows, owned_frames, plan_windows
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.conftest import REPOSITORY as ROOT


@pytest.mark.parametrize("frames", [1, 64, 65, 100, 128, 129, 200, 1000, 99_999])
def test_windows_cover_every_frame_in_order_within_the_longest_length(frames):
    windows = plan_windows(frames, longest=64, overlap=16)
    assert windows[0].start == 0 and windows[-1].stop == frames
    assert all(0 < window.stop - window.start <= 64 for window in windows)
    for left, right in itertools.pairwise(windows):
        assert left.start < right.start and left.stop - right.start >= 16


def test_the_number_of_windows_grows_linearly():
    counts = [len(plan_windows(frames, longest=1024, overlap=100)) for frames in (10_000, 100_000)]
    assert counts[1] <= 10 * counts[0] + 1


def test_a_signal_cut_into_windows_and_joined_is_itself():
    signal = np.random.default_rng(0).normal(size=(333, MOTION_DIMS)).astype(np.float32)
    windows = plan_windows(333, longest=64, overlap=16)
    parts = [signal[start:stop] for start, stop in windows]
    np.testing.assert_allclose(join_windows(parts, windows, frames=333), signal, atol=1e-6)
    for values in (signal[:, 0], signal[:, 0] > 0):
        np.testing.assert_array_equal(
            owned_frames([values[start:stop] for start, stop in windows], windows, frames=333),
            values,
        )


def test_a_seam_between_two_levels_is_a_monotone_ramp_without_a_step():
    windows = [Window(0, 60), Window(40, 100)]
    parts = [np.zeros((60, 1), np.float32), np.ones((60, 1), np.float32)]
    joined = join_windows(parts, windows, frames=100)[:, 0]
    steps = np.diff(joined)
    assert steps.min() >= 0 and steps.max() <= np.pi / 2 / 20 * 1.01
    assert joined[39] == 0 and joined[60] == 1


def test_each_frame_is_owned_by_the_window_whose_border_is_farther():
    windows = [Window(0, 60), Window(40, 100)]
    owners = owned_frames([np.zeros(60), np.ones(60)], windows, frames=100)
    assert owners[:50].max() == 0 and owners[50:].min() == 1


@pytest.mark.long
def test_no_jump_in_position_or_velocity_at_the_seams_of_the_shipped_model():
    animator = Animator.from_pretrained()
    demo = animator.read(ROOT / "ksdiff_jax" / "assets" / "demo.wav").audio
    speech = np.tile(demo, -(-100 * 16_000 // len(demo)))[: 100 * 16_000]
    motion = animator(speech, sample_rate_hz=16_000).coefficients
    moving = motion[:, motion.std(axis=0) > 1e-6]
    seams = list(itertools.pairwise(plan_windows(len(motion), longest=1024)))
    assert len(seams) >= 2
    shared = np.zeros(len(motion), bool)
    for left, right in seams:
        shared[right.start : left.stop] = True
    borders = np.array([frame for left, right in seams for frame in (right.start, left.stop)])
    for order in (1, 2):  # steps of position, and of velocity
        steps = np.abs(np.diff(moving, order, axis=0)) / moving.std(axis=0)
        inside, at_seams = steps[~shared[order:]], steps[shared[order:]]
        assert 0.7 < at_seams.mean() / inside.mean() < 1.3
        assert steps[borders - order].max() < inside.max()
