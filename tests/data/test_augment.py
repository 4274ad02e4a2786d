"""Augmentation changes only the sound: length, timing and determinism stay."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.config import AugmentConfig
from ksdiff_jax.data.augment import augment, lose_pitch, room_impulse

NOTHING = AugmentConfig(
    noise=0.0,
    reverberation=0.0,
    equaliser=0.0,
    band_limit=0.0,
    distortion=0.0,
    pitch_loss=0.0,
    gain_db=(0.0, 0.0),
)
EVERYTHING = AugmentConfig(
    noise=1.0,
    reverberation=1.0,
    equaliser=1.0,
    band_limit=1.0,
    distortion=1.0,
    noise_snr_db=(15.0, 30.0),
)


@pytest.fixture(scope="module")
def speech():
    """Bursts of noise in the band of the voice, as syllables are."""
    rng = np.random.default_rng(0)
    level = np.interp(np.arange(48_000), np.linspace(0, 48_000, 24), rng.random(24)) ** 2
    return (
        0.3 * level * np.convolve(rng.normal(size=48_000), np.hanning(12) / 6, mode="same")
    ).astype(np.float32)


def lag(a, b):
    correlation = np.fft.irfft(np.fft.rfft(a, 2 * len(a)) * np.conj(np.fft.rfft(b, 2 * len(b))))
    at = int(np.argmax(np.abs(correlation)))
    return at if at < len(a) else at - 2 * len(a)


@pytest.mark.parametrize("seed", range(20))
def test_everything_at_once_keeps_length_range_and_timing(speech, seed):
    out = augment(speech, np.random.default_rng(seed), config=EVERYTHING)
    assert out.shape == speech.shape and out.dtype == np.float32
    assert np.isfinite(out).all() and np.abs(out).max() <= 1
    assert not np.allclose(out, speech, atol=1e-3)
    assert abs(lag(out, speech)) <= 1


def test_switched_off_it_changes_nothing(speech):
    np.testing.assert_array_equal(augment(speech, np.random.default_rng(0), config=NOTHING), speech)


def test_the_same_generator_gives_the_same_sound(speech):
    one, two = (augment(speech, np.random.default_rng(7), config=AugmentConfig()) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("seed", range(8))
def test_noise_has_the_asked_ratio(speech, seed):
    config = dataclasses.replace(NOTHING, noise=1.0, noise_snr_db=(10.0, 10.0))
    noise = augment(speech, np.random.default_rng(seed), config=config) - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.1)


def test_gain_is_the_asked_one(speech):
    out = augment(
        speech, np.random.default_rng(0), config=dataclasses.replace(NOTHING, gain_db=(-6.0, -6.0))
    )
    np.testing.assert_allclose(out, speech * 10 ** (-6 / 20), rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_band_limit_empties_the_top_of_the_spectrum(seed):
    white = np.random.default_rng(9).normal(scale=0.1, size=16_000).astype(np.float32)
    out = augment(
        white, np.random.default_rng(seed), config=dataclasses.replace(NOTHING, band_limit=1.0)
    )
    top = slice(7_900, None)  # Hz, of one second
    assert np.sum(np.abs(np.fft.rfft(out))[top] ** 2) < 0.05 * np.sum(
        np.abs(np.fft.rfft(white))[top] ** 2
    )


def test_a_room_starts_with_its_direct_path_and_decays():
    for seed in range(10):
        impulse = room_impulse(np.random.default_rng(seed))
        assert impulse[0] == 1.0 and not impulse[1:32].any()
        energy = impulse[32:] ** 2
        assert energy[: len(energy) // 2].sum() > 2 * energy[len(energy) // 2 :].sum()


def test_silence_stays_finite():
    for seed in range(10):
        assert not augment(
            np.zeros(16_000, np.float32), np.random.default_rng(seed), config=EVERYTHING
        ).any()


def test_lost_pitch_only_makes_voiced_frames_unvoiced():
    prosody = np.stack([np.full(200, 120.0), np.arange(200.0)], -1).astype(np.float32)
    lost = lose_pitch(prosody, np.random.default_rng(0))
    assert set(np.unique(lost[:, 0])) == {0.0, 120.0}
    np.testing.assert_array_equal(lost[:, 1], prosody[:, 1])
