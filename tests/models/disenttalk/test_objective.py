"""The objective of Eq. 3, 8 and 10 with a stand-in for the network: what it is given, and what is
made of its answers.

`Network.apply` is replaced by a function that stores its arguments and returns fixed numbers. Every
term is then a function of known arrays, computed here once more in plain NumPy.
"""

import functools
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models.disenttalk.config import Config
from ksdiff_jax.models.disenttalk.network import Network
from ksdiff_jax.models.disenttalk.system import DisentTalk
from ksdiff_jax.models.disenttalk.training import error_weight, training_terms
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS
from ksdiff_jax.overrides import override
from tests.models.disenttalk.conftest import TINY
from tests.models.ksdiff.conftest import random_batch
from tests.run_once import jit_to_run_once

CONFIG = override(
    TINY,
    {
        "loss.noise": "0.7",
        "loss.error_of": "motion",
        "loss.sync": "0.3",
        "loss.autoencoder": "0.2",
        "model.latent": "autoencoder",
        "model.diffusion.condition_drop_probability": "0.2",
    },
)
CLIPS, FRAMES, CHANNELS, NUMBERS = 400, 8, 56, 53
E = (*range(50), 53, 54, 55)  # expression and jaw of a frame
DRAW = np.random.default_rng(0)
SPACE = BUILTIN.with_statistics(
    DRAW.normal(size=MOTION_DIMS), DRAW.uniform(0.5, 2.0, size=MOTION_DIMS)
)
ANSWERS = {
    "encode_speech": DRAW.normal(size=(CLIPS, FRAMES, 1)),
    "encode_motion": DRAW.normal(size=(CLIPS, FRAMES, CHANNELS)),
    "memory": DRAW.normal(size=(CLIPS, 1)),
    "denoise": DRAW.normal(size=(CLIPS, FRAMES, CHANNELS)),
}
DECODER = DRAW.normal(size=(CHANNELS, NUMBERS))
VALID = 6  # frames of every clip


class Seen(NamedTuple):
    """The terms of each clip, what the network was given by method, and the motion judged."""

    terms: dict
    given: dict
    judged: np.ndarray


@functools.cache
def batch():
    of = random_batch(FRAMES, batch=CLIPS)
    mask = jnp.broadcast_to(jnp.arange(FRAMES) < VALID, (CLIPS, FRAMES))
    return of._replace(speech=of.speech._replace(mask=mask))


@functools.cache
def objective(*, train: bool) -> Seen:
    def loss(batch):
        given, judged = {}, []

        def apply(self, variables, *inputs, method, **options):
            name = method.__name__
            given.setdefault(name, []).append({"inputs": inputs, **options})
            if name == "decode_motion":
                return inputs[0] @ jnp.asarray(DECODER, jnp.float32)
            return jnp.asarray(ANSWERS[name], jnp.float32)

        def sync_loss(speech, motion):
            judged.append(motion)
            return jnp.arange(CLIPS, dtype=jnp.float32)

        with mock.patch.object(Network, "apply", apply):
            terms = training_terms(
                DisentTalk(CONFIG).network,
                {},
                batch,
                jax.random.split(jax.random.key(3), CLIPS),
                config=CONFIG,
                space=SPACE,
                train=train,
                sync_loss=sync_loss,
            )
        return terms, given, judged[0]

    return Seen(*jax.device_get(jit_to_run_once(loss)(batch())))


def alpha_bar(step):
    """ᾱ of 400 steps whose √β is linear."""
    beta = np.linspace(0.002125**0.5, 0.03**0.5, 400) ** 2
    return np.cumprod(1 - beta)[step]


def clip_means(values):
    return values[:, :VALID].reshape(CLIPS, -1).mean(axis=1)


def given_noise():
    """(step, ᾱ, ε) of each clip: the noise is what makes Z_t of Z_0."""
    noisy, step, _ = objective(train=False).given["denoise"][0]["inputs"]
    level = alpha_bar(step)[:, None, None]
    noise = (noisy - np.sqrt(level) * ANSWERS["encode_motion"]) / np.sqrt(1 - level)
    return step, level, noise


def test_the_latent_is_noised_with_standard_noise_at_uniform_steps():
    step, _, noise = given_noise()
    assert (noise.mean(), noise.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert step.min() < 10 and step.max() > 389 and abs(step.mean() - 199.5) < 4 * 115.5 / 20


def test_the_terms_of_each_clip_are_those_of_the_equations_with_their_weights():
    _, level, noise = given_noise()
    found = objective(train=False)
    error = clip_means((ANSWERS["denoise"] - noise) ** 2)
    weight = ((1 - level) / level)[:, 0, 0]
    np.testing.assert_allclose(found.terms["noise"], 0.7 * weight * error, rtol=1e-3)
    motion = np.asarray(batch().motion, float)
    normal = ((motion - np.array(SPACE.mean)) / np.array(SPACE.std))[..., E]
    again = clip_means((ANSWERS["encode_motion"] @ DECODER - normal) ** 2)
    np.testing.assert_allclose(found.terms["autoencoder"], 0.2 * again, rtol=1e-3)
    sync = 0.3 * level[:, 0, 0] * np.arange(CLIPS)
    np.testing.assert_allclose(found.terms["sync"], sync, rtol=1e-4)


def test_the_lip_sync_model_judges_the_clean_motion_that_the_predicted_noise_implies():
    noisy, step, _ = objective(train=False).given["denoise"][0]["inputs"]
    level = alpha_bar(step)[:, None, None]
    clean = (noisy - np.sqrt(1 - level) * ANSWERS["denoise"]) / np.sqrt(level)
    expected = np.asarray(batch().motion, float)
    expected[..., E] = (clean @ DECODER) * np.array(SPACE.std)[list(E)] + np.array(SPACE.mean)[
        list(E)
    ]
    judged = objective(train=False).judged
    np.testing.assert_allclose(judged, expected, rtol=1e-3, atol=1e-3)


def test_speech_is_dropped_as_often_as_configured_and_never_in_validation():
    (memory,) = objective(train=True).given["memory"]
    assert memory["drop"].mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / CLIPS))
    (memory,) = objective(train=False).given["memory"]
    assert not np.any(memory["drop"])


def test_no_gradient_of_the_noise_reaches_the_autoencoder():
    small = jax.tree.map(lambda array: array[:2], random_batch(FRAMES))

    def noise_term(scale, parameter):
        def apply(self, variables, *inputs, method, **options):
            if method.__name__ == "encode_motion":
                return scale * jnp.asarray(ANSWERS["encode_motion"][:2], jnp.float32)
            if method.__name__ == "denoise":
                return parameter * inputs[0]
            return jnp.ones((2, FRAMES, NUMBERS))

        settings = {"config": CONFIG, "space": SPACE, "train": False}
        with mock.patch.object(Network, "apply", apply):
            keys = jax.random.split(jax.random.key(0), 2)
            terms = training_terms(DisentTalk(CONFIG).network, {}, small, keys, **settings)
        return terms["noise"].sum()

    gradient = jit_to_run_once(jax.grad(noise_term, argnums=(0, 1)))(1.0, 1.0)
    assert gradient[0] == 0 and gradient[1] != 0


@pytest.mark.parametrize("error_of", ["noise", "velocity", "motion"])
def test_the_weight_turns_an_error_of_the_noise_into_that_of_the_quantity(error_of):
    level = np.array([0.005, 0.5, 0.99])
    clean, noise, wrong = np.random.default_rng(1).normal(size=(3, 3))
    noisy = np.sqrt(level) * clean + np.sqrt(1 - level) * noise

    def motion(noise):
        return (noisy - np.sqrt(1 - level) * noise) / np.sqrt(level)

    def velocity(noise):
        return np.sqrt(level) * noise - np.sqrt(1 - level) * motion(noise)

    value = {"noise": lambda noise: noise, "velocity": velocity, "motion": motion}[error_of]
    weighted = error_weight(jnp.asarray(level), error_of=error_of) * (wrong - noise) ** 2
    np.testing.assert_allclose(weighted, (value(wrong) - value(noise)) ** 2, rtol=1e-5)


def test_eq_8_measures_the_noise_unless_told_otherwise():
    assert Config().loss.error_of == "noise"
