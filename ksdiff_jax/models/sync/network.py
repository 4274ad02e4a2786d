"""The two encoders of windows, and the cosine between their outputs (DisentTalk Eq. 10).

    a_i = f_a(A_i .. A_{i+24}),   m_i = f_m(E_i .. E_{i+24}),   i = 0 .. w − 1,   w = t − 24
    cos(i, j) = a_i · m_j / (|a_i| |m_j|)

A are the speech features, two of 20 ms concatenated for each motion frame. E are the numbers of the
mouth, each with mean 0 and standard deviation 1 over the clip (R), so that the size of a speaker's
mouth movements and the scale and offset of a tracker have no effect. Convolutions over time without
padding compute the vectors of all windows of a clip at once. A vector depends on the 25 frames of
its window, as normalised over the clip. The speech encoder has its own receptive field (0.18 s on
either side for the built-in one) and also normalises over the whole clip.

The form `linear` (R) has one linear map W and no encoder of motion. With F the mean of the two
features of a motion frame, concatenated with those of `context_frames` neighbours on either side
(beyond the ends: the first and the last frame),

    a_i = p_i .. p_{i+24} − their mean,   p = W F        m_i = E_i .. E_{i+24} − their mean

so that cos(i, i) is the correlation of the mouth with the one that the speech suggests, over all
numbers of the mouth and frames of the window. W may be trained by the loss, or fitted by ridge
regression (asset_builders/sync_expert.py).

A window is valid if all its frames are. A clip of fewer frames than a window has no valid window.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.layers.dense import Dense, JoinedDense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.limits import need
from ksdiff_jax.models.sync.config import ModelConfig
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.speech.encoder import build_encoder
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Bool, Float

_SMALLEST_NORM = 1e-6
# Added to the deviation over a clip, in units of that over the training split: a number that hardly
# moves in a clip is not blown up.
_STILL = 0.3


def mouth_numbers(config: ModelConfig, space: MotionSpace) -> tuple[int, ...]:
    """Return the indices of the numbers of a motion frame that the model reads; raise `InputError`
    if `model.mouth` contains indices that the space does not have.
    """
    if config.mouth:
        what = f"numbers below {space.width}, the width of the {space.name} space"
        need(max(config.mouth) < space.width, config, "model.mouth", what)
        return config.mouth
    numbers = range(space.width)
    return (*numbers[space.slice("expression")], *numbers[space.slice("jaw")])


def mouth_of(
    motion: Float[Array, "b t m"],
    mask: Bool[Array, "b t"],
    *,
    config: ModelConfig,
    space: MotionSpace,
) -> Float[Array, "b t c"]:
    """Return the numbers of the mouth from raw coefficients, normalised over the valid frames of
    each clip; 0 beyond them.
    """
    mouth = space.normalise(motion)[..., jnp.array(mouth_numbers(config, space))]
    valid = mask[..., None]
    count = jnp.maximum(mask.sum(axis=1), 1)[:, None, None]
    mean = jnp.where(valid, mouth, 0.0).sum(axis=1, keepdims=True) / count
    centred = jnp.where(valid, mouth - mean, 0.0)
    variance = jnp.square(centred).sum(axis=1, keepdims=True) / count
    return centred * jax.lax.rsqrt(variance + _STILL**2)


def valid_windows(mask: Bool[Array, "b t"], *, window: int) -> Bool[Array, "b w"]:
    """Return whether all frames of each window are valid; the valid frames of a clip are its first
    ones.
    """
    return mask[:, window - 1 :]


def cosines(speech: Float[Array, "*n e"], motion: Float[Array, "*n e"]) -> Float[Array, "*n"]:
    """Return the cosine of each pair of vectors, in float32; 0 if one of them is 0."""
    speech, motion = speech.astype(jnp.float32), motion.astype(jnp.float32)
    return jnp.sum(_unit(speech) * _unit(motion), axis=-1)


def _unit(vectors: Float[Array, "*n e"]) -> Float[Array, "*n e"]:
    squares = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return vectors * jax.lax.rsqrt(jnp.maximum(squares, _SMALLEST_NORM**2))


class WindowEncoder(nn.Module):
    """A vector for each window of `window_frames` frames: dense, residual convolutions, dense."""

    config: ModelConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b w e"]:
        config, dtype = self.config, self.execution.dtype
        x = Dense(config.width, dtype=dtype, name="project")(x.astype(dtype))
        reach = config.kernel_frames - 1
        for index in range(config.layers):
            local = LayerNorm(dtype=dtype, name=f"norm_{index}")(x)
            local = JoinedDense(config.width, dtype=dtype, name=f"convolution_{index}")(
                *_shifted(local, config.kernel_frames)
            )
            first = reach // 2
            x = x[:, first : first + local.shape[1]] + nn.gelu(local)
        x = LayerNorm(dtype=dtype, name="norm_out")(x)
        left = config.window_frames - config.layers * reach
        return JoinedDense(config.embedding, dtype=dtype, name="embed")(*_shifted(x, left))


def _shifted(x: Float[Array, "b t d"], count: int) -> list[Float[Array, "b n d"]]:
    """Return frames i, i + 1, .. i + count − 1 of every i: the inputs of a convolution without
    padding.
    """
    frames = x.shape[1] - count + 1
    return [x[:, first : first + frames] for first in range(count)]


class SuggestedMouth(nn.Module):
    """The windows of the mouth that speech suggests, without their means: a linear map of the
    features of each motion frame and its neighbours.
    """

    config: ModelConfig
    numbers: int  # of the mouth

    @nn.compact
    def __call__(
        self, features: Float[Array, "b t 2 d"], mask: Bool[Array, "b t"]
    ) -> Float[Array, "b w e"]:
        rows = features.astype(jnp.float32).mean(axis=2)
        reach, frames = self.config.context_frames, jnp.arange(rows.shape[1])
        last = jnp.maximum(mask.sum(axis=1), 1)[:, None] - 1
        around = [
            jnp.take_along_axis(rows, jnp.clip(frames + k, 0, last)[..., None], axis=1)
            for k in range(-reach, reach + 1)
        ]
        suggested = nn.Dense(self.numbers, use_bias=False, name="map")(jnp.concatenate(around, -1))
        return movements(suggested, window=self.config.window_frames)


def movements(x: Float[Array, "b t c"], *, window: int) -> Float[Array, "b w e"]:
    """Return the frames of every window, minus their mean over the window."""
    frames = jnp.stack(_shifted(x, window), axis=2)  # (b, w, window, c)
    return (frames - frames.mean(axis=2, keepdims=True)).reshape(*frames.shape[:2], -1)


class Network(nn.Module):
    """The parameters of the model and the computations that use them: the speech encoder and both
    window encoders.
    """

    config: ModelConfig
    execution: Execution = Execution()
    numbers: int = 0  # of the mouth, for the form `linear`

    def setup(self) -> None:
        self.encoder = build_encoder(self.config.encoder, self.execution)
        self.suggested_mouth = SuggestedMouth(self.config, self.numbers)
        self.speech_norm = LayerNorm(dtype=self.execution.dtype)
        self.speech_windows = WindowEncoder(self.config, self.execution)
        self.motion_windows = WindowEncoder(self.config, self.execution)

    def embed_speech(self, speech: Speech) -> Float[Array, "b w e"]:
        """Return the vectors a of all windows. Cached features are used only with a pretrained
        encoder; the features of the built-in encoder are computed here.
        """
        frame_mask = jnp.repeat(speech.mask, SPEECH_FRAMES_PER_MOTION_FRAME, axis=1)
        if self.config.encoder.kind == "pretrained" and speech.features is not None:
            features = speech.features.astype(jnp.float32)
        else:
            features = self.encoder(speech.audio, frame_mask)
        if self.config.form == "linear":
            pairs = features.reshape(*speech.mask.shape, SPEECH_FRAMES_PER_MOTION_FRAME, -1)
            return self.suggested_mouth(pairs, speech.mask)
        features = self.speech_norm(features)
        return self.speech_windows(features.reshape(*speech.mask.shape, -1))  # two concatenated

    def embed_motion(self, mouth: Float[Array, "b t c"]) -> Float[Array, "b w e"]:
        """Return the vectors m of all windows, from the numbers of the mouth (`mouth_of`)."""
        if self.config.form == "linear":
            return movements(mouth.astype(jnp.float32), window=self.config.window_frames)
        return self.motion_windows(mouth)

    def __call__(self, speech: Speech, mouth: Float[Array, "b t c"]) -> None:
        """Use every parameter once; for initialisation only."""
        self.embed_speech(speech)
        self.embed_motion(mouth)
