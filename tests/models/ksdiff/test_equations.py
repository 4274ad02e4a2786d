"""Every part of the network against its equations in plain NumPy (plain.py), with random weights
everywhere.

Two clips of different length go through the network together, padded; the plain forms get each
without its padding.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.models.ksdiff.keyframe_predictor import KeyframePredictor, shifted_bits
from ksdiff_jax.models.ksdiff.motion_generator import MotionGenerator
from ksdiff_jax.models.ksdiff.speech_paths import SpeechPaths
from ksdiff_jax.models.ksdiff.transcript_encoder import TranscriptEncoder
from ksdiff_jax.overrides import override
from tests.models.ksdiff import plain
from tests.models.ksdiff.conftest import TINY
from tests.run_once import jit_to_run_once

CONFIG = override(
    TINY,
    {
        "model.width": "8",
        "model.keyframes.window_frames": "6",
        "model.keyframes.reach_frames": "2",
        "model.keyframes.at_motion": "true",
        "model.generator.bias_period_frames": "3",
        "model.generator.period_frames": "5",
        "model.generator.alignment_frames": "1",
        "model.speech_paths.groups": "4",
    },
).model
FRAMES, SHORTER = 12, 9
TOKENS, FEWER = 7, 4
MASK = np.arange(FRAMES) < np.array([[FRAMES], [SHORTER]])
TEXT_MASK = np.arange(TOKENS) < np.array([[TOKENS], [FEWER]])
DRAW = np.random.default_rng(0)
FEATURES, TEXT = (
    DRAW.normal(size=(2, FRAMES, CONFIG.width)),
    DRAW.normal(size=(2, TOKENS, CONFIG.width)),
)
BITS = DRAW.integers(0, 2, size=(2, FRAMES))


def random_params(module, *inputs, **options):
    """Parameters of the module's shapes, drawn without running it."""
    shapes = jax.eval_shape(lambda key: module.init(key, *inputs, **options), jax.random.key(0))[
        "params"
    ]
    draw = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: draw.normal(size=leaf.shape) * 0.5, shapes)


def found(module, params, *inputs, **options):
    """What the module returns, in float32 as a user has it."""
    apply = jit_to_run_once(
        lambda params, inputs: module.apply({"params": params}, *inputs, **options)
    )
    return apply(*jax.tree.map(as_float32, (params, inputs)))


def as_float32(array):
    array = np.asarray(array)
    return jnp.asarray(array, jnp.float32 if array.dtype == np.float64 else None)


def lengths():
    return zip(range(2), MASK.sum(axis=1), TEXT_MASK.sum(axis=1), strict=True)


def test_both_paths_of_speech_are_what_their_equations_give():
    module, mask = SpeechPaths(CONFIG), jnp.repeat(jnp.asarray(MASK), 2, axis=1)
    heard, prosody = DRAW.normal(size=(2, 2 * FRAMES, 5)), DRAW.normal(size=(2, 2 * FRAMES, 2))
    inputs = (jnp.asarray(heard, jnp.float32), jnp.asarray(prosody, jnp.float32), mask)
    params = random_params(module, *inputs, deterministic=True)
    features = found(module, params, heard, prosody, mask, deterministic=True)
    for clip, frames, _ in lengths():
        expected = plain.speech_paths(
            heard[clip, : 2 * frames], prosody[clip, : 2 * frames], params, CONFIG
        )
        np.testing.assert_allclose(features.expression[clip, :frames], expected[0], atol=2e-4)
        np.testing.assert_allclose(features.head[clip, :frames], expected[1], atol=2e-4)


def test_the_transcript_encoder_is_what_its_equations_give():
    module, tokens = (
        TranscriptEncoder(CONFIG),
        DRAW.integers(0, 200, size=(2, TOKENS)).astype(np.int32),
    )
    params = random_params(module, jnp.asarray(tokens), jnp.asarray(TEXT_MASK), deterministic=True)
    text = found(module, params, tokens, TEXT_MASK, deterministic=True)
    for clip, _, length in lengths():
        expected = plain.transcript(tokens[clip, :length], params, CONFIG)
        np.testing.assert_allclose(text[clip, :length], expected, atol=1e-4)


def test_the_keyframe_predictor_is_what_its_equations_give():
    class Whole(KeyframePredictor):
        """Both steps at once: project the memory, ask it."""

        def ask(self, previous, features, text, mask, text_mask):
            memory = self.memory(features, text)
            return self(
                previous, features, memory, mask=mask, text_mask=text_mask, deterministic=True
            )

    module, previous = Whole(CONFIG), shifted_bits(jnp.asarray(BITS > 0))
    inputs = (
        previous,
        *map(as_float32, (FEATURES, TEXT)),
        jnp.asarray(MASK),
        jnp.asarray(TEXT_MASK),
    )
    params = random_params(module, *inputs, method="ask")
    logits = found(module, params, *inputs, method="ask")
    for clip, frames, length in lengths():
        clipped = BITS[clip, :frames], FEATURES[clip, :frames], TEXT[clip, :length]
        np.testing.assert_allclose(
            logits[clip, :frames],
            plain.keyframe_logits(*clipped, params, CONFIG),
            atol=1e-3,
            rtol=1e-4,
        )


def test_the_generator_is_what_its_equations_give():
    class Whole(MotionGenerator):
        def ask(self, noisy, step, bits, features, text, mask, text_mask):
            memory = self.memory((features,), (bits,), text, drop_speech=jnp.zeros(2, bool))
            return self(noisy, step, memory, mask=mask, text_mask=text_mask, deterministic=True)

    module, noisy, steps = Whole(CONFIG, dims=3), DRAW.normal(size=(2, FRAMES, 3)), (0, 700)
    step = jnp.asarray(steps, jnp.int32)
    bits = np.where(MASK & (np.arange(FRAMES) % 4 == [[0], [2]]), 1, 0)
    inputs = (
        as_float32(noisy),
        step,
        jnp.asarray(bits, jnp.int32),
        *map(as_float32, (FEATURES, TEXT)),
    )
    inputs = (*inputs, jnp.asarray(MASK), jnp.asarray(TEXT_MASK))
    params = random_params(module, *inputs, method="ask")
    clean = found(module, params, *inputs, method="ask")
    for clip, frames, length in lengths():
        clipped = (
            noisy[clip, :frames],
            steps[clip],
            bits[clip, :frames],
            FEATURES[clip, :frames],
            TEXT[clip, :length],
        )
        np.testing.assert_allclose(
            clean[clip, :frames], plain.denoised(*clipped, params, CONFIG), atol=1e-3, rtol=1e-4
        )
