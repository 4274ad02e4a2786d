"""DisentTalk's denoiser in plain NumPy, float64, one clip without padding at a time: what the
network is compared with.

Written from Eq. 4-7 of the paper and the modules' docstrings, with a loop over every tap and every
query. `p` is the part of the parameter tree that belongs to the function's layer.
"""

import numpy as np

from ksdiff_jax.models.disenttalk.config import ModelConfig
from tests.models.ksdiff.plain import attention, dense, feed_forward, layer_norm, sinusoid

MOTION_HZ = 25


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def speech(features, p):
    """A: (f, d) features at 50 Hz to one token per motion frame."""
    pairs = np.stack([np.concatenate(features[i : i + 2]) for i in range(0, len(features), 2)])
    return layer_norm(dense(pairs, p["speech"]), p["norm_speech"])


def predicted_noise(noisy, step, heard, p, config: ModelConfig, regions):
    """ε_θ; `noisy` has the channels of eye, lip and global after each other, `regions` says how
    many of each.
    """
    stepped = feed_forward(sinusoid(step, config.width), p["step_embedding"])
    lifted, first = {}, 0
    for region, channels in regions.items():
        lifted[region] = dense(noisy[:, first : first + channels], p[f"lift_{region}"])
        first += channels
    x = sum(lifted.values())
    for n in range(config.blocks):
        block = p[f"blocks_{n}"]
        normed = layer_norm(x, block["norm_spatial"])
        x = x + spatial(normed, lifted, block["spatial"], config)
        if config.temporal_convolutions:
            x = x + temporal(layer_norm(x, block["norm_temporal"]), block["temporal"], config)
        x = x + local(layer_norm(x, block["norm_local"]), stepped, heard, block["local"], config)
    value = dense(layer_norm(x, p["norm_out"]), p["output"])
    level = alpha_bar(step, config)
    return {
        "noise": value,
        "velocity": np.sqrt(1 - level) * noisy + np.sqrt(level) * value,
        "motion": (noisy - np.sqrt(level) * value) / np.sqrt(1 - level),
    }[config.output]


def alpha_bar(step, config: ModelConfig):
    """Π (1 − β) up to the step; √β is linear."""
    product, diffusion = 1.0, config.diffusion
    first, last = np.sqrt(diffusion.beta_start), np.sqrt(diffusion.beta_end)
    for n in range(step + 1):
        product *= 1 - (first + (last - first) * n / (diffusion.steps - 1)) ** 2
    return product


def spatial(x, lifted, p, config: ModelConfig):
    """Eq. 4."""
    attended, both = [], (np.arange(len(x)) / MOTION_HZ,) * 2
    for region, own in lifted.items():
        part = dense(x, p[f"view_{region}"]) + own
        if config.region_attention:
            layer = p[f"attention_{region}"]
            part = attention(part, part, layer, heads=config.heads, times_s=both)
        attended.append(part)
    return dense(np.concatenate(attended, axis=-1), p["fuse"])


def temporal(x, p, config: ModelConfig):
    """Eq. 5."""
    scales, reach = [], config.temporal_kernel // 2
    for dilation in config.dilations:
        layer = p[f"dilation_{dilation}"]
        scale = np.tile(layer["bias"], (len(x), 1))
        for t in range(len(x)):
            for tap in range(-reach, reach + 1):
                if 0 <= t + dilation * tap < len(x):
                    scale[t] += x[t + dilation * tap] * layer["kernel"][tap + reach]
        scales.append(gelu(scale))
    return dense(np.concatenate(scales, axis=-1), p["pointwise"])


def local(x, stepped, heard, p, config: ModelConfig):
    """Eq. 6 and 7."""
    frame = np.arange(len(x))
    both = (frame / MOTION_HZ,) * 2
    parts = [
        attention(
            x,
            heard,
            p["speech_attention"],
            heads=config.heads,
            visible=frame[:, None] >= frame,
            times_s=both,
        )
    ]
    if config.local_convolution:
        parts.insert(0, gelu(convolution(x, p["convolution"]["taps"], config.local_kernel)))
    final = dense(np.concatenate(parts, axis=-1), p["out"])
    scale, shift = np.split(dense(gelu(stepped), p["film"]), 2)
    return (1 + scale) * final + shift


def convolution(x, p, taps):
    frames, width = x.shape
    kernel, result = p["kernel"].reshape(taps, width, -1), np.tile(p["bias"], (frames, 1))
    for t in range(frames):
        for tap in range(taps):
            if 0 <= t + tap - taps // 2 < frames:
                result[t] += x[t + tap - taps // 2] @ kernel[tap]
    return result
