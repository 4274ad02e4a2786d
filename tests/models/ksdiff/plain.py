"""KSDiff in plain NumPy, float64, one clip without padding at a time: what the network is compared
with.

Written from the equations of the paper and of the modules' docstrings, with a loop over every
query. `p` is the part of the parameter tree that belongs to the function's layer.
"""

import numpy as np

from ksdiff_jax.models.ksdiff.config import ModelConfig

MOTION_HZ, SPEECH_HZ = 25, 50


def dense(x, p):
    return x @ p["kernel"] + p["bias"]


def layer_norm(x, p):
    centred = x - x.mean(axis=-1, keepdims=True)
    return (
        centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) * p["scale"] + p["bias"]
    )


def feed_forward(x, p):
    x = dense(x, p["up"])
    gelu = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return dense(gelu, p["down"])


def sinusoid(position, width):
    angle = np.asarray(position, float)[..., None] / 10_000 ** (
        np.arange(width // 2) / (width // 2)
    )
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)


def attention(x, memory, p, *, heads, visible=None, bias=None, times_s=None):
    """`visible` (q, k); `bias` (h, q, k); `times_s` = (of queries, of keys) switches rotary
    positions on.
    """
    q, k, v = (
        dense(tokens, p[name]).reshape(len(tokens), heads, -1)
        for name, tokens in (("query", x), ("key", memory), ("value", memory))
    )
    if times_s is not None:
        q, k = (_turned(tokens, time_s) for tokens, time_s in zip((q, k), times_s, strict=True))
    answer = np.zeros_like(q)
    for h in range(heads):
        for i in range(len(x)):
            score = k[:, h] @ q[i, h] / np.sqrt(q.shape[-1])
            score = score if bias is None else score + bias[h, i]
            seen = np.ones(len(memory), bool) if visible is None else visible[i]
            weight = np.exp(score - score[seen].max()) * seen
            answer[i, h] = weight / weight.sum() @ v[:, h]
    return dense(answer.reshape(len(x), -1), p["out"])


def _turned(x, time_s):
    """Channel pairs (c, c + d / 2) as complex numbers, turned at 50 to 0.1 radians a second."""
    half = x.shape[-1] // 2
    speed = 50.0 * (0.1 / 50.0) ** (np.arange(half) / max(half - 1, 1))
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * np.multiply.outer(time_s, speed))[
        :, None
    ]
    return np.concatenate([turned.real, turned.imag], axis=-1)


def speech_paths(features, prosody, p, config: ModelConfig):
    """DPSE: (f_e, f_h), each (t, D)."""
    paths, frames = config.speech_paths, len(features)
    plain = _dilated_convolutions(dense(features, p["adapt"]), p["msdc"], config)
    modulated = (1 + dense(prosody, p["film_scale"])) * plain + dense(prosody, p["film_shift"])
    at_head = {"heads": config.heads, "stride": paths.head_stride}
    at_expression = {"heads": config.heads, "stride": paths.expression_stride}
    coarse, slow_s = _scale(plain, plain, p["coarse"], window_s=paths.coarse_window_s, **at_head)
    fine, _ = _scale(plain, modulated, p["fine"], window_s=paths.fine_window_s, **at_head)
    expression, _ = _scale(
        modulated, modulated, p["expression"], window_s=paths.expression_window_s, **at_expression
    )
    slow = dense(np.concatenate([coarse, fine], axis=-1), p["head"])
    at_s = _middles_s(frames // 2, 2)
    head = np.stack([np.interp(at_s, slow_s, channel) for channel in slow.T], axis=-1)
    return layer_norm(expression, p["norm_expression"]), layer_norm(head, p["norm_head"])


def _dilated_convolutions(x, p, config: ModelConfig):
    paths, (frames, width), branches = config.speech_paths, x.shape, []
    for dilation in paths.dilations:
        layer = p[f"dilation_{dilation}_depthwise"]
        wide = np.tile(layer["bias"], (frames, 1))
        for t in range(frames):
            for tap in range(paths.kernel_size):
                source = t + dilation * (tap - paths.kernel_size // 2)
                if 0 <= source < frames:
                    wide[t] += np.tile(x[source], 2) * layer["kernel"][tap]
        grouped = wide.reshape(frames, paths.groups, -1)
        normal = (grouped - grouped.mean(axis=(0, 2), keepdims=True)) / np.sqrt(
            grouped.var(axis=(0, 2), keepdims=True) + 1e-5
        )
        norm = p[f"dilation_{dilation}_norm"]
        wide = normal.reshape(wide.shape) * norm["scale"] + norm["bias"]
        gated = wide[:, :width] / (1 + np.exp(-wide[:, width:]))
        branches.append(dense(gated, p[f"dilation_{dilation}_pointwise"]))
    return x + dense(np.concatenate(branches, axis=-1), p["fuse"])


def _scale(source, memory, p, *, heads, window_s, stride):
    """One scale of speech and the times of its tokens: pool, ask the memory, feed forward."""
    frames, window = len(source), round(window_s * SPEECH_HZ)
    starts = [n * stride - (window - stride) // 2 for n in range(-(-frames // stride))]
    pooled = np.stack([source[max(0, start) : start + window].mean(axis=0) for start in starts])
    times_s = _middles_s(len(starts), stride), _middles_s(frames, 1)
    x = dense(pooled, p["pooled"])
    memory = layer_norm(memory, p["norm_memory"])
    x = x + attention(
        layer_norm(x, p["norm_attention"]),
        memory,
        p["attention"],
        heads=heads,
        times_s=times_s,
    )
    return x + feed_forward(layer_norm(x, p["norm_feed_forward"]), p["feed_forward"]), times_s[0]


def _middles_s(cells, stride):
    return (np.arange(cells) * stride + (stride - 1) / 2) / SPEECH_HZ


def transcript(tokens, p, config: ModelConfig):
    x = p["embed"]["embedding"][tokens] + sinusoid(np.arange(len(tokens)), config.width)
    for n in range(config.transcript.layers):
        normed = layer_norm(x, p[f"norm_attention_{n}"])
        x = x + attention(normed, normed, p[f"attention_{n}"], heads=config.heads)
        x = x + feed_forward(layer_norm(x, p[f"norm_feed_forward_{n}"]), p[f"feed_forward_{n}"])
    return layer_norm(x, p["norm_out"])


def keyframe_logits(bits, features, text, p, config: ModelConfig):
    """Logits of KEL where frame t sees the bits before t: a begin symbol (2) stands before the
    first.
    """
    window, frame = config.keyframes.window_frames, np.arange(len(features))
    behind, both = frame[:, None] - frame, (frame / MOTION_HZ,) * 2
    own = (behind >= 0) & (behind < window)
    near = (behind <= window // 2) & (-behind < window - window // 2)
    x = p["bit"]["embedding"][np.append(2, bits[:-1])] + dense(features, p["speech"])
    for n in range(config.keyframes.layers):
        layer = p[f"layers_{n}"]
        normed = layer_norm(x, layer["norm_self"])
        x = x + attention(
            normed, normed, layer["self_attention"], heads=config.heads, visible=own, times_s=both
        )
        normed = layer_norm(x, layer["norm_speech"])
        x = x + attention(
            normed,
            features,
            layer["speech_attention"],
            heads=config.heads,
            visible=near,
            times_s=both,
        )
        normed = layer_norm(x, layer["norm_transcript"])
        x = x + attention(normed, text, layer["transcript_attention"], heads=config.heads)
        x = x + feed_forward(layer_norm(x, layer["norm_feed_forward"]), layer["feed_forward"])
    return dense(layer_norm(x, p["norm_out"]), p["logit"])[:, 0]


def keyframe_code(bits, at, reach):
    """The code of the keyframe nearest to a frame, the earlier of two: 1 here, 1 + 2 d if it is d
    frames ahead, 2 + 2 d if it is d frames behind, 0 beyond the reach; 2 if they are hidden.
    """
    if bits[at] == 2:
        return 2
    near = sorted((abs(at - k), k) for k in np.flatnonzero(bits == 1) if abs(at - k) <= reach)
    if not near:
        return 0
    distance, keyframe = near[0]
    return 1 + 2 * distance + (distance > 0 and keyframe < at)


def denoised(noisy, step, bits, features, text, p, config: ModelConfig):
    """x̂₀ of one path's generator."""
    settings, heads, frame = config.generator, config.heads, np.arange(len(noisy))
    offset, period = frame[:, None] - frame, settings.bias_period_frames
    distance = np.where(offset >= 0, offset // period, (-offset - 1) // period)
    slopes = 2.0 ** (-8.0 * (np.arange(heads) + 1) / heads)
    bias = np.pad(-slopes[:, None, None] * distance, ((0, 0), (0, 0), (2, 0)))
    aligned = np.pad(
        np.abs(offset) <= settings.alignment_frames, ((0, 0), (2, 0)), constant_values=True
    )

    condition = np.stack(
        [feed_forward(sinusoid(step, config.width), p["step_embedding"]), p["style"]]
    )
    position = sinusoid(frame % settings.period_frames, config.width)
    codes = [keyframe_code(bits, at, config.keyframes.reach_frames) for at in frame]
    speech = features + p["keyframe_0"]["embedding"][codes] + position
    x = dense(noisy, p["noisy"]) + position
    if config.keyframes.at_motion:
        x = x + p["keyframe_motion_0"]["embedding"][codes]
    for n in range(settings.layers):
        layer, before = p[f"layers_{n}"], lambda memory: np.concatenate([condition, memory])
        normed = layer_norm(x, layer["norm_self"])
        x = x + attention(normed, before(normed), layer["self_attention"], heads=heads, bias=bias)
        normed = layer_norm(x, layer["norm_speech"])
        x = x + attention(
            normed, before(speech), layer["speech_attention"], heads=heads, visible=aligned
        )
        normed = layer_norm(x, layer["norm_transcript"])
        x = x + attention(normed, before(text), layer["transcript_attention"], heads=heads)
        x = x + feed_forward(layer_norm(x, layer["norm_feed_forward"]), layer["feed_forward"])
    return dense(layer_norm(x, p["norm_out"]), p["clean"])
