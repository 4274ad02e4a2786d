"""FD2Talk's motion stage as a system: losses of clips by themselves, sampling against a plain loop,
spaces, the lip expert, configurations.
"""

import functools
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, default_config
from ksdiff_jax.models.fd2talk.motion import system as system_module
from ksdiff_jax.models.fd2talk.motion.ablations import ABLATIONS, FULL, PAPER_TABLES_2_AND_3
from ksdiff_jax.models.fd2talk.motion.config import Config
from ksdiff_jax.models.fd2talk.motion.network import Network
from ksdiff_jax.models.fd2talk.motion.system import FD2TalkMotion
from ksdiff_jax.models.frozen import part
from ksdiff_jax.motion.space import BFM, BUILTIN, MOTION_DIMS
from ksdiff_jax.overrides import load_config, override
from ksdiff_jax.rng import frame_noise, streams
from ksdiff_jax.tree import named_leaves
from tests.models.fd2talk.conftest import TINY
from tests.models.ksdiff.conftest import drawn, padded, random_batch, total_loss
from tests.run_once import jit_to_run_once

CONFIGS = Path(__file__).parents[3] / "configs"
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
SYSTEM = FD2TalkMotion(CONFIG, BUILTIN.with_statistics(MEAN, STD))
FACE = [*range(50), 53, 54, 55]
POSE = [50, 51, 52, 56, 57, 58]
KEYS = jax.random.split(jax.random.key(1), 2)
FIRST = jnp.array([0, 30])


@functools.cache
def params():
    return drawn(SYSTEM)


def test_padding_and_the_other_clips_change_no_loss():
    weights = params()
    losses = jit_to_run_once(lambda batch, keys: SYSTEM.loss(weights, batch, keys, train=True))
    batch = random_batch(10)
    alone = losses(batch, KEYS)
    swapped = losses(jax.tree.map(lambda array: array[::-1], batch), KEYS[::-1])
    longer = losses(padded(batch, 6), KEYS)
    assert set(alone) == {"expression", "pose"}
    for name, of_clips in alone.items():
        assert of_clips.shape == (2,)
        np.testing.assert_allclose(longer[name], of_clips, rtol=2e-5, err_msg=name)
        np.testing.assert_allclose(swapped[name][::-1], of_clips, rtol=1e-5, err_msg=name)


def objective(config=CONFIG, judge=None):
    """The terms for transformers that return half of what they get, the inputs of these and of the
    lip expert, and the normalised motion.
    """
    batch, system = random_batch(FRAMES), FD2TalkMotion(config, SYSTEM.space)

    @jit_to_run_once
    def computed(batch, keys):
        given = {}

        def apply(self, variables, *inputs, method, **_):
            if method is not Network.denoise:
                return jnp.zeros((2, FRAMES, 4))
            name, noisy, step, _ = inputs
            given[name] = noisy, step
            return 0.5 * noisy

        def expert(speech, motion):
            given["judged"] = motion
            return jnp.asarray(judge)

        sync_loss = None if judge is None else expert
        named = mock.patch.object(system_module, "configured_sync_loss", lambda *_: sync_loss)
        with mock.patch.object(Network, "apply", apply), named:
            return system.loss({}, batch, keys, train=False), given

    terms, given = jax.device_get(computed(batch, KEYS))
    return terms, given, (np.asarray(batch.motion, float) - MEAN) / STD


def test_each_part_has_its_own_noise_and_its_squared_error_is_the_term():
    config = override(CONFIG, {"loss.expression": "3", "loss.pose": "0.5"})
    terms, given, clean = objective(config)
    level = np.cumprod(1 - np.linspace(0.01**0.5, 0.2**0.5, 40) ** 2)
    for name, columns, weight in (("expression", FACE, 3.0), ("pose", POSE, 0.5)):
        noisy, step = given[name]
        expected = weight * np.mean((0.5 * noisy - clean[..., columns]) ** 2, axis=(1, 2))
        np.testing.assert_allclose(terms[name], expected, rtol=1e-4)
        of_step = level[step][:, None, None]
        noise = (noisy - np.sqrt(of_step) * clean[..., columns]) / np.sqrt(1 - of_step)
        assert 0.8 < noise.std() < 1.2 and abs(noise.mean()) < 0.3
    assert not np.allclose(given["expression"][0][..., :3], given["pose"][0][..., :3])


def test_one_transformer_has_both_terms_of_the_same_columns():
    terms, given, clean = objective(override(CONFIG, {"model.decoupled": False}))
    error = (0.5 * given["motion"][0] - clean) ** 2
    assert list(given) == ["motion"]
    np.testing.assert_allclose(terms["expression"], error[..., FACE].mean(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(terms["pose"], error[..., POSE].mean(axis=(1, 2)), rtol=1e-4)


def test_the_lip_expert_judges_the_predicted_face_on_the_true_head():
    config = override(CONFIG, {"loss.sync": "0.1"})
    terms, given, clean = objective(config, judge=[0.25, 0.75])
    np.testing.assert_allclose(terms["sync"], [0.025, 0.075], rtol=1e-6)
    expected = clean.copy()
    expected[..., FACE] = 0.5 * given["expression"][0]
    np.testing.assert_allclose(given["judged"], expected * STD + MEAN, rtol=1e-4, atol=1e-4)


def plain_sample(speech):
    network, variables = SYSTEM.network, {"params": params()}

    @jit_to_run_once
    def conditions(speech):
        heard = network.apply(variables, speech, method=Network.encode_speech)
        nothing = jnp.ones(2, bool)
        return heard, network.apply(variables, heard, nothing, method=Network.dropped)

    @functools.partial(jit_to_run_once, static_argnums=0)
    def clean_of(name, noisy, step, condition):
        inputs = (name, noisy, step, condition)
        return network.apply(variables, *inputs, mask=speech.mask, method=Network.denoise)

    level = np.cumprod(1 - np.linspace(0.01**0.5, 0.2**0.5, 40) ** 2)
    start = np.array(frame_noise(streams(KEYS, "noise"), FIRST, FRAMES, (MOTION_DIMS,)), float)
    start[..., FACE] *= TEMPERATURE
    found, visited = np.zeros_like(start), [39, 26, 12]
    for name, columns in (("expression", FACE), ("pose", POSE)):
        x = start[..., columns]
        for here, following in zip(visited, [*level[visited[1:]], 1.0], strict=True):
            inputs = name, jnp.asarray(x, jnp.float32), jnp.full(2, here)
            heard, unheard = (np.asarray(clean_of(*inputs, c), float) for c in conditions(speech))
            clean = unheard + GUIDANCE * (heard - unheard)
            noise = (x - np.sqrt(level[here]) * clean) / np.sqrt(1 - level[here])
            x = np.sqrt(following) * clean + np.sqrt(1 - following) * noise
        found[..., columns] = x
    return found * STD + MEAN


def test_a_sample_is_what_a_plain_loop_over_the_transformers_gives():
    batch = random_batch(FRAMES)
    sample = jit_to_run_once(SYSTEM.sample)
    found = sample(params(), batch.speech, KEYS, FIRST).motion
    np.testing.assert_allclose(found, plain_sample(batch.speech), atol=2e-3, rtol=2e-4)
    longer = sample(params(), padded(batch, 5).speech, KEYS, FIRST).motion
    np.testing.assert_allclose(longer[:, :FRAMES], found, atol=2e-4)
    assert not np.any(longer[:, FRAMES:])


def test_bfm_has_the_paper_s_64_and_6_coefficients_and_its_jaw_rests():
    mean = np.arange(BFM.width, dtype=float)
    system = FD2TalkMotion(TINY, BFM.with_statistics(mean, np.ones(BFM.width)))
    assert {name: len(columns) for name, columns in system.parts.items()} == {
        "expression": 64,
        "pose": 6,
    }
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    batch = random_batch(FRAMES)
    batch = batch._replace(motion=jnp.zeros((2, FRAMES, BFM.width)))
    losses = jax.eval_shape(lambda p: system.loss(p, batch, KEYS, train=True), shapes)
    assert losses["pose"].shape == (2,)
    with mock.patch.object(Network, "apply", lambda self, v, *inputs, **_: inputs[1]):
        speech = batch.speech
        denoisers = {name: lambda noisy, step: noisy for name in system.parts}
        with mock.patch(
            "ksdiff_jax.models.fd2talk.motion.sampling.guided_denoisers",
            lambda *_, **__: denoisers,
        ):
            motion = system.sample({}, speech, KEYS, FIRST).motion
    jaw = BFM.slice("jaw")
    np.testing.assert_allclose(motion[..., jaw], np.tile(mean[jaw], (2, FRAMES, 1)), rtol=1e-6)
    assert np.std(motion[..., :64] - mean[:64]) > 0.5


@pytest.mark.parametrize(
    ("field", "value", "need"),
    [
        ("model.width", "33", "a multiple of twice the heads"),
        ("model.layers", "0", "1 or more"),
        ("model.reach_frames", "-1", "0 or more"),
        ("model.diffusion.steps", "20", "1 to 20, model.diffusion.steps"),
        ("loss.pose", "nan", "a finite number, 0 or more"),
        ("sample.guidance", "-1", "a number of 0 or more"),
    ],
)
def test_a_field_that_nothing_can_be_made_with_is_one_line(field, value, need):
    with pytest.raises(InputError, match=rf"^[a-z_.]+ [^:]*: need {need}") as error:
        override(Config(), {field: value})
    assert "\n" not in str(error.value)


def test_the_paper_configuration_is_the_papers():
    config = load_config(CONFIGS / "fd2talk_motion.py")
    assert (config.model.layers, config.model.reach_frames) == (6, 3)
    assert (config.model.diffusion.steps, config.sample.steps, config.sample.eta) == (1000, 50, 0)
    assert (config.data.clip_frames, config.sample.guidance) == (25, 1.0)
    assert default_config("fd2talk_motion") == Config()
    system = build_system(config)
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    assert part(shapes, config).frozen.keys() == {"encoder"}
    assert system.needs.spaces == ("builtin", "flame", "bfm")


def test_the_rows_of_the_table_are_those_of_the_paper():
    assert list(PAPER_TABLES_2_AND_3) == list(ABLATIONS)
    config = override(TINY, {"loss.sync": "0.01"})
    found = {row: override(config, changes) for row, changes in ABLATIONS.items()}
    assert found[FULL] == config
    assert len({id(each) for each in found.values()}) == len(set(map(repr, found.values())))


@pytest.mark.slow
@pytest.mark.parametrize("row", ABLATIONS)
def test_an_ablation_learns_in_twenty_steps(row):
    system, batch = FD2TalkMotion(override(TINY, ABLATIONS[row])), random_batch(12, batch=4)
    weights, optimizer = drawn(system), optax.adam(3e-3)

    @jit_to_run_once
    def step(weights, state):
        loss, gradient = jax.value_and_grad(lambda p: total_loss(system, p, batch, train=False))(
            weights
        )
        updates, state = optimizer.update(gradient, state)
        return loss, gradient, optax.apply_updates(weights, updates), state

    losses, state = [], optimizer.init(weights)
    for _ in range(20):
        loss, gradient, weights, state = step(weights, state)
        losses.append(float(loss))
    assert losses[-1] < 0.9 * losses[0]
    exempt = ("null_speech", "key/bias")  # a softmax does not see what is added to all keys
    still = [name for name, leaf in named_leaves(gradient).items() if not np.any(leaf)]
    assert [name for name in still if not name.endswith(exempt)] == []
