"""Windows over long speech: coverage, noise, seams."""

import itertools

import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.windows import Window, join_windows, owned_frames, plan_windows
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
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


PERIOD = 182  # motion frames of the demonstration, which is repeated
CUT = 32  # frames of a spectrum, 1.3 s
BANDS_HZ = ((0, 3), (3, 6), (6, 12.5))


@pytest.fixture(scope="module")
def long_motion():
    """100 s of motion of the shipped model: the channels (t, d) that move, with deviation 1, and
    the pairs of windows that share frames.
    """
    animator = Animator.from_pretrained()
    demo = animator.read(ROOT / "ksdiff_jax" / "assets" / "demo.wav").audio
    assert len(demo) == PERIOD * SAMPLES_PER_MOTION_FRAME
    speech = np.tile(demo, -(-100 * 16_000 // len(demo)))[: 100 * 16_000]
    motion = animator(speech, sample_rate_hz=16_000).coefficients
    moving = motion[:, motion.std(axis=0) > 1e-6]
    seams = list(itertools.pairwise(plan_windows(len(motion), longest=1024)))
    assert len(seams) >= 2
    return moving / moving.std(axis=0), seams


@pytest.mark.long
def test_no_jump_in_position_or_velocity_at_the_seams_of_the_shipped_model(long_motion):
    moving, seams = long_motion
    shared = np.zeros(len(moving), bool)
    for left, right in seams:
        shared[right.start : left.stop] = True
    borders = np.array([frame for left, right in seams for frame in (right.start, left.stop)])
    for order in (1, 2):  # steps of position, and of velocity
        steps = np.abs(np.diff(moving, order, axis=0))
        inside, at_seams = steps[~shared[order:]], steps[shared[order:]]
        assert 0.7 < at_seams.mean() / inside.mean() < 1.3
        assert steps[borders - order].max() < inside.max()


def log_powers(motion):
    """The logarithm (t, 3) of the power around each frame below 3 Hz, from 3 to 6 Hz and above,
    mean over channels and five cuts of `CUT` frames; NaN near the ends.
    """
    cuts = np.lib.stride_tricks.sliding_window_view(motion, CUT, axis=0)  # (t, d, CUT)
    cuts = (cuts - cuts.mean(axis=-1, keepdims=True)) * np.hanning(CUT)
    power = np.square(np.abs(np.fft.rfft(cuts))).mean(axis=1)
    hz = np.fft.rfftfreq(CUT, 1 / 25)
    bands = np.stack([power[:, (hz > low) & (hz <= high)].sum(axis=1) for low, high in BANDS_HZ])
    found = np.full((len(motion), 3), np.nan)
    edge = CUT // 2
    found[edge : edge + bands.shape[1]] = bands.T
    return np.log(np.mean([np.roll(found, by, axis=0) for by in (-8, -4, 0, 4, 8)], axis=0))


@pytest.mark.long
def test_the_spectrum_at_the_seams_of_the_shipped_model_is_one_of_those_inside(long_motion):
    moving, seams = long_motion
    frames, reach = len(moving), CUT // 2 + 8
    borders = np.array([frame for left, right in seams for frame in (right.start, left.stop)])
    inside = np.ones(frames, bool)
    inside[:reach] = inside[-reach:] = False
    for left, right in seams:
        inside[right.start - reach : left.stop + reach] = False

    def against_inside(powers, places):
        """The mean difference (3,) from the same words elsewhere, away from the seams."""
        found = []
        for place in places:
            words = np.arange(place % PERIOD, frames, PERIOD)
            words = words[inside[words] & (words != place)]
            found.append(powers[place] - powers[words].mean(axis=0))
        return np.mean(found, axis=0)

    moved = [borders + shift for shift in range(-frames, frames, 8)]
    moved = [p for p in moved if p[0] >= 0 and p[-1] < frames and inside[p].all()]
    powers = log_powers(moving)
    elsewhere = np.stack([against_inside(powers, places) for places in moved])
    assert len(elsewhere) > 100
    found = against_inside(powers, borders)
    assert (found <= elsewhere.max(axis=0)).all() and (found >= elsewhere.min(axis=0)).all()
    # a step of a deviation at each border would be seen
    steps = np.searchsorted(borders, np.arange(frames), side="right")[:, None]
    assert against_inside(log_powers(moving + steps), borders)[-1] > elsewhere.max(axis=0)[-1]
