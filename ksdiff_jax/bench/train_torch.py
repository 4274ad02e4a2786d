"""KSDiff and its training loss in plain torch, eager: the reference of `ksdiff-jax bench train`.

The architecture is that of `models/ksdiff` with all its switches at their defaults and the log-mel
encoder, composed of the layers of torch_layers.py. Weights are copied from our parameters by name.

The keyframe targets and the log-mel filters are given, not computed here. This module is imported
only if torch is installed.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ksdiff_jax.audio.mel import (
    FFT_POINTS,
    MEL_RANGE_HZ,
    POWER_FLOOR,
    _hann_window,
    mel_filters,
)
from ksdiff_jax.bench.torch_layers import (
    TorchLayers,
    as_bias,
    distance_bias,
    sinusoid,
    token_times,
    upsample,
    window_pool,
)
from ksdiff_jax.config import Config
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.face.lip_gap import builtin_lip_gap
from ksdiff_jax.models.ksdiff.network import TRACKS, generator_dims
from ksdiff_jax.motion.space import STD_FLOOR, MotionSpace
from ksdiff_jax.speech.transcript import BEGIN, END


class Draws(NamedTuple):
    """All random numbers of one step, and the keyframe targets."""

    drop_all: torch.Tensor  # (b,)
    drop_transcript: torch.Tensor  # (b,)
    targets: dict[str, torch.Tensor]  # by track (b, t)
    shown: dict[str, torch.Tensor]  # by track (b, t)
    steps: dict[str, torch.Tensor]  # by generator (b,)
    noise: dict[str, torch.Tensor]  # by generator (b, t, c)


class Memory(NamedTuple):
    """A sequence that attention reads: its vectors, and which of them are valid."""

    vectors: torch.Tensor  # (b, t, d)
    mask: torch.Tensor  # (b, t)


class TorchKSDiff:
    """The model and its loss; its weights have the names of our parameters."""

    def __init__(self, params: dict[str, np.ndarray], config: Config, space: MotionSpace):
        self.config, self.model = config, config.model
        self.layers = TorchLayers(params, config.model)
        self.mean, self.std = (
            torch.tensor(np.asarray(part, np.float32)) for part in (space.mean, space.std)
        )
        self.std = self.std.clamp(min=STD_FLOOR)
        self.hann, self.filters = (
            torch.tensor(_hann_window()),
            torch.tensor(
                mel_filters(self.model.encoder.mel_bands, points=FFT_POINTS, range_hz=MEL_RANGE_HZ)
            ),
        )
        self.alpha_bars = torch.tensor(np.asarray(alpha_bars(self.model.diffusion)))

    def loss(self, batch: Batch, draws: Draws) -> torch.Tensor:
        """Return Eq. 7 summed over both paths; `batch` contains tensors."""
        speech, mask, weights = batch.speech, batch.speech.mask, self.config.loss
        frame_mask = mask.repeat_interleave(2, dim=1)
        encoded = self.encoder(speech.audio, frame_mask)
        features = self.speech_paths(encoded, speech.prosody, frame_mask)
        dropped = (draws.drop_all | draws.drop_transcript)[:, None]
        empty = torch.zeros_like(speech.tokens)
        empty[:, 0], empty[:, 1] = BEGIN, END
        tokens = torch.where(dropped, empty, speech.tokens)
        text_mask = torch.where(dropped, empty > 0, speech.token_mask)
        text = Memory(self.transcript(tokens, text_mask), text_mask)
        total = torch.zeros(())
        for track in TRACKS:
            target = draws.targets[track]
            spoken = Memory(features[track], mask)
            logits = self.predictor(f"predictors_{track}", target, spoken, text)
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
            generator = f"generators_{name}"
            shown = self.shown_speech(generator, features[name], draws.shown[name], draws.drop_all)
            prediction = self.generator(
                generator, noisy, draws.steps[name], Memory(shown, mask), text
            )
            total = total + self.path_loss(name, prediction, target, clean, mask)
        return total

    def path_loss(self, name, prediction, target, clean, mask):
        """Return the terms of Eq. 5-6 of one path, and the error of the lip gap."""
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
        """Return the output of log-mel and convolution blocks (speech/mel_encoder.py)."""
        layers = self.layers
        hop = len(self.hann) // 2
        frames = F.pad(audio, (hop // 2, hop // 2)).unfold(1, 2 * hop, hop) * self.hann
        spectrum = torch.fft.rfft(frames, n=FFT_POINTS)
        mel = ((spectrum.real**2 + spectrum.imag**2) @ self.filters.T).clamp(min=POWER_FLOOR).log()
        weight = mask[..., None].float()
        count = weight.sum(1, keepdim=True).clamp(min=1.0)
        mean = (mel * weight).sum(1, keepdim=True) / count
        variance = (((mel - mean) ** 2) * weight).sum(1, keepdim=True) / count
        x = layers.dense("encoder/project", (mel - mean) * weight / (variance + 1e-2).sqrt())
        for index in range(self.model.encoder.layers):
            local = layers.depthwise(f"encoder/convolution_{index}", x, mask, dilation=1)
            x = x + layers.feed_forward(
                f"encoder/mix_{index}", layers.norm(f"encoder/norm_{index}", local)
            )
        return x

    def speech_paths(self, encoded, prosody, mask):
        """Return the output of DPSE (models/ksdiff/speech_paths.py): features (b, t, d) by
        track.
        """
        layers = self.layers
        paths, name = self.model.speech_paths, "speech_paths"
        x = layers.dense(f"{name}/adapt", encoded)
        branches = []
        for dilation in paths.dilations:
            part = f"{name}/msdc/dilation_{dilation}"
            wide = layers.group_norm(
                f"{part}_norm", layers.depthwise(f"{part}_depthwise", x, mask, dilation), mask
            )
            branches.append(layers.dense(f"{part}_pointwise", F.glu(wide, dim=-1)))
        hidden = x + layers.dropout(layers.dense(f"{name}/msdc/fuse", torch.cat(branches, dim=-1)))
        scale, shift = (layers.dense(f"{name}/film_{kind}", prosody) for kind in ("scale", "shift"))
        modulated = (1 + scale) * hidden + shift
        slow, fast = paths.head_stride, paths.expression_stride
        coarse, valid = self.branch(
            f"{name}/coarse", hidden, hidden, mask, paths.coarse_window_s, slow
        )
        fine, _ = self.branch(f"{name}/fine", hidden, modulated, mask, paths.fine_window_s, slow)
        expression, _ = self.branch(
            f"{name}/expression", modulated, modulated, mask, paths.expression_window_s, fast
        )
        head = layers.dense(f"{name}/head", torch.cat([coarse, fine], dim=-1))
        head = upsample(
            head, valid, token_times(head.shape[1], slow), token_times(x.shape[1] // 2, 2)
        )
        return {
            "expression": layers.norm(f"{name}/norm_expression", expression),
            "head": layers.norm(f"{name}/norm_head", head),
        }

    def branch(self, name, source, memory, mask, window_s, stride):
        """Return the tokens of one scale of DPSE, and which of them are valid."""
        layers = self.layers
        pooled, token_mask = window_pool(source, mask, round(50 * window_s), stride)
        tokens = layers.dense(f"{name}/pooled", pooled)
        query_s, key_s = token_times(tokens.shape[1], stride), token_times(memory.shape[1], 1)
        visible = mask[:, None, None, :]
        if self.model.speech_paths.context_s > 0:
            visible = visible & (
                (query_s[:, None] - key_s[None]).abs() <= self.model.speech_paths.context_s
            )
        normed, query = (
            layers.norm(f"{name}/norm_memory", memory),
            layers.norm(f"{name}/norm_attention", tokens),
        )
        answer = layers.attention(
            f"{name}/attention", query, normed, bias=as_bias(visible), times=(query_s, key_s)
        )
        tokens = tokens + layers.dropout(answer)
        hidden = layers.feed_forward(
            f"{name}/feed_forward", layers.norm(f"{name}/norm_feed_forward", tokens)
        )
        return tokens + layers.dropout(hidden), token_mask

    def transcript(self, tokens, mask):
        """Return the output of models/ksdiff/transcript_encoder.py: (b, l, d)."""
        layers = self.layers
        name, bias = "transcript_encoder", as_bias(mask[:, None, None, :])
        x = layers.weights[f"{name}/embed/embedding"][tokens]
        x = x + sinusoid(torch.arange(tokens.shape[1]), self.model.width)
        for index in range(self.model.transcript.layers):
            normed = layers.norm(f"{name}/norm_attention_{index}", x)
            x = x + layers.dropout(
                layers.attention(f"{name}/attention_{index}", normed, normed, bias=bias)
            )
            normed = layers.norm(f"{name}/norm_feed_forward_{index}", x)
            x = x + layers.dropout(layers.feed_forward(f"{name}/feed_forward_{index}", normed))
        return layers.norm(f"{name}/norm_out", x)

    def predictor(self, name, target, speech: Memory, text: Memory):
        """Return the output of models/ksdiff/keyframe_predictor.py with teacher forcing: logits (b,
        t).
        """
        layers = self.layers
        previous = F.pad(target[:, :-1].long(), (1, 0), value=2)
        frame = torch.arange(previous.shape[1])
        behind, window = frame[:, None] - frame[None], self.model.keyframes.window_frames
        own = as_bias((behind >= 0) & (behind < window))
        near = (behind <= window // 2) & (behind > -(window - window // 2))
        near = as_bias(near[None, None] & speech.mask[:, None, None, :])
        read, times = as_bias(text.mask[:, None, None, :]), (frame / 25, frame / 25)
        x = layers.weights[f"{name}/bit/embedding"][previous] + layers.dense(
            f"{name}/speech", speech.vectors
        )
        for index in range(self.model.keyframes.layers):
            part = f"{name}/layers_{index}"
            normed = layers.norm(f"{part}/norm_self", x)
            x = x + layers.dropout(
                layers.attention(f"{part}/self_attention", normed, normed, bias=own, times=times)
            )
            normed = layers.norm(f"{part}/norm_speech", x)
            x = x + layers.dropout(
                layers.attention(
                    f"{part}/speech_attention", normed, speech.vectors, bias=near, times=times
                )
            )
            normed = layers.norm(f"{part}/norm_transcript", x)
            x = x + layers.dropout(
                layers.attention(f"{part}/transcript_attention", normed, text.vectors, bias=read)
            )
            x = x + layers.dropout(
                layers.feed_forward(
                    f"{part}/feed_forward", layers.norm(f"{part}/norm_feed_forward", x)
                )
            )
        return layers.dense(f"{name}/logit", layers.norm(f"{name}/norm_out", x))[..., 0]

    def shown_speech(self, name, features, shown, drop_speech):
        """Return speech features, or the null vector if the condition is dropped, plus the
        embedding of the shown keyframes (b, t, d).
        """
        weights = self.layers.weights
        speech = torch.where(drop_speech[:, None, None], weights[f"{name}/null_speech"], features)
        return speech + weights[f"{name}/keyframe_0/embedding"][shown]

    def generator(self, name, noisy, step, speech: Memory, text: Memory):
        """Return the output of models/ksdiff/motion_generator.py: the clean motion (b, t, c)."""
        layers = self.layers
        settings, frame = self.model.generator, torch.arange(noisy.shape[1])
        position = sinusoid(frame % settings.period_frames, self.model.width)
        spoken = speech.vectors + position
        stepped = layers.feed_forward(f"{name}/step_embedding", sinusoid(step, self.model.width))
        style = layers.weights[f"{name}/style"].expand_as(stepped)
        condition = torch.stack([stepped, style], dim=1)
        x = layers.dense(f"{name}/noisy", noisy) + position
        own = distance_bias(frame, self.model.heads, settings.bias_period_frames)
        own = F.pad(own, (2, 0)) + as_bias(F.pad(speech.mask, (2, 0), value=True))[:, None, None]
        near = (frame[:, None] - frame[None]).abs() <= settings.alignment_frames
        near = as_bias(F.pad(near[None, None] & speech.mask[:, None, None, :], (2, 0), value=True))
        read = as_bias(F.pad(text.mask, (2, 0), value=True))[:, None, None]
        for index in range(settings.layers):
            part = f"{name}/layers_{index}"
            normed = layers.norm(f"{part}/norm_self", x)
            answer = layers.attention(
                f"{part}/self_attention", normed, torch.cat([condition, normed], 1), bias=own
            )
            x = x + layers.dropout(answer)
            normed = layers.norm(f"{part}/norm_speech", x)
            answer = layers.attention(
                f"{part}/speech_attention", normed, torch.cat([condition, spoken], 1), bias=near
            )
            x = x + layers.dropout(answer)
            normed = layers.norm(f"{part}/norm_transcript", x)
            answer = layers.attention(
                f"{part}/transcript_attention",
                normed,
                torch.cat([condition, text.vectors], 1),
                bias=read,
            )
            x = x + layers.dropout(answer)
            x = x + layers.dropout(
                layers.feed_forward(
                    f"{part}/feed_forward", layers.norm(f"{part}/norm_feed_forward", x)
                )
            )
        return layers.dense(f"{name}/clean", layers.norm(f"{name}/norm_out", x))


def masked_mean(values, mask):
    """Return the mean over clips of the mean over a clip's valid frames."""
    frames = values.flatten(2).mean(dim=2) if values.ndim > 2 else values
    clips = torch.where(mask, frames, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return clips.mean()


def stft_magnitude(signal, window):
    """Return |STFT| with a Hann window and a hop of a quarter window: (b, n, c, f)."""
    frames = signal.unfold(1, window, window // 4)  # b n c w
    hann = 0.5 - 0.5 * torch.cos(2 * torch.pi * torch.arange(window) / window)
    spectrum = torch.fft.rfft(frames * hann, dim=-1)
    return (spectrum.real**2 + spectrum.imag**2 + 1e-12).sqrt()
