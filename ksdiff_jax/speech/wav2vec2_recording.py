"""Features of one recording of any length by a Wav2Vec 2.0, HuBERT or WavLM, in bounded memory.

Chunks overlap, and only the middle of each is kept. Statistics of a whole recording are computed
over all of it: its mean and variance, and the norm over time of the first convolution, whose
moments are computed beforehand in float64. The only difference at the seams is attention, which
covers one chunk instead of the whole recording.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.speech.backbone import encode
from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.front_end import Moments, hop_samples, receptive_field
from ksdiff_jax.speech.pretrained import NORMALISATION_EPS, PretrainedEncoder
from ksdiff_jax.typing import Array, Float, PyTree

CHUNK_S = 30.0
OVERLAP_S = 6.0  # shared by neighbours; half of it is dropped on either side of a seam
BUCKETS_S = (1.0, 2.0, 4.0, 8.0, 16.0, CHUNK_S)


def whole(
    params: PyTree,
    audio: Float[np.ndarray, "s"],
    *,
    config: PretrainedEncoderConfig,
    dtype: str,
    chunk_s: float = CHUNK_S,
    overlap_s: float = OVERLAP_S,
) -> Float[np.ndarray, "f d"]:
    """Return the features of a recording; one longer than `chunk_s` is processed in chunks of that
    length.
    """
    hop = hop_samples(config)
    frames, chunk = len(audio) // hop, round(chunk_s * SAMPLE_RATE_HZ / hop)
    margin = round(overlap_s * SAMPLE_RATE_HZ / hop / 2)
    if not 0 <= 2 * margin < chunk:
        raise InputError(
            f"overlap of {overlap_s:g} s in chunks of {chunk_s:g} s; need less overlap than chunk"
        )
    audio = np.asarray(audio[: frames * hop], np.float32)
    if frames <= chunk:
        return _short(params, audio, config=config, dtype=dtype)
    edge = receptive_field(config) - hop
    padded = np.pad(
        _normalised(audio) if config.normalise_input else audio,
        (edge // 2, edge - edge // 2),
    )
    moments = _whole_moments(padded, params, config)
    features = np.empty((frames, config.hidden_size), np.float32)
    for start, keep in _chunks(frames, chunk=chunk, margin=margin):
        heard = padded[start * hop : (start + chunk) * hop + edge]
        out = _encode_chunk(params, heard[None], moments, config=config, dtype=dtype)
        features[keep] = np.asarray(out[0, keep.start - start : keep.stop - start], np.float32)
    return features


def _short(
    params: PyTree, audio: Float[np.ndarray, "s"], *, config: PretrainedEncoderConfig, dtype: str
) -> Float[np.ndarray, "f d"]:
    hop = hop_samples(config)
    frames = len(audio) // hop
    buckets = [round(bucket * SAMPLE_RATE_HZ / hop) for bucket in BUCKETS_S]
    bucket = next((bucket for bucket in buckets if frames <= bucket), frames)
    padded = np.pad(audio, (0, bucket * hop - len(audio)))[None]
    mask = (np.arange(bucket) < frames)[None]
    out = encode(params, padded, mask, config=config, dtype=dtype)
    return np.asarray(out[0, :frames], np.float32)


@functools.partial(jax.jit, static_argnames=("config", "dtype"))
def _encode_chunk(
    params: PyTree,
    padded: Float[Array, "b s"],
    moments: Moments | None,
    *,
    config: PretrainedEncoderConfig,
    dtype: str,
) -> Float[Array, "b n d"]:
    encoder = PretrainedEncoder(config, Execution(dtype=jnp.dtype(dtype)))
    return encoder.apply(
        {"params": params}, padded, moments=moments, method=PretrainedEncoder.states
    ).last


def _normalised(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
    wide = audio.astype(np.float64)
    return ((wide - wide.mean()) / np.sqrt(wide.var() + NORMALISATION_EPS)).astype(np.float32)


def _whole_moments(
    padded: Float[np.ndarray, "s"], params: PyTree, config: PretrainedEncoderConfig
) -> Moments | None:
    """Return mean and variance of the first convolution over a whole recording, computed from those
    of its windows.

    With window mean m and covariance C, a channel with taps w has mean w·m + b and variance w·C w.
    The computation is in float64, because for channels that respond weakly to speech these are
    small differences of large numbers.
    """
    if config.feature_norm != "group":
        return None
    kernel, stride = config.conv_kernels[0], config.conv_strides[0]
    windows = np.lib.stride_tricks.sliding_window_view(padded.astype(np.float64), kernel)[::stride]
    taps = np.asarray(params["front_end"]["convolution_0"]["kernel"], np.float64)[:, 0]  # (k, c)
    bias = (
        np.asarray(params["front_end"]["convolution_0"]["bias"], np.float64)
        if config.conv_bias
        else 0.0
    )
    mean = windows.mean(axis=0)
    covariance = windows.T @ windows / len(windows) - np.outer(mean, mean)
    variance = np.einsum("kc,kj,jc->c", taps, covariance, taps)
    return Moments(
        np.float32(taps.T @ mean + bias)[None], np.float32(np.maximum(variance, 0.0))[None]
    )


def _chunks(frames: int, *, chunk: int, margin: int) -> list[tuple[int, slice]]:
    """Return (first frame of a chunk, the frames to keep of it) for each chunk; all have one
    length, and the last one ends at the end of the recording.
    """
    step = chunk - 2 * margin
    starts = [*range(0, frames - chunk, step), frames - chunk]
    edges = [0, *(start + margin for start in starts[1:]), frames]
    return [
        (start, slice(first, last))
        for start, first, last in zip(starts, edges, edges[1:], strict=False)
    ]
