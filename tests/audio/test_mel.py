"""The log-mel front end against librosa, and its independence of padding, on which batches rely."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.audio import mel
from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from tests.run_once import jit_to_run_once

# Compiled whole: one by one, their operations take many times longer to compile.
log_mel = jit_to_run_once(mel.log_mel, static_argnames="bands")
normalise_mel = jit_to_run_once(mel.normalise_mel)


@pytest.fixture(scope="module")
def audio():
    rng = np.random.default_rng(0)
    level = np.exp(rng.normal(scale=2.0, size=(2, 20, 1)))  # loud and quiet frames, as in speech
    return (0.02 * level * rng.normal(size=(2, 20, 320))).reshape(2, 6_400).astype(np.float32)


@pytest.fixture(scope="module")
def librosa():
    librosa_module("core")  # the first import compiles, here under a lock
    import librosa

    return librosa


def test_it_is_librosas_mel_spectrogram(audio, librosa):
    for row, frames in zip(audio, log_mel(jnp.asarray(audio), bands=80), strict=True):
        # librosa centres its 1024-point frame on sample 320 i once (1024 - 640) / 2 + 160 zeros
        # lead the sound.
        padded = np.pad(row, (160 + 192, 160 + 192))
        expected = librosa.feature.melspectrogram(
            y=padded,
            sr=16_000,
            n_fft=1024,
            win_length=SAMPLES_PER_MOTION_FRAME,
            hop_length=320,
            center=False,
            n_mels=80,
            fmin=60,
            fmax=7600,
        )
        np.testing.assert_allclose(frames, np.log(np.maximum(expected.T, 1e-5)), atol=1e-4)


@pytest.mark.parametrize("bands", [24, 80])
def test_its_filters_are_librosas_bit_for_bit(bands, librosa):
    expected = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=bands, fmin=60.0, fmax=7600.0)
    np.testing.assert_array_equal(
        mel.mel_filters(bands, points=mel.FFT_POINTS, range_hz=mel.MEL_RANGE_HZ),
        expected,
        strict=True,
    )


def test_appended_zeros_change_no_frame(audio):
    whole = log_mel(jnp.asarray(audio), bands=40)
    padded = np.asarray(log_mel(np.pad(audio, ((0, 0), (0, 3_200))), bands=40))
    assert whole.shape == (2, 20, 40)
    np.testing.assert_allclose(padded[:, :20], whole, atol=1e-5)


def test_a_click_is_seen_by_the_frames_whose_window_holds_it():
    audio = np.zeros((1, 6_400), np.float32)
    audio[0, 320 * 7 + 160] = 1.0  # the centre of frame 7
    level = np.asarray(log_mel(jnp.asarray(audio), bands=40))[0].mean(axis=-1)
    assert int(level.argmax()) == 7
    np.testing.assert_allclose(level[[5, 6, 8, 9]], np.log(1e-5), atol=1e-3)


def test_silence_is_finite_and_so_is_its_gradient():
    silence = jnp.zeros((1, 1_280))
    assert np.isfinite(log_mel(silence, bands=80)).all()
    gradient = jit_to_run_once(jax.grad(lambda x: mel.log_mel(x, bands=80).sum()))(silence)
    assert np.isfinite(gradient).all()


def test_normalisation_over_valid_frames_ignores_padding_and_gain(audio):
    bands = np.asarray(log_mel(jnp.asarray(audio), bands=20))
    mask = np.arange(20)[None] < np.array([[20], [12]])
    normalised = np.asarray(normalise_mel(bands, mask))
    np.testing.assert_allclose(normalised[1, :12].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normalised[1, :12].std(axis=0), 1, atol=0.05)
    assert not normalised[1, 12:].any()
    np.testing.assert_allclose(
        normalise_mel(bands[1:, :12], mask[1:, :12])[0], normalised[1, :12], atol=1e-5
    )
    np.testing.assert_allclose(normalise_mel(bands + 3.0, mask), normalised, atol=1e-4)


def test_constant_bands_become_zero():
    constant = np.full((1, 8, 4), np.log(1e-5), np.float32)
    assert not np.any(normalise_mel(constant, np.ones((1, 8), bool)))
