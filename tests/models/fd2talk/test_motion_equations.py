"""The transformer of §3.2 against plain NumPy in float64, and the reach of Eq. 4.

Two clips of different length go through the network together, padded; the plain form gets each
without its padding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models.fd2talk.motion.config import ModelConfig
from ksdiff_jax.models.fd2talk.motion.transformer import MotionTransformer
from ksdiff_jax.overrides import override
from tests.models.disenttalk.test_equations import random_params, relative_error
from tests.models.fd2talk.conftest import TINY
from tests.models.ksdiff.plain import attention, dense, feed_forward, layer_norm, sinusoid
from tests.run_once import jit_to_run_once

TOLERANCE = 1e-5  # relative, of the whole clip
STEPS, CHANNELS = (3, 970), 5


def plain_clean(noisy, step, heard, p, config: ModelConfig):
    """x̂₀ of one clip, with a loop over every query."""
    stepped = feed_forward(sinusoid(step, config.width), p["step_embedding"])
    condition = dense(
        np.array([np.concatenate([stepped, frame]) for frame in heard]), p["condition"]
    )
    frame = np.arange(len(noisy))
    both, options = (frame / 25,) * 2, {"heads": config.heads}
    near = None
    if config.alignment:
        near = np.array([[i - 3 <= j <= i + 3 for j in frame] for i in frame])
    x = dense(noisy, p["input"])
    for n in range(config.layers):
        q = p[f"layers_{n}"]
        normed = layer_norm(x, q["norm_self"])
        x = x + attention(normed, normed, q["self_attention"], times_s=both, **options)
        normed = layer_norm(x, q["norm_cross"])
        cross = q["cross_attention"]
        x = x + attention(normed, condition, cross, visible=near, times_s=both, **options)
        x = x + feed_forward(layer_norm(x, q["norm_ffn"]), q["ffn"])
    return dense(layer_norm(x, p["norm_out"]), p["output"])


def largest_error(config: ModelConfig, *, frames: int, shorter: int) -> float:
    draw, module = np.random.default_rng(0), MotionTransformer(config, CHANNELS)
    mask = jnp.arange(frames) < jnp.array([[frames], [shorter]])
    noisy = draw.normal(size=(2, frames, CHANNELS))
    heard = draw.normal(size=(2, frames, config.width))
    arrays = [jnp.asarray(a, jnp.float32) for a in (noisy, heard)]
    inputs = arrays[0], jnp.array(STEPS), arrays[1]
    shapes = jax.eval_shape(lambda k: module.init(k, *inputs, mask=mask), jax.random.key(0))
    params = random_params(shapes["params"])
    ask = jit_to_run_once(lambda p: module.apply({"params": p}, *inputs, mask=mask))
    with jax.default_matmul_precision("highest"):
        found = np.asarray(ask(jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), params)))
    errors = []
    for clip, length in enumerate((frames, shorter)):
        arrays = noisy[clip, :length], STEPS[clip], heard[clip, :length]
        expected = plain_clean(*arrays, params, config)
        errors.append(relative_error(found[clip, :length], expected))
    return max(errors)


@pytest.mark.parametrize("alignment", [True, False])
def test_the_transformer_is_what_its_equations_give(alignment):
    changes = {"model.width": "32", "model.layers": "2", "model.alignment": alignment}
    assert largest_error(override(TINY, changes).model, frames=20, shorter=13) < TOLERANCE


@pytest.mark.slow
def test_the_transformer_of_full_size_is_what_its_equations_give():
    config = ModelConfig()
    assert (config.width, config.layers, config.reach_frames) == (512, 6, 3)
    assert largest_error(config, frames=64, shorter=41) < TOLERANCE


def test_a_frame_of_speech_moves_the_frames_within_its_reach_and_no_others():
    module, draw, changed = MotionTransformer(TINY.model, CHANNELS), np.random.default_rng(0), 9
    noisy = jnp.asarray(draw.normal(size=(1, 20, CHANNELS)), jnp.float32)
    heard = jnp.asarray(draw.normal(size=(1, 20, TINY.model.width)), jnp.float32)
    inputs = noisy, jnp.array([5]), heard
    mask = jnp.ones((1, 20), bool)
    shapes = jax.eval_shape(lambda k: module.init(k, *inputs, mask=mask), jax.random.key(0))
    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), random_params(shapes["params"]))
    ask = jit_to_run_once(
        lambda speech: module.apply({"params": params}, noisy, jnp.array([5]), speech, mask=mask)
    )
    moved = np.abs(ask(heard.at[:, changed].add(1.0)) - ask(heard))[0].max(axis=-1) > 1e-6
    np.testing.assert_array_equal(np.flatnonzero(moved), np.arange(changed - 3, changed + 4))
