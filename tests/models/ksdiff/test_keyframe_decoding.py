"""All decoders of the keyframes find the bits of the one that decodes frame after frame."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.keyframe_decoding import decode_keyframes
from ksdiff_jax.models.ksdiff.keyframe_predictor import shifted_bits
from ksdiff_jax.models.ksdiff.network import Encoded, Network
from ksdiff_jax.models.ksdiff.speech_paths import PathFeatures
from ksdiff_jax.overrides import override
from tests.models.ksdiff.conftest import TINY, drawn
from tests.run_once import jit_to_run_once

FRAMES, TEXT, WIDTH, TRACK = 44, 5, 8, "head"  # not a multiple of the predictor's 12 frames
CONFIG = override(TINY, {"model.width": "8", "model.speech_paths.dilations": "1"})


@functools.cache
def decoder_of_a_tiny_system():
    """Its next bit depends on those before it."""
    network, params = build_system(CONFIG).network, drawn(build_system(CONFIG), seed=3)
    own = params[f"predictors_{TRACK}"]
    own["bit"]["embedding"] *= 2
    own["logit"]["bias"] -= 0.5

    @functools.partial(jit_to_run_once, static_argnames="decoder")
    def decode(encoded, threshold, *, decoder):
        return decode_keyframes(network, params, TRACK, encoded, threshold, decoder=decoder)

    @jit_to_run_once
    def taught(encoded, bits):
        given = {"deterministic": True, "method": Network.keyframe_logits}
        inputs = (TRACK, shifted_bits(bits), encoded)
        return jax.nn.sigmoid(network.apply({"params": params}, *inputs, **given)) * encoded.mask

    return decode, taught


def clips(count: int, *, causal: bool = False):
    """Random speech of several lengths, and thresholds that differ from frame to frame."""
    draw = np.random.default_rng(2)
    lengths = draw.integers(20, FRAMES + 1, size=count)
    features = draw.normal(size=(2, count, FRAMES, WIDTH)).astype(np.float32)
    encoded = Encoded(
        PathFeatures(**dict(zip(("expression", "head"), jnp.asarray(features), strict=True))),
        text=jnp.asarray(draw.normal(size=(count, TEXT, WIDTH)), jnp.float32),
        text_mask=jnp.ones((count, TEXT), bool),
        mask=jnp.asarray(np.arange(FRAMES) < lengths[:, None]),
        causal=jnp.full(count, True) if causal else None,
    )
    return encoded, jnp.asarray(draw.uniform(size=(count, FRAMES)), jnp.float32)


def same_bits(encoded, threshold, decoder: str):
    """The passes of a decoder whose bits and probabilities are those of the sequential one, and
    those of the pass of training that is given these bits.
    """
    decode, taught = decoder_of_a_tiny_system()
    one_by_one = decode(encoded, threshold, decoder="sequential")
    found = decode(encoded, threshold, decoder=decoder)
    assert 0.1 < one_by_one.bits.sum() / encoded.mask.sum() < 0.9
    np.testing.assert_array_equal(found.bits, one_by_one.bits)
    np.testing.assert_allclose(found.probabilities, one_by_one.probabilities, atol=1e-5)
    assert one_by_one.passes == FRAMES
    probabilities = taught(encoded, one_by_one.bits)
    np.testing.assert_allclose(one_by_one.probabilities, probabilities, atol=1e-5)
    np.testing.assert_array_equal(one_by_one.bits, (probabilities > threshold) & encoded.mask)
    return int(found.passes)


@pytest.mark.parametrize("decoder", ["jacobi", "block_jacobi"])
def test_a_parallel_decoder_finds_the_bits_of_the_sequential_one(decoder):
    passes, blocks = same_bits(*clips(8), decoder), {"jacobi": 1, "block_jacobi": 3}[decoder]
    assert 2 * blocks < passes <= FRAMES  # the bits found before are not the first guess


@pytest.mark.slow
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("decoder", ["jacobi", "block_jacobi"])
def test_a_hundred_clips_have_the_same_bits_with_every_decoder(decoder, causal):
    same_bits(*clips(100, causal=causal), decoder)
