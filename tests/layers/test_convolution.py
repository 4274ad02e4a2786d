"""Convolution, normalisation, pooling and interpolation over time, against NumPy and against their
own padding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.convolution import (
    DepthwiseConvolution,
    MaskedGroupNorm,
    token_times,
    upsample_linear,
    window_pool,
)

RANDOM = np.random.default_rng(0)
SIGNAL = RANDOM.normal(size=(2, 30, 8)).astype(np.float32)
PADDED = jnp.asarray(np.pad(SIGNAL, ((0, 0), (0, 14), (0, 0)), constant_values=50.0))
ALL = jnp.ones((2, 30), bool)
MASK = jnp.broadcast_to(jnp.arange(44) < 30, (2, 44))


@pytest.mark.parametrize("dilation", [1, 2, 8])
def test_depthwise_convolution_agrees_with_numpy(dilation):
    layer = DepthwiseConvolution(5, dilation=dilation)
    params = layer.init(jax.random.key(0), jnp.asarray(SIGNAL), ALL)
    kernel = np.asarray(params["params"]["kernel"])
    found = np.asarray(layer.apply(params, jnp.asarray(SIGNAL), ALL))
    for frame in (0, 3, 15, 29):
        taps = [frame + (tap - 2) * dilation for tap in range(5)]
        expected = sum(SIGNAL[:, t] * kernel[i] for i, t in enumerate(taps) if 0 <= t < 30)
        np.testing.assert_allclose(found[:, frame], expected, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [DepthwiseConvolution(5, dilation=4, multiplier=2), MaskedGroupNorm(4)]
)
def test_padding_changes_no_valid_frame(layer):
    params = layer.init(jax.random.key(0), jnp.asarray(SIGNAL), ALL)
    short = layer.apply(params, jnp.asarray(SIGNAL), ALL)
    np.testing.assert_allclose(layer.apply(params, PADDED, MASK)[:, :30], short, atol=1e-5)


def test_group_norm_standardises_every_group():
    layer = MaskedGroupNorm(4)
    params = layer.init(jax.random.key(0), PADDED, MASK)
    found = np.asarray(layer.apply(params, PADDED * 3 + 2, MASK))[:, :30].reshape(2, 30, 4, 2)
    np.testing.assert_allclose(found.mean(axis=(1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 3)), 1, atol=1e-3)


@pytest.mark.parametrize(("window", "stride"), [(5, 2), (12, 4), (50, 4), (2, 2), (3, 4)])
def test_window_pooling_averages_the_valid_frames_of_each_window(window, stride):
    found, valid = window_pool(PADDED, MASK, window=window, stride=stride)
    tokens = -(-30 // stride)
    assert np.asarray(valid).sum(axis=1).tolist() == [tokens, tokens]
    for token in range(tokens):
        start = token * stride - (window - stride) // 2
        inside = [t for t in range(start, start + window) if 0 <= t < 30]
        np.testing.assert_allclose(found[:, token], SIGNAL[:, inside].mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("ahead", [0, 4])
def test_causal_filters_are_those_without_the_taps_of_later_frames(ahead):
    layer, causal = DepthwiseConvolution(5, dilation=4), jnp.array([True, False])
    params = layer.init(jax.random.key(0), jnp.asarray(SIGNAL), ALL)
    kernel = np.asarray(params["params"]["kernel"])
    found = np.asarray(layer.apply(params, jnp.asarray(SIGNAL), ALL, causal=causal, ahead=ahead))
    for frame in (0, 3, 15, 29):
        taps = [frame + (tap - 2) * 4 for tap in range(5)]
        for clip, limit in enumerate((min(frame + ahead, 29), 29)):
            parts = [SIGNAL[clip, t] * kernel[i] for i, t in enumerate(taps) if 0 <= t <= limit]
            np.testing.assert_allclose(found[clip, frame], sum(parts), atol=1e-5)


def test_causal_group_norm_has_the_statistics_of_the_frames_so_far():
    layer, causal = MaskedGroupNorm(4), jnp.array([True, False])
    params = layer.init(jax.random.key(0), PADDED, MASK)
    found = np.asarray(layer.apply(params, PADDED, MASK, causal=causal))
    for frame in (0, 1, 7, 29):
        past = SIGNAL[0, : frame + 1].reshape(-1, 4, 2)
        expected = (past[-1] - past.mean(axis=(0, 2))[:, None]) / np.sqrt(
            past.var(axis=(0, 2)) + 1e-5
        )[:, None]
        np.testing.assert_allclose(found[0, frame].reshape(4, 2), expected, atol=1e-4)
    plain = np.asarray(layer.apply(params, PADDED, MASK))
    np.testing.assert_allclose(found[1, :30], plain[1, :30], atol=1e-6)


@pytest.mark.parametrize(("window", "stride", "last"), [(5, 2, 1), (12, 4, -1), (4, 4, -1)])
def test_causal_pooling_averages_no_later_frame(window, stride, last):
    found, _ = window_pool(PADDED, MASK, window=window, stride=stride, last=last)
    for token in range(-(-30 // stride)):
        start = min(token * stride - (window - stride) // 2, token * stride + last)
        stop = min(start + window, token * stride + last + 1)
        inside = [t for t in range(start, stop) if 0 <= t < 30]
        expected = SIGNAL[:, inside].mean(axis=1) if inside else np.zeros((2, 8))
        np.testing.assert_allclose(found[:, token], expected, atol=1e-5)


def test_upsampling_a_straight_line_gives_the_line_between_the_first_and_last_token():
    times = token_times(10, stride=4, rate_hz=50)
    at = token_times(20, stride=2, rate_hz=50)
    line = jnp.asarray(times)[None, :, None] * 3.0
    mask = jnp.ones((1, 10), bool)
    found = upsample_linear(line, mask, times, at)[0, :, 0]
    np.testing.assert_allclose(found, 3.0 * np.clip(at, times[0], times[-1]), rtol=1e-5)


def test_upsampling_never_reaches_into_padding():
    tokens = jnp.asarray([[1.0, 2.0, 3.0, 99.0]])[..., None]
    mask = jnp.asarray([[True, True, True, False]])
    at = token_times(8, stride=2, rate_hz=50)
    found = upsample_linear(tokens, mask, token_times(4, stride=4, rate_hz=50), at)[0, :, 0]
    assert float(found.max()) == 3.0
