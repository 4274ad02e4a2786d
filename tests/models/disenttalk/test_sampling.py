"""Sampling from end to end against a plain loop in NumPy that knows the network as a black box.

Guidance, ε to Z_0, DDIM, lip temperature, regions back to places, denormalisation, the head at
rest: all are written out here. The loop takes from the package the noise of each frame and, of the
network, ε of a Z_n.
"""

import functools
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models.disenttalk import sampling
from ksdiff_jax.models.disenttalk.network import Network
from ksdiff_jax.models.disenttalk.system import DisentTalk
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS
from ksdiff_jax.overrides import override
from ksdiff_jax.rng import frame_noise, streams
from tests.models.disenttalk.conftest import TINY
from tests.models.ksdiff.conftest import lively, padded, random_batch
from tests.run_once import jit_to_run_once

FRAMES, STEPS, GUIDANCE, TEMPERATURE = 8, 3, 2.5, 0.25
CONFIG = override(
    TINY,
    {
        "model.diffusion.steps": "40",
        "model.diffusion.beta_start": "0.01",
        "model.diffusion.beta_end": "0.2",
        "sample.steps": str(STEPS),
        "sample.guidance": str(GUIDANCE),
        "sample.lip_temperature": str(TEMPERATURE),
    },
)
DRAW = np.random.default_rng(4)
MEAN, STD = DRAW.normal(size=MOTION_DIMS), DRAW.uniform(0.5, 2.0, size=MOTION_DIMS)
SYSTEM = DisentTalk(CONFIG, BUILTIN.with_statistics(MEAN, STD))
EYE, LIP = (5, 0, 1), (50, 22, 20, 31)  # of the tests' regions
CHANNELS = 53
KEYS = jax.random.split(jax.random.key(1), 2)
FIRST = jnp.array([0, 30])


@functools.cache
def params():
    return lively(jit_to_run_once(SYSTEM.init)(jax.random.key(0)))


@functools.cache
def _sampler():
    return jit_to_run_once(SYSTEM.sample)


def sample(speech, keys=KEYS, first=FIRST):
    return _sampler()(params(), speech, keys, first).motion


def plain_sample(speech):
    network, variables = SYSTEM.network, {"params": params()}

    @jit_to_run_once
    def memories(speech):
        heard = network.apply(variables, speech, method=Network.encode_speech)
        drops = [jnp.full(2, drop) for drop in (False, True)]
        return [network.apply(variables, heard, drop=d, method=Network.memory) for d in drops]

    @jit_to_run_once
    def noise_of(noisy, step, memory):
        inputs = (noisy, step, memory)
        return network.apply(variables, *inputs, mask=speech.mask, method=Network.denoise)

    memory = memories(speech)
    level = np.cumprod(1 - np.linspace(0.01**0.5, 0.2**0.5, 40) ** 2)
    x = np.array(frame_noise(streams(KEYS, "noise"), FIRST, FRAMES, (CHANNELS,)), float)
    x[..., 3:7] *= TEMPERATURE
    visited = [39, 26, 12]
    for here, following in zip(visited, [*level[visited[1:]], 1.0], strict=True):
        step = jnp.full(2, here, jnp.int32)
        heard, unheard = (
            np.asarray(noise_of(jnp.asarray(x, jnp.float32), step, m), float) for m in memory
        )
        noise = GUIDANCE * heard + (1 - GUIDANCE) * unheard
        clean = (x - np.sqrt(1 - level[here]) * noise) / np.sqrt(level[here])
        x = np.sqrt(following) * clean + np.sqrt(1 - following) * noise
    order = [*EYE, *LIP, *(n for n in range(CHANNELS) if n not in EYE + LIP)]
    motion = np.tile(MEAN, (2, FRAMES, 1))
    for channel, number in enumerate(order):
        place = number if number < 50 else number + 3  # the jaw comes after the rotation
        motion[..., place] += x[..., channel] * STD[place]
    return motion


def test_a_sample_is_what_a_plain_loop_over_the_denoiser_gives():
    speech = random_batch(FRAMES).speech
    found, expected = sample(speech), plain_sample(speech)
    np.testing.assert_allclose(found, expected, atol=2e-3, rtol=2e-4)
    still = [*range(50, 53), *range(56, MOTION_DIMS)]
    np.testing.assert_allclose(found[..., still], np.tile(MEAN[still], (2, FRAMES, 1)), rtol=1e-6)


def test_neither_padding_nor_other_clips_change_a_valid_frame_of_a_sample():
    batch = random_batch(FRAMES)
    found = sample(batch.speech)
    longer = sample(padded(batch, 5).speech)
    np.testing.assert_allclose(longer[:, :FRAMES], found, atol=2e-4)
    assert not np.any(longer[:, FRAMES:])
    other = jax.tree.map(lambda array: jnp.stack([array[0], array[0]]), batch.speech)
    np.testing.assert_allclose(sample(other)[0], found[0], atol=1e-5)


def test_windows_that_share_a_frame_start_it_from_the_same_noise():
    speech = random_batch(20).speech

    def identity(network, params, speech, *, guidance):
        return lambda noisy, step: noisy  # DDIM of it is linear, frame by frame

    def of(frames, first):
        window = speech._replace(mask=speech.mask[:, :frames])
        return jit_to_run_once(SYSTEM.sample)({}, window, KEYS, jnp.full(2, first)).motion

    with mock.patch.object(sampling, "guided_denoiser", identity):
        whole, window = of(20, 0), of(13, 7)
    np.testing.assert_allclose(window, whole[:, 7:], rtol=1e-5)
    assert np.std(window) > 0.1


@pytest.mark.parametrize(("disentangle", "scaled"), [(True, (3, 4, 5, 6)), (False, range(53))])
def test_the_lip_temperature_scales_the_noise_of_the_lips_or_of_all(disentangle, scaled):
    config = override(CONFIG, {"model.regions.disentangle": disentangle})
    system = DisentTalk(config)
    scale = sampling.noise_scale(config.model, system.regions, lip_temperature=0.25)
    expected = np.ones(CHANNELS)
    expected[list(scaled)] = 0.25
    np.testing.assert_array_equal(scale, expected)
