"""Prosody of sounds whose pitch and level are known in closed form."""

import numpy as np
import pytest

from ksdiff_jax.audio import prosody as module
from ksdiff_jax.audio.prosody import extract_prosody, log_energy, normalise_prosody
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME, speech_frames


def buzz(hz, *, amplitude=0.3):
    """Ten harmonics with 1/k amplitudes; `hz` per sample, so pitch may glide."""
    phase = 2 * np.pi * np.cumsum(hz) / 16_000
    return (amplitude * sum(np.sin(k * phase) / k for k in range(1, 11))).astype(np.float32)


@pytest.mark.parametrize("hz", [90.0, 200.0, 390.0])
def test_a_steady_tone_has_its_pitch_and_its_level(hz):
    audio = 0.2 * np.sin(2 * np.pi * hz * np.arange(32_000) / 16_000).astype(np.float32)
    raw = extract_prosody(audio)
    assert raw.shape == (100, 2) and raw.dtype == np.float32
    inner = raw[5:-5]
    assert (inner[:, 0] > 0).all()
    np.testing.assert_allclose(np.log(inner[:, 0]), np.log(hz), atol=0.02)
    np.testing.assert_allclose(inner[:, 1], np.log(0.2 / np.sqrt(2)), atol=0.12)


@pytest.mark.parametrize("samples", [SAMPLES_PER_MOTION_FRAME, 641, 959, 960, 12_345, 16_000])
def test_there_are_exactly_two_frames_per_motion_frame(samples):
    assert len(extract_prosody(np.zeros(samples, np.float32))) == speech_frames(samples)
    assert len(extract_prosody(np.ones(samples, np.float32), frames=14)) == 14


def test_frames_are_centred_on_their_own_twenty_milliseconds():
    glide_hz = np.linspace(120, 300, 48_000)
    raw = extract_prosody(buzz(glide_hz))
    expected = glide_hz[160 + 320 * np.arange(150)]
    inner = slice(10, -10)
    assert (raw[inner, 0] > 0).mean() > 0.95
    voiced = raw[inner, 0] > 0
    # Half a frame of shift would be 0.6 Hz, half a window 4 Hz.
    assert abs(np.median((raw[inner, 0] - expected[inner])[voiced])) < 1.2


def test_silence_gives_zeros():
    normalised = normalise_prosody(extract_prosody(np.zeros(16_000, np.float32)))
    assert not normalised.any()


def test_normalised_contours_have_mean_zero_and_deviation_one_over_voiced_frames():
    raw = np.zeros((6, 2), np.float32)
    raw[:, 0] = [0, 100, 0, 400, 0, 0]
    raw[:, 1] = [-3, -1, -1, -1, -3, -3]
    normalised = normalise_prosody(raw)
    # log f0 is symmetric about log 200, so voiced frames are -1 and 1, the gap their middle, the
    # ends held.
    np.testing.assert_allclose(normalised[:, 0], [-1, -1, 0, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(normalised[:, 1], [-1, 1, 1, 1, -1, -1], atol=1e-6)


def test_a_single_voiced_frame_and_constant_energy_give_zeros_not_nan():
    raw = np.array([[0, -2], [150, -2], [0, -2]], np.float32)
    assert not normalise_prosody(raw).any()


def test_normalisation_ignores_gain_and_pitch_range():
    rng = np.random.default_rng(0)
    raw = np.stack(
        [np.where(rng.random(50) < 0.6, rng.uniform(90, 200, 50), 0), rng.normal(size=50)], -1
    )
    other = np.stack([raw[:, 0] * 2, raw[:, 1] + np.log(0.1)], -1)
    np.testing.assert_allclose(
        normalise_prosody(raw.astype(np.float32)),
        normalise_prosody(other.astype(np.float32)),
        atol=1e-4,
    )


def test_chunks_of_long_sound_agree_with_the_whole(monkeypatch):
    rng = np.random.default_rng(1)
    hz = np.interp(np.arange(96_000), np.linspace(0, 96_000, 25), rng.uniform(100, 250, 25))
    audio = buzz(hz) * np.repeat(rng.random(24) > 0.3, 4_000).astype(np.float32)
    whole = extract_prosody(audio)
    monkeypatch.setattr(module, "CHUNK_FRAMES", 90)
    chunked = extract_prosody(audio)
    agree = np.isclose(whole, chunked, rtol=1e-3).all(axis=-1)
    assert agree.mean() > 0.98


def test_energy_is_the_level_of_each_frame():
    audio = np.repeat(np.array([0.5, 0.05, 0.0], np.float32), 320)
    np.testing.assert_allclose(log_energy(audio), np.log([0.5, 0.05, 1e-5]), rtol=1e-5)


def test_a_constant_offset_of_the_recorder_changes_nothing():
    audio = buzz(np.full(16_000, 150.0)) * np.repeat([0.1, 1.0], 8_000).astype(np.float32)
    np.testing.assert_allclose(
        extract_prosody(audio + np.float32(0.2)), extract_prosody(audio), atol=0.02, rtol=0.01
    )


@pytest.mark.parametrize(
    "samples", [40 * SAMPLES_PER_MOTION_FRAME, 40 * SAMPLES_PER_MOTION_FRAME - 100]
)
def test_sound_is_centred_and_padded_in_chunks_as_at_once(monkeypatch, samples):
    monkeypatch.setattr(module, "CHUNK_FRAMES", 7)
    monkeypatch.setattr(module, "CHUNK_CONTEXT_FRAMES", 2)
    read = []
    monkeypatch.setattr(
        module, "_track", lambda part: read.append(part) or np.zeros((len(part) - 1728) // 320)
    )
    audio = (0.1 + np.random.default_rng(0).normal(size=samples)).astype(np.float32)
    given = audio.copy()
    found = extract_prosody(audio, frames=80)
    np.testing.assert_array_equal(audio, given)
    centred = np.pad(audio - audio.mean(), (0, 80 * 320 - samples))
    rows = np.square(centred.reshape(80, 320).astype(np.float64)).mean(axis=1)
    energy = np.log(np.maximum(np.sqrt(rows), 1e-5)).astype(np.float32)
    np.testing.assert_array_equal(found[:, 1], energy)
    padded = np.pad(centred, 864)
    starts = range(0, 80, 7)
    expected = [padded[max(0, k - 2) * 320 : min(80, k + 9) * 320 + 1728] for k in starts]
    for part, whole in zip(read, expected, strict=True):
        np.testing.assert_array_equal(part, whole)
