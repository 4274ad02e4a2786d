"""The network against Eq. 4-7 in plain NumPy (plain.py), in float64 and with random weights
everywhere, norms and biases included.

Two clips of different length go through the network together, padded; the plain form gets each
without its padding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models.disenttalk.config import ModelConfig, RegionsConfig
from ksdiff_jax.models.disenttalk.denoiser import Denoiser, implied_by
from ksdiff_jax.models.disenttalk.latent import latent_widths
from ksdiff_jax.models.disenttalk.network import Network
from ksdiff_jax.models.disenttalk.regions import region_numbers
from ksdiff_jax.models.disenttalk.system import DisentTalk
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.overrides import override
from ksdiff_jax.speech.utterance import silent_speech
from tests.models.disenttalk import plain
from tests.models.disenttalk.conftest import REGIONS, TINY
from tests.models.ksdiff.conftest import random_batch
from tests.run_once import jit_to_run_once

TOLERANCE = 1e-5  # relative, of the whole clip
STEPS = (3, 390)


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def random_params(shapes):
    """Weights of the spread that training starts from, norms and biases far from theirs."""
    draw = np.random.default_rng(1)

    def of(leaf):
        if leaf.ndim < 2:
            return draw.normal(size=leaf.shape) * 0.3 + (0.5 if leaf.ndim else 0)
        return draw.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1]))

    return jax.tree.map(of, shapes)


class Whole(Denoiser):
    """Both steps at once: project the memory, ask it."""

    def ask(self, noisy, step, heard, mask):
        memory = self.memory(heard, drop=jnp.zeros(len(noisy), bool))
        return self(noisy, step, memory, mask=mask)


def largest_error(config: ModelConfig, *, frames: int, shorter: int) -> float:
    regions, draw = region_numbers(config.regions, BUILTIN), np.random.default_rng(0)
    widths = latent_widths(config, regions)
    mask = np.arange(frames) < np.array([[frames], [shorter]])
    noisy = draw.normal(size=(2, frames, sum(widths.values())))
    heard = draw.normal(size=(2, frames, config.width))
    module = Whole(config, regions)
    arrays = [jnp.asarray(a, jnp.float32) for a in (noisy, heard)]
    inputs = arrays[0], jnp.array(STEPS), arrays[1], jnp.asarray(mask)
    shapes = jax.eval_shape(lambda k: module.init(k, *inputs, method="ask"), jax.random.key(0))
    params = random_params(shapes["params"])
    ask = jit_to_run_once(lambda p: module.apply({"params": p}, *inputs, method="ask"))
    with jax.default_matmul_precision("highest"):
        found = np.asarray(ask(jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), params)))
    errors = []
    for clip, length in enumerate((frames, shorter)):
        arrays = noisy[clip, :length], STEPS[clip], heard[clip, :length]
        expected = plain.predicted_noise(*arrays, params, config, widths)
        errors.append(relative_error(found[clip, :length], expected))
    return max(errors)


def test_the_denoiser_is_what_its_equations_give():
    config = override(TINY, {"model.width": "32", "model.heads": "4"}).model
    assert largest_error(config, frames=40, shorter=29) < TOLERANCE


@pytest.mark.slow
def test_the_denoiser_of_full_size_is_what_its_equations_give():
    config = ModelConfig(regions=RegionsConfig(eye=tuple(range(8)), lip=tuple(range(20, 33))))
    assert (config.width, config.blocks, config.heads) == (512, 6, 8)
    assert largest_error(config, frames=128, shorter=75) < TOLERANCE


@pytest.mark.parametrize("output", ["noise", "velocity", "motion"])
def test_the_network_returns_the_noise_that_its_last_layer_implies(output):
    clean, noise = np.random.default_rng(3).normal(size=(2, 2, 4, 5))
    level = np.array([0.01, 0.9])[:, None, None]
    noisy = np.sqrt(level) * clean + np.sqrt(1 - level) * noise
    velocity = np.sqrt(level) * noise - np.sqrt(1 - level) * clean
    value = {"noise": noise, "velocity": velocity, "motion": clean}[output]
    found = implied_by(*map(jnp.asarray, (noisy, value, level)), output=output)
    np.testing.assert_allclose(found, noise, rtol=1e-4, atol=1e-5)


def test_speech_has_one_token_per_motion_frame_of_both_its_features():
    network, batch = DisentTalk(TINY).network, random_batch(6)
    features = np.random.default_rng(2).normal(size=(2, 12, 16))
    speech = batch.speech._replace(features=jnp.asarray(features, jnp.float32))
    shapes = jax.eval_shape(lambda k: network.init(k, silent_speech()), jax.random.key(0))
    params = random_params({k: shapes["params"][k] for k in ("speech", "norm_speech")})
    as_float32 = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), params)
    found = network.apply({"params": as_float32}, speech, method=Network.encode_speech)
    for clip in range(2):
        expected = plain.speech(features[clip], params)
        assert relative_error(found[clip], expected) < TOLERANCE


def test_the_tests_regions_are_the_paper_s_three_in_its_order():
    regions = region_numbers(REGIONS, BUILTIN)
    assert list(regions) == ["eye", "lip", "global"]
