"""KSDiff and its training step in plain torch, eager: what `ksdiff-jax bench train` compares with.

The same architecture as `models/ksdiff` with all its switches at their defaults and the log-mel
encoder, written as one would in torch: `F.linear`, `F.scaled_dot_product_attention`, `F.conv1d`,
`torch.optim.AdamW`. Weights are copied from our parameters by name; kernels are transposed once.
Where torch has a faster way to the same numbers it is taken: fused attention with a dense mask, and
`F.group_norm` where no frame is padding.

What is given and not computed here: the keyframe targets and the log-mel filters. This module is
imported only where torch is installed.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ksdiff_jax.audio.mel import FFT_POINTS, POWER_FLOOR, _hann_window, _mel_filters
from ksdiff_jax.config import Config
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.face.lip_gap import builtin_lip_gap
from ksdiff_jax.models.ksdiff.network import TRACKS, generator_dims
from ksdiff_jax.motion.space import STD_FLOOR, MotionSpace
from ksdiff_jax.speech.transcript import BEGIN, END

_MASKED = -1e9
_FASTEST_RAD_PER_S, _SLOWEST_RAD_PER_S = 50.0, 0.1


class Draws(NamedTuple):
    """Everything random in one step, and the keyframe targets."""

    drop_all: torch.Tensor  # (b,)
    drop_transcript: torch.Tensor  # (b,)
    targets: dict[str, torch.Tensor]  # by track (b, t)
    shown: dict[str, torch.Tensor]  # by track (b, t)
    steps: dict[str, torch.Tensor]  # by generator (b,)
    noise: dict[str, torch.Tensor]  # by generator (b, t, c)


class TorchKSDiff:
    """The model as a function of tensors that carry the names of our parameters."""

    def __init__(self, params: dict[str, np.ndarray], config: Config, space: MotionSpace):
        self.config, self.model = config, config.model
        self.weights = {
            name: torch.tensor(
                np.ascontiguousarray(_torch_layout(name, np.asarray(leaf))), requires_grad=True
            )
            for name, leaf in params.items()
        }
        self.mean, self.std = (
            torch.tensor(np.asarray(part, np.float32)) for part in (space.mean, space.std)
        )
        self.std = self.std.clamp(min=STD_FLOOR)
        self.hann, self.filters = (
            torch.tensor(_hann_window()),
            torch.tensor(_mel_filters(self.model.encoder.mel_bands)),
        )
        self.alpha_bars = torch.tensor(np.asarray(alpha_bars(self.model.diffusion)))

    def loss(self, batch: Batch, draws: Draws) -> torch.Tensor:
        """Eq. 7 over both paths; `batch` holds tensors."""
        speech, mask, weights = batch.speech, batch.speech.mask, self.config.loss
        frame_mask = mask.repeat_interleave(2, dim=1)
        heard = self.encoder(speech.audio, frame_mask)
        features = self.speech_paths(heard, speech.prosody, frame_mask)
        dropped = (draws.drop_all | draws.drop_transcript)[:, None]
        empty = torch.zeros_like(speech.tokens)
        empty[:, 0], empty[:, 1] = BEGIN, END
        tokens = torch.where(dropped, empty, speech.tokens)
        text_mask = torch.where(dropped, empty > 0, speech.token_mask)
        text = self.transcript(tokens, text_mask)
        total = torch.zeros(())
        for track in TRACKS:
            logits = self.predictor(
                f"predictors_{track}", draws.targets[track], features[track], text, mask, text_mask
            )
            target = draws.targets[track]
            positive = -self.model.keyframes.positive_weight * F.logsigmoid(logits)
            negative = -self.model.keyframes.negative_weight * F.logsigmoid(-logits)
            total = total + weights.keyframes * masked_mean(
                torch.where(target, positive, negative), mask
            )
        clean = (batch.motion - self.mean) / self.std
        for name, dims in generator_dims(self.model).items():
            bar = self.alpha_bars[draws.steps[name]][:, None, None]
            target = clean[..., list(dims)]
            noisy = bar.sqrt() * target + (1 - bar).sqrt() * draws.noise[name]
            prediction = self.generator(
                f"generators_{name}",
                noisy,
                draws.steps[name],
                features[name],
                draws.shown[name],
                text,
                (mask, text_mask, draws.drop_all),
            )
            total = total + self.path_loss(name, prediction, target, clean, mask)
        return total

    def path_loss(self, name, prediction, target, clean, mask):
        """The terms of Eq. 5-6, and the distance of the lips, of one path."""
        weights = self.config.loss
        pairs = mask[:, 1:] & mask[:, :-1]
        total = (
            weights.diffusion
            * weights.reconstruction
            * masked_mean((prediction - target) ** 2, mask)
        )
        velocity = masked_mean(torch.diff(prediction - target, dim=1) ** 2, pairs)
        total = total + weights.diffusion * weights.velocity * velocity
        for window in weights.spectral_windows:
            if window <= target.shape[1]:
                difference = stft_magnitude(prediction, window) - stft_magnitude(target, window)
                last = torch.arange(window - 1, target.shape[1], window // 4)
                total = total + weights.spectral * masked_mean(difference.abs(), mask[:, last])
        if weights.lip_gap and name != "head":
            gap, dims = builtin_lip_gap(), list(generator_dims(self.model)[name])
            predicted = clean.clone()
            predicted[..., dims] = prediction
            ours, true = (
                torch.asinh(
                    (gap.offset + (some * self.std + self.mean) @ torch.tensor(gap.directions))
                    / gap.closed
                )
                for some in (predicted, clean)
            )
            total = total + weights.lip_gap * masked_mean((ours - true) ** 2, mask)
        return total

    def encoder(self, audio, mask):
        """Log-mel and convolution blocks (speech/mel_encoder.py)."""
        hop = len(self.hann) // 2
        frames = F.pad(audio, (hop // 2, hop // 2)).unfold(1, 2 * hop, hop) * self.hann
        spectrum = torch.fft.rfft(frames, n=FFT_POINTS)
        mel = ((spectrum.real**2 + spectrum.imag**2) @ self.filters.T).clamp(min=POWER_FLOOR).log()
        weight = mask[..., None].float()
        count = weight.sum(1, keepdim=True).clamp(min=1.0)
        mean = (mel * weight).sum(1, keepdim=True) / count
        variance = (((mel - mean) ** 2) * weight).sum(1, keepdim=True) / count
        x = self.dense("encoder/project", (mel - mean) * weight / (variance + 1e-2).sqrt())
        for index in range(self.model.encoder.layers):
            local = self.depthwise(f"encoder/convolution_{index}", x, mask, dilation=1)
            x = x + self.feed_forward(
                f"encoder/mix_{index}", self.norm(f"encoder/norm_{index}", local)
            )
        return x

    def speech_paths(self, heard, prosody, mask):
        """DPSE (models/ksdiff/speech_paths.py)."""
        paths, name = self.model.speech_paths, "speech_paths"
        x = self.dense(f"{name}/adapt", heard)
        branches = []
        for dilation in paths.dilations:
            part = f"{name}/msdc/dilation_{dilation}"
            wide = self.group_norm(
                f"{part}_norm", self.depthwise(f"{part}_depthwise", x, mask, dilation), mask
            )
            branches.append(self.dense(f"{part}_pointwise", F.glu(wide, dim=-1)))
        hidden = x + self.dropout(self.dense(f"{name}/msdc/fuse", torch.cat(branches, dim=-1)))
        scale, shift = (self.dense(f"{name}/film_{kind}", prosody) for kind in ("scale", "shift"))
        modulated = (1 + scale) * hidden + shift
        slow, fast = paths.head_stride, paths.expression_stride
        coarse, valid = self.branch(
            f"{name}/coarse", hidden, hidden, mask, paths.coarse_window_s, slow
        )
        fine, _ = self.branch(f"{name}/fine", hidden, modulated, mask, paths.fine_window_s, slow)
        expression, _ = self.branch(
            f"{name}/expression", modulated, modulated, mask, paths.expression_window_s, fast
        )
        head = self.dense(f"{name}/head", torch.cat([coarse, fine], dim=-1))
        head = upsample(
            head, valid, token_times(head.shape[1], slow), token_times(x.shape[1] // 2, 2)
        )
        return {
            "expression": self.norm(f"{name}/norm_expression", expression),
            "head": self.norm(f"{name}/norm_head", head),
        }

    def branch(self, name, source, memory, mask, window_s, stride):
        """One scale of DPSE."""
        pooled, token_mask = window_pool(source, mask, round(50 * window_s), stride)
        tokens = self.dense(f"{name}/pooled", pooled)
        query_s, key_s = token_times(tokens.shape[1], stride), token_times(memory.shape[1], 1)
        visible = mask[:, None, None, :]
        if self.model.speech_paths.context_s > 0:
            visible = visible & (
                (query_s[:, None] - key_s[None]).abs() <= self.model.speech_paths.context_s
            )
        normed, query = (
            self.norm(f"{name}/norm_memory", memory),
            self.norm(f"{name}/norm_attention", tokens),
        )
        answer = self.attention(
            f"{name}/attention", query, normed, bias=as_bias(visible), times=(query_s, key_s)
        )
        tokens = tokens + self.dropout(answer)
        hidden = self.feed_forward(
            f"{name}/feed_forward", self.norm(f"{name}/norm_feed_forward", tokens)
        )
        return tokens + self.dropout(hidden), token_mask

    def transcript(self, tokens, mask):
        """models/ksdiff/transcript_encoder.py"""
        name, bias = "transcript_encoder", as_bias(mask[:, None, None, :])
        x = self.weights[f"{name}/embed/embedding"][tokens]
        x = x + sinusoid(torch.arange(tokens.shape[1]), self.model.width)
        for index in range(self.model.transcript.layers):
            normed = self.norm(f"{name}/norm_attention_{index}", x)
            x = x + self.dropout(
                self.attention(f"{name}/attention_{index}", normed, normed, bias=bias)
            )
            normed = self.norm(f"{name}/norm_feed_forward_{index}", x)
            x = x + self.dropout(self.feed_forward(f"{name}/feed_forward_{index}", normed))
        return self.norm(f"{name}/norm_out", x)

    def predictor(self, name, target, features, text, mask, text_mask):
        """models/ksdiff/keyframe_predictor.py, teacher forcing."""
        previous = F.pad(target[:, :-1].long(), (1, 0), value=2)
        frame = torch.arange(previous.shape[1])
        behind, window = frame[:, None] - frame[None], self.model.keyframes.window_frames
        own = as_bias((behind >= 0) & (behind < window))
        near = (behind <= window // 2) & (behind > -(window - window // 2))
        near = as_bias(near[None, None] & mask[:, None, None, :])
        read, times = as_bias(text_mask[:, None, None, :]), (frame / 25, frame / 25)
        x = self.weights[f"{name}/bit/embedding"][previous] + self.dense(f"{name}/speech", features)
        for index in range(self.model.keyframes.layers):
            part = f"{name}/layers_{index}"
            normed = self.norm(f"{part}/norm_self", x)
            x = x + self.dropout(
                self.attention(f"{part}/self_attention", normed, normed, bias=own, times=times)
            )
            normed = self.norm(f"{part}/norm_speech", x)
            x = x + self.dropout(
                self.attention(f"{part}/speech_attention", normed, features, bias=near, times=times)
            )
            normed = self.norm(f"{part}/norm_transcript", x)
            x = x + self.dropout(
                self.attention(f"{part}/transcript_attention", normed, text, bias=read)
            )
            x = x + self.dropout(
                self.feed_forward(f"{part}/feed_forward", self.norm(f"{part}/norm_feed_forward", x))
            )
        return self.dense(f"{name}/logit", self.norm(f"{name}/norm_out", x))[..., 0]

    def generator(self, name, noisy, step, features, shown, text, masks):
        """models/ksdiff/motion_generator.py"""
        mask, text_mask, drop_speech = masks
        settings, frame = self.model.generator, torch.arange(noisy.shape[1])
        position = sinusoid(frame % settings.period_frames, self.model.width)
        speech = torch.where(
            drop_speech[:, None, None], self.weights[f"{name}/null_speech"], features
        )
        speech = speech + self.weights[f"{name}/keyframe_0/embedding"][shown] + position
        stepped = self.feed_forward(f"{name}/step_embedding", sinusoid(step, self.model.width))
        style = self.weights[f"{name}/style"].expand_as(stepped)
        condition = torch.stack([stepped, style], dim=1)
        x = self.dense(f"{name}/noisy", noisy) + position
        own = distance_bias(frame, self.model.heads, settings.bias_period_frames)
        own = F.pad(own, (2, 0)) + as_bias(F.pad(mask, (2, 0), value=True))[:, None, None]
        near = (frame[:, None] - frame[None]).abs() <= settings.alignment_frames
        near = as_bias(F.pad(near[None, None] & mask[:, None, None, :], (2, 0), value=True))
        read = as_bias(F.pad(text_mask, (2, 0), value=True))[:, None, None]
        for index in range(settings.layers):
            part = f"{name}/layers_{index}"
            normed = self.norm(f"{part}/norm_self", x)
            answer = self.attention(
                f"{part}/self_attention", normed, torch.cat([condition, normed], 1), bias=own
            )
            x = x + self.dropout(answer)
            normed = self.norm(f"{part}/norm_speech", x)
            answer = self.attention(
                f"{part}/speech_attention", normed, torch.cat([condition, speech], 1), bias=near
            )
            x = x + self.dropout(answer)
            normed = self.norm(f"{part}/norm_transcript", x)
            answer = self.attention(
                f"{part}/transcript_attention", normed, torch.cat([condition, text], 1), bias=read
            )
            x = x + self.dropout(answer)
            x = x + self.dropout(
                self.feed_forward(f"{part}/feed_forward", self.norm(f"{part}/norm_feed_forward", x))
            )
        return self.dense(f"{name}/clean", self.norm(f"{name}/norm_out", x))

    def dense(self, name, x):
        return F.linear(x, self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"])

    def norm(self, name, x):
        return F.layer_norm(
            x, x.shape[-1:], self.weights[f"{name}/scale"], self.weights[f"{name}/bias"], eps=1e-6
        )

    def feed_forward(self, name, x):
        return self.dense(f"{name}/down", F.gelu(self.dense(f"{name}/up", x), approximate="tanh"))

    def dropout(self, x):
        return F.dropout(x, self.model.dropout) if self.model.dropout else x

    def attention(self, name, x, memory, *, bias, times=None):
        heads = self.model.heads

        def split(part, values):
            return self.dense(f"{name}/{part}", values).unflatten(-1, (heads, -1)).transpose(1, 2)

        query, key, value = split("query", x), split("key", memory), split("value", memory)
        if times is not None:
            query, key = rotary(query, times[0]), rotary(key, times[1])
        answer = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.dense(f"{name}/out", answer.transpose(1, 2).flatten(2))

    def depthwise(self, name, x, mask, dilation):
        """(b, f, d) -> (b, f, d · multiplier), the filters of all channels for the first multiple
        first.
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


def masked_mean(values, mask):
    """The mean over clips of the mean over a clip's valid frames."""
    frames = values.flatten(2).mean(dim=2) if values.ndim > 2 else values
    clips = torch.where(mask, frames, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return clips.mean()


def stft_magnitude(signal, window):
    frames = signal.unfold(1, window, window // 4)  # b n c w
    hann = 0.5 - 0.5 * torch.cos(2 * torch.pi * torch.arange(window) / window)
    spectrum = torch.fft.rfft(frames * hann, dim=-1)
    return (spectrum.real**2 + spectrum.imag**2 + 1e-12).sqrt()


def as_bias(visible):
    return torch.zeros(visible.shape).masked_fill_(~visible, _MASKED)


def sinusoid(position, width):
    frequency = torch.exp(-math.log(10_000.0) * torch.arange(width // 2) / (width // 2))
    angle = position[..., None].float() * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def rotary(x, time_s):
    half = x.shape[-1] // 2
    ratio = _SLOWEST_RAD_PER_S / _FASTEST_RAD_PER_S
    angle = time_s[:, None] * (
        _FASTEST_RAD_PER_S * ratio ** (torch.arange(half) / max(half - 1, 1))
    )
    cos, sin = angle.cos(), angle.sin()
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def distance_bias(frame, heads, period):
    offset = frame[:, None] - frame[None]
    steps = torch.where(offset >= 0, offset // period, (-offset - 1) // period)
    return -(2.0 ** (-8.0 * (torch.arange(heads) + 1) / heads))[:, None, None] * steps


def token_times(tokens, stride):
    return (torch.arange(tokens) * stride + (stride - 1) / 2) / 50


def window_pool(x, mask, window, stride):
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
    last = (mask.sum(1, keepdim=True) - 1).clamp(min=0).float()
    position = torch.minimum(
        ((at_s[None] - times_s[0]) / (times_s[1] - times_s[0])).clamp(min=0.0), last
    )
    below = position.floor().long()
    above = torch.minimum(below + 1, last.long())
    share, rows = (position - below)[..., None], torch.arange(len(x))[:, None]
    return x[rows, below] * (1 - share) + x[rows, above] * share


def _torch_layout(name: str, leaf: np.ndarray) -> np.ndarray:
    """Dense kernels as (outputs, inputs); depthwise ones as (outputs, 1, taps), the multiples of a
    channel together.
    """
    if not name.endswith("/kernel"):
        return leaf
    if "_depthwise/" in name:
        return leaf.reshape(len(leaf), 2, -1).transpose(2, 1, 0).reshape(-1, 1, len(leaf))
    if "/convolution_" in name:
        return leaf.T[:, None]
    return leaf.T
