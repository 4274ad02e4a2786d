"""Where dropout is: with everything dropped, every residual branch is gone and a part has a closed
form.

A stack of layers is then the identity, so a generator is linear(norm(linear(x) + position)), and so
on. A branch without dropout would still add something.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.models.ksdiff.keyframe_predictor import KeyframePredictor
from ksdiff_jax.models.ksdiff.motion_generator import MotionGenerator
from ksdiff_jax.models.ksdiff.speech_paths import MultiScaleDilatedConvolution, ScaleBranch
from ksdiff_jax.models.ksdiff.transcript_encoder import TranscriptEncoder
from tests.models.ksdiff import plain
from tests.models.ksdiff.test_equations import (
    BITS,
    CONFIG,
    FEATURES,
    FRAMES,
    TEXT,
    TOKENS,
    as_float32,
    random_params,
)
from tests.run_once import jit_to_run_once

# A rate of 1 is not allowed; at this one, a unit is kept with a probability of 1e-9.
DROPPED = dataclasses.replace(CONFIG, dropout=1 - 1e-9)
MASK, TEXT_MASK = jnp.ones((2, FRAMES), bool), jnp.ones((2, TOKENS), bool)
TRAINING = {"deterministic": False, "rngs": {"dropout": jax.random.key(0)}}
features, text = as_float32(FEATURES), as_float32(TEXT)


def trained(module, variables, *inputs, **options):
    """What the module returns in training."""
    return jit_to_run_once(
        lambda variables, inputs: module.apply(variables, *inputs, **TRAINING, **options)
    )(variables, inputs)


def drawn(module, *inputs, **options):
    params = random_params(module, *inputs, **options)
    return params, {"params": jax.tree.map(as_float32, params)}


def test_the_transcript_encoder_keeps_its_embedding_alone():
    module, tokens = TranscriptEncoder(DROPPED), jnp.arange(2 * TOKENS).reshape(2, TOKENS)
    params, variables = drawn(module, tokens, TEXT_MASK, deterministic=True)
    embedded = params["embed"]["embedding"][np.asarray(tokens)] + plain.sinusoid(
        np.arange(TOKENS), DROPPED.width
    )
    found = trained(module, variables, tokens, TEXT_MASK)
    np.testing.assert_allclose(found, plain.layer_norm(embedded, params["norm_out"]), atol=1e-4)


def test_the_dilated_convolutions_are_the_identity():
    module = MultiScaleDilatedConvolution(DROPPED)
    _, variables = drawn(module, features, MASK, deterministic=True)
    np.testing.assert_array_equal(trained(module, variables, features, MASK), features)


def test_a_scale_of_speech_keeps_its_pooled_tokens_alone():
    module = ScaleBranch(DROPPED, window_s=0.02, stride=1)  # windows of one frame
    params, variables = drawn(module, features, features, MASK, deterministic=True)
    found, _ = trained(module, variables, features, features, MASK)
    np.testing.assert_allclose(found, plain.dense(FEATURES, params["pooled"]), atol=1e-5)


def test_the_layers_of_the_keyframe_predictor_are_the_identity():
    class Whole(KeyframePredictor):
        def ask(self, previous, deterministic):
            memory, masks = self.memory(features, text), {"mask": MASK, "text_mask": TEXT_MASK}
            return self(previous, features, memory, **masks, deterministic=deterministic)

    module = Whole(DROPPED)
    params, variables = drawn(module, jnp.asarray(BITS, jnp.int32), True, method="ask")
    found = trained(module, variables, jnp.asarray(BITS, jnp.int32), method="ask")
    x = params["bit"]["embedding"][BITS] + plain.dense(FEATURES, params["speech"])
    expected = plain.dense(plain.layer_norm(x, params["norm_out"]), params["logit"])[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_layers_of_the_generator_are_the_identity():
    class Whole(MotionGenerator):
        def ask(self, noisy, bits, deterministic):
            memory = self.memory((features,), (bits,), text, drop_speech=jnp.zeros(2, bool))
            step, masks = jnp.zeros(2, jnp.int32), {"mask": MASK, "text_mask": TEXT_MASK}
            return self(noisy, step, memory, **masks, deterministic=deterministic)

    module, noisy = Whole(DROPPED, dims=DROPPED.width), features
    params, variables = drawn(module, noisy, jnp.asarray(BITS, jnp.int32), True, method="ask")
    found = trained(module, variables, noisy, jnp.asarray(BITS, jnp.int32), method="ask")
    position = plain.sinusoid(np.arange(FRAMES) % DROPPED.generator.period_frames, DROPPED.width)
    x = plain.dense(FEATURES, params["noisy"]) + position
    reach = DROPPED.keyframes.reach_frames
    codes = [[plain.keyframe_code(row, at, reach) for at in range(FRAMES)] for row in BITS]
    x = x + params["keyframe_motion_0"]["embedding"][np.array(codes)]
    np.testing.assert_allclose(
        found, plain.dense(plain.layer_norm(x, params["norm_out"]), params["clean"]), atol=1e-4
    )
