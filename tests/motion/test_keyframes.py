"""Keyframe targets on synthetic curves, and against SciPy."""

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from ksdiff_jax.motion import keyframes
from ksdiff_jax.motion.clip_keyframes import clip_keyframes
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.run_once import jit_to_run_once

# Compiled whole, as in training: one by one, their operations take many times longer to compile.
keyframe_targets = jit_to_run_once(keyframes.keyframe_targets, static_argnames="jaw")
motion_change = jit_to_run_once(keyframes.motion_change, static_argnames="jaw")
gaussian_smooth = jit_to_run_once(keyframes.gaussian_smooth, static_argnames="sigma_frames")
local_maxima = jit_to_run_once(keyframes.local_maxima, static_argnames="threshold_std")


def _motion(frames: int) -> np.ndarray:
    return np.zeros((1, frames, MOTION_DIMS), np.float32)


def _all_valid(signal: np.ndarray) -> jnp.ndarray:
    return jnp.ones(signal.shape, bool)


def test_change_is_the_distance_between_neighbouring_frames():
    motion = _motion(3)
    motion[0, 1, 0:2] = [3, 4]  # expression moves by 5, then back by 5
    motion[0, 1:, 50] = 0.25  # one rotation step of 0.25 rad
    motion[0, 2, 53] = 0.3  # jaw and camera move together by 0.5
    motion[0, 2, 56] = 0.4
    expression, head = motion_change(jnp.asarray(motion))
    np.testing.assert_allclose(expression, [[0, 5, 5]], atol=1e-6)
    np.testing.assert_allclose(head, [[0, 0.25, 0.5]], atol=1e-6)


def test_without_the_jaw_the_change_of_the_head_is_that_of_rotation_and_camera():
    motion = _motion(3)
    motion[0, 1:, 50] = 0.25
    motion[0, 2, 53] = 0.3  # the jaw, which is left out
    motion[0, 2, 56] = 0.4
    _, head = motion_change(jnp.asarray(motion), jaw=False)
    np.testing.assert_allclose(head, [[0, 0.25, 0.4]], atol=1e-6)


def test_numpy_and_jax_find_the_same_keyframes_in_clips_with_and_without_the_jaw():
    motion = np.cumsum(np.random.default_rng(4).normal(size=(2, 50, MOTION_DIMS)), axis=1) * 0.02
    motion[:, 20:28] = motion[:, 20:21]  # at rest, so that plateaus occur
    found = {}
    for jaw in (True, False):
        expected = keyframe_targets(jnp.asarray(motion), jnp.ones((2, 50), bool), jaw=jaw)
        found[jaw] = np.stack([clip_keyframes(clip, jaw=jaw) for clip in motion])
        np.testing.assert_array_equal(found[jaw], np.stack(expected, axis=-1))
    assert found[True].sum() > 8 and (found[True] != found[False])[..., 1].any()


def test_smoothing_agrees_with_scipy_and_ignores_padding():
    signal = np.random.default_rng(0).random((2, 40)).astype(np.float32)
    padded = np.concatenate([signal, np.full((2, 9), 7.0, np.float32)], axis=1)
    mask = jnp.arange(49)[None] < 40
    smooth = gaussian_smooth(jnp.asarray(padded), jnp.broadcast_to(mask, (2, 49)), sigma_frames=2.0)
    np.testing.assert_allclose(
        smooth[:, :40], gaussian_filter1d(signal, 2.0, mode="reflect"), atol=1e-6
    )
    np.testing.assert_array_equal(smooth[:, 40:], 0)


def test_a_clip_shorter_than_the_kernel_is_smoothed_as_scipy_does():
    signal = np.random.default_rng(1).random((1, 5)).astype(np.float32)
    smooth = gaussian_smooth(jnp.asarray(signal), _all_valid(signal), sigma_frames=2.0)
    np.testing.assert_allclose(smooth, gaussian_filter1d(signal, 2.0, mode="reflect"), atol=1e-6)


def test_maxima_agree_with_scipy_on_random_curves():
    for seed in range(5):
        signal = np.random.default_rng(seed).random((1, 60)).astype(np.float32)
        expected, _ = find_peaks(signal[0], height=signal.mean() + 0.5 * signal.std())
        found = np.flatnonzero(
            local_maxima(jnp.asarray(signal), _all_valid(signal), threshold_std=0.5)[0]
        )
        np.testing.assert_array_equal(found, expected)


def test_a_plateau_counts_once_at_its_first_frame_and_a_shoulder_not_at_all():
    signal = jnp.asarray([[0, 0, 5, 5, 5, 0, 0, 0, 3, 3, 6, 0, 0, 4, 4]], jnp.float32)
    found = np.flatnonzero(local_maxima(signal, _all_valid(signal), threshold_std=0.0)[0])
    # the rise at the very end never falls: no maximum
    np.testing.assert_array_equal(found, [2, 10])


def test_a_still_clip_has_no_keyframes():
    motion = jnp.asarray(_motion(30))
    expression, head = keyframe_targets(motion, jnp.ones((1, 30), bool))
    assert not expression.any()
    assert not head.any()


def test_two_bursts_of_movement_give_two_keyframes_where_they_are_fastest():
    time = np.arange(100)
    motion = _motion(100)
    motion[0, :, 7] = 2 / (1 + np.exp(-(time - 30) / 2.0)) + 3 / (1 + np.exp(-(time - 70) / 2.0))
    expression, head = keyframe_targets(jnp.asarray(motion), jnp.ones((1, 100), bool))
    found = np.flatnonzero(expression[0])
    assert len(found) == 2
    assert np.all(np.abs(found - [30, 70]) <= 1)
    assert not head.any()


def test_padding_changes_no_target():
    motion = (
        np.cumsum(np.random.default_rng(3).normal(size=(2, 50, MOTION_DIMS)), axis=1).astype(
            np.float32
        )
        * 0.01
    )
    padded = np.pad(motion, ((0, 0), (0, 30), (0, 0)), constant_values=9.0)
    short = keyframe_targets(jnp.asarray(motion), jnp.ones((2, 50), bool))
    long = keyframe_targets(
        jnp.asarray(padded), jnp.broadcast_to(jnp.arange(80)[None] < 50, (2, 80))
    )
    for a, b in zip(short, long, strict=True):
        np.testing.assert_array_equal(a, b[:, :50])
        assert not b[:, 50:].any()
        assert a.sum() > 2
