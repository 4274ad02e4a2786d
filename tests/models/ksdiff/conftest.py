"""A KSDiff small enough for tests, and random speech for it."""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.models.ksdiff.config import (
    Config,
    GeneratorConfig,
    KeyframeConfig,
    LossConfig,
    ModelConfig,
    SpeechPathsConfig,
    TranscriptConfig,
)
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.speech.config import EncoderConfig
from ksdiff_jax.speech.transcript import encode
from ksdiff_jax.speech.utterance import Speech

TINY = Config(
    model=ModelConfig(
        width=16,
        heads=2,
        ffn_ratio=2,
        encoder=EncoderConfig(mel_bands=20, width=16, layers=1),
        transcript=TranscriptConfig(layers=1, max_tokens=24),
        keyframes=KeyframeConfig(layers=2, window_frames=12),
        speech_paths=SpeechPathsConfig(dilations=(1, 4)),
        generator=GeneratorConfig(layers=1),
    ),
    loss=LossConfig(spectral_windows=(8,), lip_gap=0.5),
)


def random_batch(frames: int, *, batch: int = 2, seed: int = 0, text: str = "hello there") -> Batch:
    """Noise as sound, a smooth random walk as motion."""
    random = np.random.default_rng(seed)
    tokens, token_mask = encode(text, max_tokens=TINY.model.transcript.max_tokens)
    motion = np.cumsum(random.normal(size=(batch, frames, MOTION_DIMS)), axis=1) * 0.1
    speech = Speech(
        audio=jnp.asarray(
            random.normal(size=(batch, SAMPLES_PER_MOTION_FRAME * frames)) * 0.1, jnp.float32
        ),
        prosody=jnp.asarray(random.normal(size=(batch, 2 * frames, 2)), jnp.float32),
        mask=jnp.ones((batch, frames), bool),
        tokens=jnp.asarray(np.tile(tokens, (batch, 1))),
        token_mask=jnp.asarray(np.tile(token_mask, (batch, 1))),
    )
    return Batch(speech=speech, motion=jnp.asarray(motion, jnp.float32))


def total_loss(system, params, batch: Batch, *, seed: int = 0, **options):
    """The mean over clips of the sum of their terms, with a key of its own for each clip."""
    keys = jax.random.split(jax.random.key(seed), len(batch.motion))
    return sum(system.loss(params, batch, keys, **options).values()).mean()


def padded(batch: Batch, frames: int) -> Batch:
    """The batch with `frames` invalid frames after it: zeros in the speech as the seam demands,
    junk in the motion.
    """
    speech = batch.speech

    def pad(x, amount, value=0):
        widths = ((0, 0), (0, amount)) + ((0, 0),) * (x.ndim - 2)
        return jnp.asarray(np.pad(x, widths, constant_values=value))

    return Batch(
        speech=speech._replace(
            audio=pad(speech.audio, SAMPLES_PER_MOTION_FRAME * frames),
            prosody=pad(speech.prosody, 2 * frames),
            mask=pad(speech.mask, frames, False),
        ),
        motion=pad(batch.motion, frames, 7.0),
    )


def lively(params, seed: int = 5):
    """Parameters with the zero-initialised ones made random, so that every path carries signal."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    moved = [x + 0.05 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, moved)


def drawn(system, seed: int = 5):
    """Random parameters of a system, of about the size of initial ones, none of them zero. The
    program of `init`, which takes seconds to compile, is not needed for their shapes.
    """
    draw = np.random.default_rng(seed)

    def leaf(path, shape):
        noise = draw.normal(size=shape.shape).astype(np.float32)
        if len(shape.shape) > 1:
            return noise / np.float32(np.sqrt(np.prod(shape.shape[:-1])))
        return 0.05 * noise + ("scale" in jax.tree_util.keystr(path[-1:]))

    shapes = jax.eval_shape(system.init, jax.random.key(0))
    return jax.tree.map(jnp.asarray, jax.tree_util.tree_map_with_path(leaf, shapes))
