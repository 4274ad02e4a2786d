"""The layers of the torch reference (train_torch.py): weights by the names of our parameters, and
functions without weights.

The functions are torch's own: `F.linear`, `F.scaled_dot_product_attention`, `F.conv1d`. If torch
has a faster way to compute the same numbers, it is used: fused attention with a dense mask, and
`F.group_norm` if no frame is padding. Shapes are those of ksdiff_jax/layers, channels last. This
module is imported only if torch is installed.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from ksdiff_jax.models.ksdiff.config import ModelConfig

_MASKED = -1e9
_FASTEST_RAD_PER_S, _SLOWEST_RAD_PER_S = 50.0, 0.1


class TorchLayers:
    """Layers as functions of a parameter's name and an input (b, t, d)."""

    def __init__(self, params: dict[str, np.ndarray], model: ModelConfig):
        self.model = model
        self.weights = {
            name: torch.tensor(
                np.ascontiguousarray(torch_layout(name, np.asarray(leaf))), requires_grad=True
            )
            for name, leaf in params.items()
        }

    def dense(self, name, x):
        """Return x W + b."""
        return F.linear(x, self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"])

    def norm(self, name, x):
        """Return the layer norm of x."""
        return F.layer_norm(
            x, x.shape[-1:], self.weights[f"{name}/scale"], self.weights[f"{name}/bias"], eps=1e-6
        )

    def feed_forward(self, name, x):
        """Return two dense layers of x with GELU between them."""
        return self.dense(f"{name}/down", F.gelu(self.dense(f"{name}/up", x), approximate="tanh"))

    def dropout(self, x):
        """Return x with dropout at the model's rate."""
        return F.dropout(x, self.model.dropout) if self.model.dropout else x

    def attention(self, name, x, memory, *, bias, times=None):
        """Return multi-head attention. `bias` (b or 1, heads or 1, q, k) is added to the logits;
        `times`, those of queries and of keys in seconds, rotate both.
        """
        heads = self.model.heads

        def split(part, values):
            return self.dense(f"{name}/{part}", values).unflatten(-1, (heads, -1)).transpose(1, 2)

        query, key, value = split("query", x), split("key", memory), split("value", memory)
        if times is not None:
            query, key = rotary(query, times[0]), rotary(key, times[1])
        answer = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.dense(f"{name}/out", answer.transpose(1, 2).flatten(2))

    def depthwise(self, name, x, mask, dilation):
        """Return the depthwise convolution (b, f, d) -> (b, f, d · multiplier); all channels of the
        first multiple come first.
        """
        kernel = self.weights[f"{name}/kernel"]  # (d · multiplier, 1, taps), grouped by channel
        channels, reach = x.shape[-1], dilation * (kernel.shape[-1] - 1)
        padded = F.pad(
            torch.where(mask[..., None], x, 0.0).transpose(1, 2), (reach // 2, reach - reach // 2)
        )
        wide = F.conv1d(padded, kernel, dilation=dilation, groups=channels)
        wide = wide.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1, 2).transpose(1, 2)
        return wide + self.weights[f"{name}/bias"]

    def group_norm(self, name, x, mask):
        """Return the group norm over the valid frames of a clip."""
        scale, bias, groups = (
            self.weights[f"{name}/scale"],
            self.weights[f"{name}/bias"],
            self.model.speech_paths.groups,
        )
        if bool(mask.all()):
            return F.group_norm(x.transpose(1, 2), groups, scale, bias, eps=1e-5).transpose(1, 2)
        grouped, valid = x.unflatten(-1, (groups, -1)), mask[:, :, None, None]
        count = mask.sum(1)[:, None, None, None] * grouped.shape[-1]
        mean = torch.where(valid, grouped, 0.0).sum((1, 3), keepdim=True) / count
        variance = torch.where(valid, (grouped - mean) ** 2, 0.0).sum((1, 3), keepdim=True) / count
        return ((grouped - mean) * torch.rsqrt(variance + 1e-5)).flatten(2) * scale + bias


def as_bias(visible):
    """Return 0 where attention is allowed, a large negative number elsewhere."""
    return torch.zeros(visible.shape).masked_fill_(~visible, _MASKED)


def sinusoid(position, width):
    """Return sines, then cosines, of a position: (..., width)."""
    frequency = torch.exp(-math.log(10_000.0) * torch.arange(width // 2) / (width // 2))
    angle = position[..., None].float() * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def rotary(x, time_s):
    """Rotate pairs of features by an angle in proportion to the time."""
    half = x.shape[-1] // 2
    ratio = _SLOWEST_RAD_PER_S / _FASTEST_RAD_PER_S
    angle = time_s[:, None] * (
        _FASTEST_RAD_PER_S * ratio ** (torch.arange(half) / max(half - 1, 1))
    )
    cos, sin = angle.cos(), angle.sin()
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def distance_bias(frame, heads, period):
    """Return ALiBi with a step of one period: (heads, t, t)."""
    offset = frame[:, None] - frame[None]
    steps = torch.where(offset >= 0, offset // period, (-offset - 1) // period)
    return -(2.0 ** (-8.0 * (torch.arange(heads) + 1) / heads))[:, None, None] * steps


def token_times(tokens, stride):
    """Return the midpoints in seconds of tokens of `stride` speech frames each."""
    return (torch.arange(tokens) * stride + (stride - 1) / 2) / 50


def window_pool(x, mask, window, stride):
    """Return the means of valid frames in windows, one every `stride` frames, and which strides
    contain any valid frame.
    """
    frames = x.shape[1]
    tokens, left = -(-frames // stride), (window - stride) // 2
    right = (tokens - 1) * stride + window - left - frames

    def summed(values, size, before, after):
        return (
            F.avg_pool1d(F.pad(values.transpose(1, 2), (before, after)), size, stride).transpose(
                1, 2
            )
            * size
        )

    weight = mask[..., None].float()
    total = summed(torch.where(mask[..., None], x, 0.0), window, left, right)
    cell = summed(weight, stride, 0, tokens * stride - frames)
    return total / summed(weight, window, left, right).clamp(min=1), cell[..., 0] > 0


def upsample(x, mask, times_s, at_s):
    """Return the linear interpolation of tokens at other times, constant beyond the last valid
    one.
    """
    last = (mask.sum(1, keepdim=True) - 1).clamp(min=0).float()
    position = torch.minimum(
        ((at_s[None] - times_s[0]) / (times_s[1] - times_s[0])).clamp(min=0.0), last
    )
    below = position.floor().long()
    above = torch.minimum(below + 1, last.long())
    share, rows = (position - below)[..., None], torch.arange(len(x))[:, None]
    return x[rows, below] * (1 - share) + x[rows, above] * share


def torch_layout(name: str, leaf: np.ndarray) -> np.ndarray:
    """Return dense kernels as (outputs, inputs), and depthwise ones as (outputs, 1, taps), with the
    multiples of a channel together.
    """
    if not name.endswith("/kernel"):
        return leaf
    if "_depthwise/" in name:
        return leaf.reshape(len(leaf), 2, -1).transpose(2, 1, 0).reshape(-1, 1, len(leaf))
    if "/convolution_" in name:
        return leaf.T[:, None]
    return leaf.T
