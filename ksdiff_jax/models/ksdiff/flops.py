"""The work of one training step of KSDiff in floating-point operations, counted from the
configuration.

A product of (m, k) and (k, n) is 2 m k n operations: one multiplication and one addition each.
Counted are products, convolutions and Fourier transforms; norms, activations, masks and the
optimiser are left out, as is usual for MFU: they are few and bound by memory. A trained part costs
three times its forward pass (one pass for the gradient of its inputs, one for that of its weights).
A frozen one costs its forward pass, and a second one for the gradient of its inputs where something
before it is trained. Attention counts all pairs, masked or not.

Letters: b clips, t motion frames, f = 2 t speech frames, l transcript tokens, D width, r
feed-forward ratio.
"""

import math
from collections.abc import Collection
from typing import NamedTuple

from ksdiff_jax.audio.timebase import (
    SAMPLES_PER_MOTION_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
    SPEECH_RATE_HZ,
)
from ksdiff_jax.config import Config, EncoderConfig, ModelConfig, PretrainedEncoderConfig
from ksdiff_jax.models.ksdiff.network import TRACKS, generator_dims

_BACKWARD_TOO = 3  # forward, gradient of the inputs, gradient of the weights
_INPUTS_ONLY = 2  # forward and gradient of the inputs
_FFT_POINTS, _FFT_BINS = 1024, 513  # of the log-mel front end
_FIRST_PARTS = ("encoder", "transcript_encoder")  # nothing is before them


class Work(NamedTuple):
    """FLOPs of one part."""

    forward: float
    step: float  # forward, and backward if the part is trained


def training_flops(
    config: Config, *, batch: int, frames: int, features: bool = False, held: Collection[str] = ()
) -> dict[str, Work]:
    """FLOPs of a training step on `batch` clips of `frames` motion frames, by part, named as in the
    parameter tree.

    `features`: the batch brings the speech encoder's features, so that the encoder does not run.
    `held`: the parts that `train.freeze_patterns` keep still as a whole; one that keeps some
    parameters counts as trained.
    """
    model = config.model
    parts = {} if features else _encoder(model.encoder, frames)
    parts["speech_paths"] = _trained(_speech_paths(model, frames))
    if model.transcript.enabled:
        parts["transcript_encoder"] = _trained(_transcript_encoder(model))
    if model.keyframes.enabled:
        parts |= {f"predictors_{track}": _trained(_predictor(model, frames)) for track in TRACKS}
    for name, dims in generator_dims(model).items():
        parts[f"generators_{name}"] = _trained(_generator(model, frames, dims=len(dims)))
    moving = {name for name, work in parts.items() if name not in held and work.step > work.forward}
    for name in parts.keys() & set(held):
        passes = _INPUTS_ONLY if moving & _before(name) else 1
        parts[name] = Work(parts[name].forward, passes * parts[name].forward)
    return {name: Work(batch * work.forward, batch * work.step) for name, work in parts.items()}


def training_step_flops(
    config: Config, *, batch: int, frames: int, features: bool = False, held: Collection[str] = ()
) -> float:
    """The sum of `training_flops` over all parts, forward and backward."""
    parts = training_flops(config, batch=batch, frames=frames, features=features, held=held)
    return sum(work.step for work in parts.values())


def _before(name: str) -> set[str]:
    """The parts whose parameters the inputs of a part depend on."""
    if name in _FIRST_PARTS:
        return set()
    return {"encoder"} if name == "speech_paths" else {*_FIRST_PARTS, "speech_paths"}


def _trained(forward: float) -> Work:
    return Work(forward, _BACKWARD_TOO * forward)


def _dense(rows: int, inputs: int, outputs: int) -> float:
    return 2.0 * rows * inputs * outputs


def _feed_forward(rows: int, width: int, *, ratio: int) -> float:
    # D -> r D -> D
    return 2 * _dense(rows, width, ratio * width)


def _attention(queries: int, memory: int, width: int) -> float:
    # query and output projections, key and value projections, scores Q Kᵀ and their product with V
    return (
        2 * _dense(queries, width, width)
        + 2 * _dense(memory, width, width)
        + 2 * _dense(queries, memory, width)
    )


def _encoder(config: EncoderConfig, frames: int) -> dict[str, Work]:
    """One clip through the speech encoder, in the step."""
    if config.kind == "mel":
        spectra, blocks = _mel_encoder(config, SPEECH_FRAMES_PER_MOTION_FRAME * frames)
        # Nothing before the first weight needs a gradient.
        return {"encoder": Work(spectra + blocks, spectra + _BACKWARD_TOO * blocks)}
    forward = _pretrained_encoder(config.architecture, SAMPLES_PER_MOTION_FRAME * frames)
    return {"encoder": _trained(forward) if config.finetune else Work(forward, forward)}


def _mel_encoder(config: EncoderConfig, rows: int) -> tuple[float, float]:
    """FLOPs before the first weight, and from there on."""
    # a real transform of n points costs half of a complex one, 5 n log₂ n / 2; then |X|² times the
    # filters
    spectra = rows * 2.5 * _FFT_POINTS * math.log2(_FFT_POINTS) + _dense(
        rows, _FFT_BINS, config.mel_bands
    )
    # depthwise convolution: one multiplication and one addition per tap and channel
    block = 2.0 * rows * config.kernel_size * config.width + _feed_forward(
        rows, config.width, ratio=2
    )
    return spectra, _dense(rows, config.mel_bands, config.width) + config.layers * block


def _pretrained_encoder(config: PretrainedEncoderConfig, samples: int) -> float:
    total, channels = 0.0, 1
    for features, kernel, stride in zip(
        config.conv_dims, config.conv_kernels, config.conv_strides, strict=True
    ):
        # one product of `kernel · channels` numbers per output frame and feature
        samples //= stride
        total += _dense(samples, kernel * channels, features)
        channels = features
    rows, width = samples, config.hidden_size
    total += _dense(rows, channels, width)
    # the grouped convolution that tells positions: each output hears width / groups channels
    total += _dense(rows, config.position_kernel * width // config.position_groups, width)
    layer = _attention(rows, rows, width) + 2 * _dense(rows, width, config.intermediate_size)
    return total + config.num_layers * layer


def _speech_paths(config: ModelConfig, frames: int) -> float:
    paths, width, rows = config.speech_paths, config.width, SPEECH_FRAMES_PER_MOTION_FRAME * frames
    encoder = config.encoder
    heard = encoder.architecture.hidden_size if encoder.kind == "pretrained" else encoder.width
    total = _dense(rows, heard, width)
    if not paths.refine:
        return total
    for _ in paths.dilations:
        # depthwise to 2 D channels, gate to D, pointwise
        total += 2.0 * rows * paths.kernel_size * 2 * width + _dense(rows, width, width)
    total += _dense(rows, len(paths.dilations) * width, width)  # fuse
    if paths.prosody:
        total += 2 * _dense(rows, 2, width)  # FiLM
    for window_s, stride in (
        (paths.coarse_window_s, paths.head_stride),
        (paths.fine_window_s, paths.head_stride),
        (paths.expression_window_s, paths.expression_stride),
    ):
        tokens = -(-rows // stride)
        pooling = tokens * round(window_s * SPEECH_RATE_HZ) * width  # additions only
        total += pooling + _dense(tokens, width, width) + _attention(tokens, rows, width)
        total += _feed_forward(tokens, width, ratio=config.ffn_ratio)
    total += _dense(-(-rows // paths.head_stride), 2 * width, width)  # coarse and fine together
    return total if paths.split else total + _dense(frames, 2 * width, width)


def _transcript_encoder(config: ModelConfig) -> float:
    tokens, width = config.transcript.max_tokens, config.width
    layer = _attention(tokens, tokens, width) + _feed_forward(tokens, width, ratio=config.ffn_ratio)
    return config.transcript.layers * layer


def _predictor(config: ModelConfig, frames: int) -> float:
    """Teacher forcing: all frames at once."""
    width = config.width
    layer = 2 * _attention(frames, frames, width) + _feed_forward(
        frames, width, ratio=config.ffn_ratio
    )
    if config.transcript.enabled:
        layer += _attention(frames, config.transcript.max_tokens, width)
    return _dense(frames, width, width) + config.keyframes.layers * layer + _dense(frames, width, 1)


def _generator(config: ModelConfig, frames: int, *, dims: int) -> float:
    """One denoiser evaluation, its memory included."""
    width, conditions = config.width, 2  # step and style, before keys and values
    near = conditions + 2 * config.generator.alignment_frames + 1
    layer = _attention(frames, frames + conditions, width) + _feed_forward(
        frames, width, ratio=config.ffn_ratio
    )
    # speech: all frames projected, each query with the few frames near it
    layer += 2 * _dense(frames, width, width) + 2 * _dense(frames + conditions, width, width)
    layer += 2 * _dense(frames, near, width)
    if config.transcript.enabled:
        layer += _attention(frames, config.transcript.max_tokens + conditions, width)
    tracks = 1 if config.generator.dual_path else 2
    fuse = _dense(frames, tracks * width, width) if tracks > 1 else 0.0
    step_embedding = _feed_forward(1, width, ratio=1)
    return fuse + step_embedding + 2 * _dense(frames, dims, width) + config.generator.layers * layer
