"""Layers in a loop against the same layers unrolled: numbers, dropout, names, and the size of the
program.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.remat import POLICIES
from ksdiff_jax.layers.stack import apply_layers
from ksdiff_jax.models.ksdiff.config import GeneratorConfig, KeyframeConfig
from ksdiff_jax.models.ksdiff.keyframe_predictor import KeyframePredictor
from ksdiff_jax.models.ksdiff.motion_generator import MotionGenerator
from ksdiff_jax.tree import named_leaves
from tests.models.ksdiff.conftest import TINY, lively
from tests.run_once import jit_to_run_once

CLIPS, FRAMES, WIDTH, LAYERS = 2, 12, TINY.model.width, 3
PARAMS_KEY, DROPOUT_KEY = jax.random.key(2), jax.random.key(3)


class Block(nn.Module):
    """A residual layer whose dropout matters."""

    @nn.compact
    def __call__(self, x, shift):
        hidden = nn.Dropout(0.5)(jnp.tanh(Dense(2 * WIDTH, name="up")(x)), deterministic=False)
        return x + Dense(WIDTH, name="down")(hidden) + (0 if shift is None else shift)


class Masks(nn.Module):
    """A layer that adds the mask of its dropout to its input."""

    @nn.compact
    def __call__(self, x, _):
        return x + nn.Dropout(0.5)(jnp.ones_like(x), deterministic=False)


class Stack(nn.Module):
    """`LAYERS` layers."""

    kind: type[nn.Module]
    scan: bool
    remat: str = "none"

    def setup(self):
        self.layers = [self.kind() for _ in range(LAYERS)]

    def __call__(self, x, inputs=None):
        return apply_layers(
            self.layers,
            lambda layer, *of_layer: layer(*of_layer),
            x,
            inputs,
            execution=Execution(remat=self.remat, scan_layers=self.scan),
        )


def blocks(*, scan, remat="none", shifted=True):
    """A function of the parameters to (sum of squares of all results, results), and parameters for
    it.
    """
    stack = Stack(Block, scan, remat)
    x = jax.random.normal(jax.random.key(0), (CLIPS, FRAMES, WIDTH))
    shifts = list(jax.random.normal(jax.random.key(1), (LAYERS, WIDTH))) if shifted else None
    shapes = jax.eval_shape(
        lambda: stack.init({"params": PARAMS_KEY, "dropout": DROPOUT_KEY}, x, shifts)["params"]
    )

    def loss(params):
        results = stack.apply({"params": params}, x, shifts, rngs={"dropout": DROPOUT_KEY})
        return sum(jnp.sum(result**2) for result in results), results

    return loss, lively(jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes))


def generator(*, scan, remat="none", layers=LAYERS):
    """A scalar function of a motion generator's parameters, and perhaps its memory; parameters; the
    memory's shapes.
    """
    model = dataclasses.replace(
        TINY.model,
        transcript=dataclasses.replace(TINY.model.transcript, enabled=False),
        generator=GeneratorConfig(layers=layers),
    )
    module = MotionGenerator(model, dims=6, execution=Execution(remat=remat, scan_layers=scan))
    features, text = _features()
    noisy = jax.random.normal(jax.random.key(1), (CLIPS, FRAMES, 6))
    bits, mask = (jnp.zeros((CLIPS, FRAMES), int),), _mask()

    def memory(module):
        return module.memory((features,), bits, text, drop_speech=jnp.zeros(CLIPS, bool))

    def clean(module, memory):
        step = jnp.array([10, 500])
        return module(noisy, step, memory, mask=mask, text_mask=mask[:, :1], deterministic=False)

    return _with_memory(module, memory, clean)


def predictor(*, scan, remat="none", layers=LAYERS):
    """The same of a keyframe predictor, which reads a transcript."""
    model = dataclasses.replace(
        TINY.model, keyframes=KeyframeConfig(layers=layers, window_frames=5)
    )
    module = KeyframePredictor(model, Execution(remat=remat, scan_layers=scan))
    features, text = _features()
    previous, mask = jnp.arange(CLIPS * FRAMES).reshape(CLIPS, FRAMES) % 3, _mask()

    def memory(module):
        return module.memory(features, text)

    def logits(module, memory):
        text_mask = jnp.ones(text.shape[:2], bool)
        return module(
            previous, features, memory, mask=mask, text_mask=text_mask, deterministic=False
        )

    return _with_memory(module, memory, logits)


def _features():
    keys = jax.random.split(jax.random.key(0))
    return (
        jax.random.normal(key, (CLIPS, rows, WIDTH))
        for key, rows in zip(keys, (FRAMES, 4), strict=True)
    )


def _mask():
    return jnp.arange(FRAMES) < jnp.array([FRAMES, FRAMES - 3])[:, None]


def _with_memory(module, memory, output):
    rngs = {"params": PARAMS_KEY, "dropout": DROPOUT_KEY}
    init = lambda: module.init(rngs, method=lambda module: output(module, memory(module)))  # noqa: E731
    params = lively(
        jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), jax.eval_shape(init)["params"])
    )

    def loss(params, remembered=None):
        variables = {"params": params}
        remembered = module.apply(variables, method=memory) if remembered is None else remembered
        return jnp.sum(
            module.apply(variables, remembered, method=output, rngs={"dropout": DROPOUT_KEY}) ** 2
        )

    return loss, params, jax.eval_shape(lambda: module.apply({"params": params}, method=memory))


def value_and_gradient(loss, params, *, has_aux=False):
    value, gradient = jit_to_run_once(jax.value_and_grad(loss, has_aux=has_aux))(params)
    return jax.device_get(value), jax.device_get(named_leaves(gradient))


def assert_same(found, expected):
    """Values to 1e-5 of themselves, gradients to 1e-5 of the largest of all; the smallest is of no
    interest.
    """
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), found[0], expected[0]
    )
    assert found[1].keys() == expected[1].keys()
    scale = max(np.abs(leaf).max() for leaf in expected[1].values())
    for name, value in expected[1].items():
        assert found[1][name].shape == value.shape
        np.testing.assert_allclose(found[1][name], value, rtol=0, atol=1e-5 * scale, err_msg=name)


@pytest.fixture(scope="module")
def written_out():
    return value_and_gradient(*blocks(scan=False), has_aux=True)


@pytest.mark.parametrize("remat", ["none", *POLICIES])
@pytest.mark.parametrize("scan", [False, True])
def test_a_loop_gives_the_results_and_gradients_of_layers_written_out_under_every_policy(
    scan, remat, written_out
):
    assert_same(value_and_gradient(*blocks(scan=scan, remat=remat), has_aux=True), written_out)


def test_layers_without_inputs_of_their_own_loop_too(written_out):
    plain = value_and_gradient(*blocks(scan=False, shifted=False), has_aux=True)
    assert_same(value_and_gradient(*blocks(scan=True, shifted=False), has_aux=True), plain)
    assert abs(plain[0][0] / written_out[0][0] - 1) > 0.01


@pytest.mark.parametrize("scan", [False, True])
def test_every_layer_drops_something_else_and_the_same_again_from_the_same_key(scan):
    def masks(key, scan=scan):
        zeros = jnp.zeros((CLIPS, FRAMES, WIDTH))
        return np.diff([zeros, *Stack(Masks, scan).apply({}, zeros, rngs={"dropout": key})], axis=0)

    found = masks(DROPOUT_KEY)
    assert set(np.unique(found)) == {0, 2}
    for first, second in ((0, 1), (1, 2), (0, 2)):
        assert 0.4 < np.mean(found[first] != found[second]) < 0.6
    np.testing.assert_array_equal(masks(DROPOUT_KEY), found)
    np.testing.assert_array_equal(masks(DROPOUT_KEY, scan=not scan), found)
    assert np.any(masks(jax.random.key(4)) != found)


@pytest.mark.parametrize(
    "remat", ["none", *(pytest.param(policy, marks=pytest.mark.long) for policy in POLICIES)]
)
@pytest.mark.parametrize("model", [generator, predictor])
def test_a_scanned_model_has_the_names_the_loss_and_the_gradients_of_the_other(model, remat):
    expected, found = (model(scan=scan, remat=remat)[:2] for scan in (False, True))
    assert jax.tree.map(jnp.shape, found[1]) == jax.tree.map(jnp.shape, expected[1])
    assert {f"layers_{index}" for index in range(LAYERS)} < found[1].keys()
    assert_same(value_and_gradient(*found), value_and_gradient(*expected))


def primitives(jaxpr, name):
    """How often a primitive stands in a program, loops and calls included."""
    inner = [list(jax.core.jaxprs_in_params(equation.params)) for equation in jaxpr.eqns]
    return sum(equation.primitive.name == name for equation in jaxpr.eqns) + sum(
        primitives(sub, name) for jaxprs in inner for sub in jaxprs
    )


@pytest.mark.parametrize("model", [generator, predictor])
def test_the_program_has_one_loop_and_does_not_grow_with_the_layers(model):
    def counts(scan, layers):
        loss, params, memory = model(scan=scan, layers=layers)
        jaxpr = jax.make_jaxpr(loss)(params, memory).jaxpr
        return primitives(jaxpr, "scan"), primitives(jaxpr, "dot_general")

    assert counts(True, 3) == counts(True, 4)
    assert counts(True, 3)[0] == 1
    assert counts(False, 3)[0] == 0
    assert counts(False, 4)[1] > counts(False, 3)[1] > counts(True, 3)[1]


@pytest.mark.parametrize("model", [generator, predictor])
def test_policies_keep_less_from_a_loop_too(model):
    def kept(remat):
        loss, params, memory = model(scan=True, remat=remat)
        residuals = jax.eval_shape(lambda *arguments: jax.vjp(loss, *arguments)[1], params, memory)
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(residuals))

    assert kept("full") < kept("dots") < kept("none")
