"""The regression from speech to the expression: its equation, its loss, and what its generator
gets.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.motion_generator import MotionGenerator
from ksdiff_jax.models.ksdiff.network import Network
from ksdiff_jax.models.ksdiff.speech_regression import SpeechRegression
from ksdiff_jax.overrides import override
from ksdiff_jax.tree import named_leaves
from tests.models.ksdiff.conftest import TINY, drawn, random_batch
from tests.run_once import jit_to_run_once

ON = override(TINY, {"model.regression.enabled": "true", "model.jaw_path": "expression"})
STYLED = override(ON, {"model.generator.styles": "made,real"})
FEATURES, DIMS = 6, 2


@pytest.fixture
def draw():
    return np.random.default_rng(4)


@pytest.fixture
def params(draw):
    kernel = draw.normal(size=(3, 3 * FEATURES, DIMS)).astype(np.float32)
    return {"kernel": kernel, "bias": draw.normal(size=(3, DIMS)).astype(np.float32)}


def regress(params, features, mask, *, style=None, causal=None, share=0.0):
    regression = SpeechRegression(STYLED.model, DIMS)
    options = {"style": style, "causal": causal, "share": share, "deterministic": True}
    return np.asarray(regression.apply({"params": params}, jnp.asarray(features), mask, **options))


def test_each_style_has_its_map_of_three_normalised_frames(params, draw):
    features, frames = draw.normal(size=(3, 10, FEATURES)).astype(np.float32), 5
    found = regress(params, features, jnp.ones((3, frames), bool), style=jnp.array([0, 2, 1]))
    for clip, number in enumerate((0, 2, 1)):
        pairs = (features[clip, 0::2] + features[clip, 1::2]) / 2
        normal = (pairs - pairs.mean(1, keepdims=True)) / np.sqrt(
            pairs.var(1, keepdims=True) + 1e-6
        )
        near = np.pad(normal, ((1, 1), (0, 0)))
        rows = np.concatenate([near[:-2], near[1:-1], near[2:]], axis=1)
        expected = rows @ params["kernel"][number] + params["bias"][number]
        np.testing.assert_allclose(found[clip], expected, rtol=1e-4, atol=1e-4)


def test_a_share_of_the_first_styles_map_is_added_to_that_of_every_style(params, draw):
    features, mask = draw.normal(size=(3, 10, FEATURES)).astype(np.float32), jnp.ones((3, 5), bool)
    own = regress(params, features, mask, style=jnp.array([0, 1, 2]))
    first = regress(params, features, mask, style=jnp.array([1, 1, 1]))
    found = regress(params, features, mask, style=jnp.array([0, 1, 2]), share=0.3)
    np.testing.assert_allclose(found, 0.7 * own + 0.3 * first, rtol=1e-4, atol=1e-5)


def test_the_generator_gets_the_share_and_the_loss_does_not(draw):
    network = Network(override(STYLED, {"model.regression.share": "1.0"}).model)
    speech, style = random_batch(5).speech, jnp.array([2, 2])
    dims = 53
    bias = np.repeat(np.array([[0.0], [1.0], [2.0]], np.float32), dims, axis=1)
    weights = {"kernel": np.zeros((3, 3 * FEATURES, dims), np.float32), "bias": bias}
    found = network.apply(
        {"params": {"regression": weights}},
        jnp.asarray(draw.normal(size=(2, 10, FEATURES)), jnp.float32),
        speech,
        style,
        deterministic=True,
        method="_regressions",
    )
    np.testing.assert_allclose(found["regression"], 1.0)
    np.testing.assert_allclose(found["dropped_regression"], 2.0)


def test_padding_changes_no_frame_and_gets_zero(params, draw):
    features = draw.normal(size=(1, 10, FEATURES)).astype(np.float32)
    alone = regress(params, features[:, :6], jnp.ones((1, 3), bool))
    padded = regress(params, features, jnp.arange(5)[None] < 3)
    np.testing.assert_allclose(padded[:, :3], alone, rtol=1e-5, atol=1e-5)
    assert not padded[:, 3:].any()


def test_a_causal_clip_does_not_depend_on_later_frames(params, draw):
    features = draw.normal(size=(2, 10, FEATURES)).astype(np.float32)
    mask, causal = jnp.ones((2, 5), bool), jnp.array([True, False])
    before = regress(params, features, mask, causal=causal)
    features[:, 6:] += 1.0 * draw.normal(size=(2, 4, FEATURES)).astype(np.float32)
    after = regress(params, features, mask, causal=causal)
    np.testing.assert_array_equal(after[0, :3], before[0, :3])
    assert (after[1, 2] != before[1, 2]).any() and (after[0, 3] != before[0, 3]).any()
    alone = regress(params, features[1:], mask[1:])
    np.testing.assert_allclose(after[1:], alone, rtol=1e-6)


def test_dropped_speech_hides_the_regression_and_no_gradient_reaches_it(draw):
    generator = MotionGenerator(ON.model, dims=3)
    width, both = ON.model.width, jnp.array([True, False])
    speech, text = jnp.ones((2, 4, width)), jnp.ones((2, 1, width))
    bits = jnp.zeros((2, 4), jnp.int32)
    regression = jnp.asarray(draw.normal(size=(2, 4, 3)), jnp.float32)

    def marks(module, regression):
        given = {"drop_speech": both, "regression": regression}
        return module.memory((speech,), (bits,), text, **given).at_motion

    variables = generator.init(jax.random.key(0), regression, method=marks)
    assert not marks(generator.bind(variables), regression).any()  # zero at the start of training
    variables["params"]["regressed"]["kernel"] = draw.normal(size=(3, width)).astype(np.float32)
    found = generator.apply(variables, regression, method=marks)
    assert not found[0].any()
    expected = np.asarray(regression[1]) @ variables["params"]["regressed"]["kernel"]
    np.testing.assert_allclose(found[1], expected, rtol=1e-5, atol=1e-5)
    total = jax.grad(lambda given: generator.apply(variables, given, method=marks).sum())
    assert not np.asarray(total(regression)).any()


def test_it_adds_its_map_and_one_projection_and_changes_no_other_parameter():
    plain, regressed = (
        {name: leaf.shape for name, leaf in named_leaves(shapes).items()}
        for shapes in (
            jax.eval_shape(build_system(config).init, jax.random.key(0))
            for config in (override(ON, {"model.regression.enabled": "false"}), ON)
        )
    )
    rows, width = 3 * ON.model.encoder.width, ON.model.width
    assert regressed == plain | {
        "regression/kernel": (1, rows, 53),
        "regression/bias": (1, 53),
        "generators_expression/regressed/kernel": (53, width),
    }


@pytest.mark.slow
def test_its_error_is_a_term_and_it_moves_the_mouth_of_a_sample():
    system = build_system(override(ON, {"loss.regression": "0.5"}))
    params = drawn(system)
    batch, keys = random_batch(12), jax.random.split(jax.random.key(1), 2)
    params["regression"] = jax.tree.map(np.zeros_like, params["regression"])
    terms = jit_to_run_once(lambda p: system.loss(p, batch, keys, train=False))(params)
    motion = system.space.normalise(batch.motion)[..., [*range(50), 53, 54, 55]]
    mask = batch.speech.mask
    expected = [0.5 * np.square(m[v]).mean() for m, v in zip(motion, mask, strict=True)]
    np.testing.assert_allclose(terms["expression/regression"], expected, rtol=1e-5)

    first = jnp.zeros(2, jnp.int32)
    sample = jit_to_run_once(lambda p: system.sample(p, batch.speech, keys, first).motion)
    before = np.asarray(sample(params))
    params["regression"]["bias"] = np.ones_like(params["regression"]["bias"])
    changed = np.abs(np.asarray(sample(params)) - before)[np.asarray(mask)]
    assert changed[:, 20:50].max() > 1e-3
    assert not changed[:, 50:53].any()  # the head does not see it


def test_its_settings_are_checked():
    with pytest.raises(InputError, match=r"model\.regression\.dropout 1.0: need"):
        override(TINY, {"model.regression.dropout": "1.0"})
    with pytest.raises(InputError, match=r"model\.regression\.reach_frames -1: need"):
        override(TINY, {"model.regression.reach_frames": "-1"})
    with pytest.raises(InputError, match=r"model\.regression\.share .*1\.5: need"):
        override(STYLED, {"model.regression.share": "1.5"})
    with pytest.raises(InputError, match=r"share 0\.3: need 0: model\.generator\.styles is empty"):
        override(ON, {"model.regression.share": "0.3"})
