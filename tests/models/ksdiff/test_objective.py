"""The objective of Eq. 4-7 with stand-ins for the networks: what they are given, and what is made
of their answers.

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

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.network import Encoded, Network, generator_dims
from ksdiff_jax.models.ksdiff.speech_paths import PathFeatures
from ksdiff_jax.motion.keyframes import keyframe_targets
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS, MotionSpace
from ksdiff_jax.overrides import override
from tests.models.ksdiff.conftest import TINY, random_batch
from tests.run_once import jit_to_run_once

CONFIG = override(
    TINY,
    {
        "loss.reconstruction": "0.7",
        "loss.velocity": "1.3",
        "loss.diffusion": "0.9",
        "loss.spectral": "0.4",
        "loss.keyframes": "0.6",
        "loss.lip_gap": "0",
        "model.keyframes.positive_weight": "5",
        "model.keyframes.negative_weight": "2",
        "model.keyframes.jitter_probability": "0.3",
        "model.keyframes.drop_probability": "0.25",
        "model.diffusion.condition_drop_probability": "0.2",
        "model.transcript.drop_probability": "0.4",
    },
)
DIMS = {name: np.array(dims) for name, dims in generator_dims(CONFIG.model).items()}
HIDDEN, BEGIN = 2, 2  # keyframe bits beside 0 and 1
CLIPS, FRAMES = 400, 24
WINDOW = 8


class Seen(NamedTuple):
    """The terms of each clip and what the networks were given, by method and track."""

    terms: dict
    given: dict


@functools.cache
def random_inputs() -> tuple[Batch, MotionSpace, dict]:
    """Clips, their space, and answers[method][track] of the networks."""
    draw = np.random.default_rng(8)
    mean, std = draw.normal(size=MOTION_DIMS), draw.uniform(0.5, 2.0, size=MOTION_DIMS)
    answers = {
        "keyframe_logits": {track: draw.normal(size=(CLIPS, FRAMES)) for track in DIMS},
        "denoise": {
            track: draw.normal(size=(CLIPS, FRAMES, len(dims))) for track, dims in DIMS.items()
        },
    }
    answers = jax.tree.map(lambda a: a.astype(np.float32), answers)
    return random_batch(FRAMES, batch=CLIPS), BUILTIN.with_statistics(mean, std), answers


@functools.cache
def objective(*, train: bool) -> Seen:
    """One pass of the loss over `random_inputs`."""
    given = {}

    def loss(batch: Batch, space: MotionSpace, answers: dict):
        def apply(self, variables, first, *rest, method, **options):
            name = method.__name__
            given[name if name == "encode" else f"{name} {first}"] = {"inputs": rest, **options}
            if name != "encode":
                return answers[name][first] if name in answers else None
            nothing = jnp.zeros((*first.mask.shape, 1))
            return Encoded(PathFeatures(nothing, nothing), nothing, first.mask, first.mask)

        with mock.patch.object(Network, "apply", apply):
            system, keys = build_system(CONFIG, space), jax.random.split(jax.random.key(3), CLIPS)
            return system.loss({}, batch, keys, train=train), given

    return Seen(*jax.device_get(jit_to_run_once(loss)(*random_inputs())))


@functools.cache
def true_keyframes() -> dict[str, np.ndarray]:
    batch, *_ = random_inputs()
    targets = jax.device_get(jit_to_run_once(keyframe_targets)(batch.motion, batch.speech.mask))
    return dict(zip(("expression", "head"), targets, strict=True))


def test_the_terms_of_each_clip_are_those_of_both_paths_with_their_weights():
    batch, space, answers = jax.tree.map(lambda array: np.asarray(array, float), random_inputs())
    normal = (batch.motion - np.array(space.mean)) / np.array(space.std)
    expected = {}
    for track, dims in DIMS.items():
        prediction, clean = answers["denoise"][track], normal[..., dims]
        error = prediction - clean
        spectral = np.abs(magnitudes(prediction) - magnitudes(clean))
        p = 1 / (1 + np.exp(-answers["keyframe_logits"][track]))
        bce = np.where(true_keyframes()[track], -5 * np.log(p), -2 * np.log(1 - p))
        expected |= {
            f"{track}/reconstruction": 0.9 * 0.7 * clip_means(error**2),
            f"{track}/velocity": 0.9 * 1.3 * clip_means(np.diff(error, axis=1) ** 2),
            f"{track}/spectral": 0.4 * clip_means(spectral.swapaxes(0, 1)),
            f"{track}/keyframes": 0.6 * clip_means(bce),
        }
    terms = objective(train=False).terms
    assert terms.keys() == expected.keys()
    for name, term in expected.items():
        np.testing.assert_allclose(terms[name], term, rtol=1e-4, err_msg=name)
    total, mean = sum(terms.values()).mean(), sum(expected.values()).mean()
    np.testing.assert_allclose(total, mean, rtol=1e-5)


def clip_means(values):
    return values.reshape(CLIPS, -1).mean(axis=1)


def magnitudes(signal):
    """|STFT| of every clip and dimension, windows first: Hann window, hop window / 4."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    starts = range(0, FRAMES - WINDOW + 1, WINDOW // 4)
    return np.abs(
        np.stack([np.fft.rfft(signal[:, s : s + WINDOW] * hann[:, None], axis=1) for s in starts])
    )


def test_the_predictors_are_given_the_bit_before_and_never_the_one_to_predict():
    for track, target in true_keyframes().items():
        previous, *_ = objective(train=True).given[f"keyframe_logits {track}"]["inputs"]
        assert target.any()
        assert np.all(previous[:, 0] == BEGIN)
        np.testing.assert_array_equal(previous[:, 1:], target[:, :-1])


def test_the_generators_are_shown_keyframes_that_are_moved_and_hidden_as_often_as_configured():
    for track, target in true_keyframes().items():
        _, keyframes = objective(train=True).given[f"generator_memory {track}"]["inputs"]
        hidden = np.all(keyframes[track] == HIDDEN, axis=1)
        assert hidden.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / CLIPS))
        shown, target = keyframes[track][~hidden], target[~hidden]
        assert set(np.unique(shown)) == {0, 1}
        around = np.pad(target, ((0, 0), (1, 1)))
        # moved by one frame at most
        assert np.all((around[:, :-2] | around[:, 1:-1] | around[:, 2:])[shown == 1])
        left = target & (shown == 0)
        assert left.sum() / target.sum() == pytest.approx(
            0.3, abs=4 * np.sqrt(0.3 * 0.7 / target.sum())
        )
        assert shown.sum() == pytest.approx(target.sum(), rel=0.02)  # two that meet become one


def test_conditions_are_dropped_as_often_as_configured_and_the_transcript_more_often():
    given = objective(train=True).given
    no_text = given["encode"]["drop_transcript"]
    assert no_text.mean() == pytest.approx(1 - 0.8 * 0.6, abs=4 * np.sqrt(0.25 / CLIPS))
    for track in DIMS:
        no_speech = given[f"generator_memory {track}"]["drop_speech"]
        assert no_speech.mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / CLIPS))
        assert np.all(no_text[no_speech])  # unconditional is without either


def test_training_drops_units_in_every_network_with_keys_of_its_own():
    given = objective(train=True).given
    networks = [
        "encode",
        *(f"{name} {track}" for name in ("keyframe_logits", "denoise") for track in DIMS),
    ]
    assert not any(given[network]["deterministic"] for network in networks)
    keys = [jax.random.key_data(given[network]["rngs"]["dropout"]) for network in networks]
    assert len({tuple(np.asarray(key)) for key in keys}) == len(networks)


def test_validation_drops_moves_and_hides_nothing():
    given = objective(train=False).given
    assert given["encode"]["deterministic"] and not np.any(given["encode"]["drop_transcript"])
    for track, target in true_keyframes().items():
        memory = given[f"generator_memory {track}"]
        np.testing.assert_array_equal(memory["inputs"][1][track], target)
        assert not np.any(memory["drop_speech"])
        assert (
            given[f"denoise {track}"]["deterministic"]
            and given[f"keyframe_logits {track}"]["deterministic"]
        )
