"""Losses against librosa, hand computations and the masking rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.models.ksdiff import losses
from tests.run_once import jit_to_run_once

# Compiled whole: one by one, their operations take many times longer to compile.
stft_magnitude = jit_to_run_once(losses.stft_magnitude, static_argnames="window")
reconstruction_loss = jit_to_run_once(losses.reconstruction_loss)
velocity_loss = jit_to_run_once(losses.velocity_loss)
spectral_loss = jit_to_run_once(losses.spectral_loss, static_argnames="windows")
gap_loss = jit_to_run_once(losses.gap_loss, static_argnames="closed")
librosa_stft = librosa_module("core").stft
RANDOM = np.random.default_rng(0)
PREDICTION, TARGET = RANDOM.normal(size=(2, 3, 64, 5)).astype(np.float32)
FULL = jnp.ones((3, 64), bool)


@pytest.mark.parametrize("window", [8, 16, 32])
def test_stft_magnitude_agrees_with_librosa(window):
    found = np.asarray(stft_magnitude(jnp.asarray(TARGET), window=window))
    for clip in range(3):
        for dim in range(5):
            expected = np.abs(
                librosa_stft(
                    TARGET[clip, :, dim],
                    n_fft=window,
                    hop_length=window // 4,
                    window="hann",
                    center=False,
                )
            )
            np.testing.assert_allclose(found[clip, :, :, dim], expected.T, atol=1e-4)


def test_spectral_loss_is_the_sum_over_windows_of_mean_magnitude_differences():
    found = spectral_loss(jnp.asarray(PREDICTION), jnp.asarray(TARGET), FULL, windows=(8, 16))
    expected = np.zeros(3)
    for window in (8, 16):
        magnitudes = [
            np.abs(
                librosa_stft(
                    x.transpose(0, 2, 1), n_fft=window, hop_length=window // 4, center=False
                )
            )
            for x in (PREDICTION, TARGET)
        ]
        expected += np.abs(magnitudes[0] - magnitudes[1]).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_weighted_bce_agrees_with_a_hand_computation():
    logits = jnp.asarray([[0.0, 2.0, -1.0]])
    targets = jnp.asarray([[True, False, False]])
    p = 1 / (1 + np.exp(-np.array([0.0, 2.0, -1.0])))
    expected = (-5 * np.log(p[0]) - np.log(1 - p[1]) - np.log(1 - p[2])) / 3
    found = losses.weighted_bce(
        logits, targets, jnp.ones((1, 3), bool), positive_weight=5.0, negative_weight=1.0
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_velocity_loss_ignores_a_constant_offset_and_sees_a_drift():
    assert np.all(np.asarray(velocity_loss(TARGET + np.float32(3), TARGET, FULL)) < 1e-10)
    drift = np.arange(64, dtype=np.float32)[None, :, None] * np.float32(0.5)
    np.testing.assert_allclose(velocity_loss(TARGET + drift, TARGET, FULL), 0.25, rtol=1e-4)


@pytest.mark.parametrize("name", ["reconstruction", "velocity", "spectral"])
def test_a_loss_is_the_mean_over_the_valid_frames_of_each_clip_alone(name):
    """Ragged clips, with junk in the padding, against each clip cut to its length."""
    function = {
        "reconstruction": reconstruction_loss,
        "velocity": velocity_loss,
        "spectral": lambda *a: spectral_loss(*a, windows=(8, 16)),
    }[name]
    lengths = np.array([64, 37, 0])
    mask = np.arange(64) < lengths[:, None]
    prediction, target = (
        np.where(mask[..., None], x, junk) for x, junk in ((PREDICTION, 5), (TARGET, -3))
    )
    found = np.asarray(function(jnp.asarray(prediction), jnp.asarray(target), jnp.asarray(mask)))
    assert found.shape == (3,) and found[2] == 0
    for clip, length in enumerate(lengths[:2]):
        alone = (jnp.asarray(x[clip : clip + 1, :length]) for x in (prediction, target))
        (expected,) = np.asarray(function(*alone, np.ones((1, length), bool)))
        np.testing.assert_allclose(found[clip], expected, rtol=1e-5)


def test_spectral_loss_has_a_finite_gradient_where_the_signal_is_zero():
    zero = jnp.zeros((1, 32, 2))
    gradient = jit_to_run_once(
        jax.grad(
            lambda x: losses.spectral_loss(x, zero, jnp.ones((1, 32), bool), windows=(8,)).sum()
        )
    )(zero)
    assert np.all(np.isfinite(gradient))


def test_the_gap_loss_sees_a_millimetre_near_closure_and_hardly_one_in_an_open_mouth():
    mask = jnp.ones((1, 4), bool)
    closed = 0.003
    near, far = np.zeros((1, 4), np.float32), np.full((1, 4), 0.03, np.float32)
    millimetre = np.float32(0.001)
    (near_loss,) = np.asarray(gap_loss(near + millimetre, near, mask, closed=closed))
    (far_loss,) = np.asarray(gap_loss(far + millimetre, far, mask, closed=closed))
    assert float(near_loss) == pytest.approx(float(np.arcsinh(1 / 3) ** 2), rel=1e-5)
    assert float(far_loss) < float(near_loss) / 50
    assert not np.any(gap_loss(far, far, mask, closed=closed))


def test_the_gap_loss_ignores_padding():
    gap = np.array([[0.001, 0.002, 9.0]], np.float32)
    other = np.array([[0.001, 0.002, 0.0]], np.float32)
    mask = np.array([[True, True, False]])
    assert not np.any(gap_loss(gap, other, mask, closed=0.003))
