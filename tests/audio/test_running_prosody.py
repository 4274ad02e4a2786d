"""Running statistics against a loop, and the look-ahead of the pitch tracker."""

import numpy as np

from ksdiff_jax.audio.prosody import extract_prosody
from ksdiff_jax.audio.running_prosody import (
    LOG_ENERGY,
    LOG_F0,
    MEMORY_FRAMES,
    PRIOR_FRAMES,
    normalise_so_far,
    sliding_prosody,
)
from tests.audio.test_prosody import buzz


def test_every_frame_is_normalised_by_the_frames_so_far_and_the_prior():
    draw = np.random.default_rng(0)
    f0_hz = np.where(draw.random(60) < 0.6, draw.uniform(80, 300, 60), 0.0)
    f0_hz[:4] = 0.0
    energy = draw.normal(-5, 2, 60)
    found = normalise_so_far(np.stack([f0_hz, energy], axis=-1))

    def standard(times, values, now, prior):
        weights = np.exp(-(now - np.array(times)) / MEMORY_FRAMES)
        prior_weight = PRIOR_FRAMES * np.exp(-(now + 1) / MEMORY_FRAMES)
        values, total = np.array(values), weights.sum() + prior_weight
        mean = (weights @ values + prior_weight * prior[0]) / total
        about = weights @ (values - mean) ** 2
        about += prior_weight * (prior[1] ** 2 + (prior[0] - mean) ** 2)
        return (values[-1] - mean) / np.sqrt(about / total)

    for now in range(60):
        times = range(now + 1)
        expected = standard(times, energy[: now + 1], now, LOG_ENERGY)
        np.testing.assert_allclose(found[now, 1], expected, atol=1e-5)
        voiced = [time for time in times if f0_hz[time] > 0]
        expected = standard(voiced, np.log(f0_hz[voiced]), now, LOG_F0) if voiced else 0.0
        np.testing.assert_allclose(found[now, 0], expected, atol=1e-5)


def test_sliding_prosody_is_that_of_the_recording_and_ignores_what_comes_later():
    audio = buzz(np.linspace(120, 200, 12_800)) + 0.05
    whole, sliding = extract_prosody(audio), sliding_prosody(audio, ahead=10)
    inner = slice(5, 35)
    assert sliding.shape == whole.shape and (sliding[inner, 0] > 0).all()
    np.testing.assert_allclose(np.log(sliding[inner, 0]), np.log(whole[inner, 0]), atol=0.06)
    np.testing.assert_allclose(sliding[inner, 1], whole[inner, 1], atol=0.1)
    # without sound behind frame 20 + 10 the frames up to 20 are the same
    early = sliding_prosody(audio[: 31 * 320], ahead=10)
    np.testing.assert_array_equal(early[:21], sliding[:21])


def test_minutes_of_silence_give_finite_numbers():
    raw = np.tile(np.array([0.0, LOG_ENERGY[0] - 3.0]), (40_000, 1))
    assert np.isfinite(normalise_so_far(raw)).all()
