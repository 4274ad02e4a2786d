"""The cepstra against a loop over frames, bands and bins, written from the definition."""

import math

import numpy as np
import pytest

from ksdiff_jax.audio.mfcc import mfcc


def by_loops(audio):
    y = [float(audio[0])] + [
        float(audio[n]) - 0.97 * float(audio[n - 1]) for n in range(1, len(audio))
    ]
    frames = 1 + max(0, math.ceil((len(y) - 400) / 160))
    y += [0.0] * (160 * frames + 400)
    top = 2595 * math.log10(1 + 8000 / 700)
    corners = []
    for j in range(28):
        hertz = 700 * (10 ** (top * j / 27 / 2595) - 1)
        corners.append(math.floor(513 * hertz / 16000))
    rows = []
    for i in range(frames):
        k, n = np.arange(257)[:, None], np.arange(400)
        spectrum = np.exp(-2j * np.pi * k * n / 512) @ np.array(y[160 * i : 160 * i + 400])
        power = [abs(value) ** 2 / 512 for value in spectrum]
        logs = []
        for j in range(26):
            low, middle, high = corners[j : j + 3]
            energy = sum(power[b] * (b - low) / (middle - low) for b in range(low, middle))
            energy += sum(power[b] * (high - b) / (high - middle) for b in range(middle, high))
            logs.append(math.log(energy or np.finfo(float).eps))
        row = []
        for m in range(13):
            total = sum(e * math.cos(math.pi * m * (j + 0.5) / 26) for j, e in enumerate(logs))
            total *= math.sqrt((1 if m == 0 else 2) / 26)
            row.append(total * (1 + 11 * math.sin(math.pi * m / 22)))
        row[0] = math.log(sum(power) or np.finfo(float).eps)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("samples", [1, 400, 401, 1500])
def test_they_equal_a_loop_over_the_definition_at_every_length(samples):
    random = np.random.default_rng(samples)
    audio = (2000 * random.standard_normal(samples)).astype(np.int16)
    np.testing.assert_allclose(mfcc(audio), by_loops(audio), rtol=1e-9, atol=1e-7)


def test_silence_is_the_logarithm_of_the_smallest_step_and_one_second_has_99_frames():
    found = mfcc(np.zeros(16_000, np.int16))
    assert found.shape == (99, 13)
    np.testing.assert_allclose(found[:, 0], math.log(np.finfo(float).eps))
    np.testing.assert_allclose(found[:, 1:], 0, atol=1e-10)
