"""The encoder of a configuration: the last layer, or a learned mean of all."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.speech.config import EncoderConfig
from ksdiff_jax.speech.encoder import build_encoder
from ksdiff_jax.speech.load import load_encoder
from ksdiff_jax.speech.pretrained import PretrainedEncoder
from ksdiff_jax.tree import named_leaves, nested
from tests.models.ksdiff.conftest import lively
from tests.run_once import jit_to_run_once
from tests.tiny_encoder import LAYOUT

FRAMES = 30


@pytest.fixture(scope="module")
def encoder(tiny_encoder):
    return load_encoder(tiny_encoder)


@pytest.fixture(scope="module")
def heard(encoder):
    """Sound, the mask of its frames, and all hidden states by the encoder itself."""
    audio = jax.random.normal(jax.random.key(0), (2, 320 * FRAMES)) * 0.1
    mask = jnp.arange(FRAMES) < jnp.array([[FRAMES], [20]])
    states = jit_to_run_once(
        lambda params: PretrainedEncoder(encoder.config).apply(
            {"params": params}, audio, mask, method=PretrainedEncoder.hidden_states
        )
    )(encoder.params)
    return audio, mask, [np.asarray(state) for state in states]


def features(encoder, heard, layer, **params):
    module = build_encoder(
        EncoderConfig(kind="pretrained", layer=layer, architecture=encoder.config),
        Execution(),
    )
    audio, mask, _ = heard
    return np.asarray(
        jit_to_run_once(module.apply)(
            {"params": {"backbone": encoder.params} | params}, audio, mask
        )
    )


def test_the_last_layer_is_that_of_the_encoder(encoder, heard):
    np.testing.assert_allclose(features(encoder, heard, "last"), heard[2][-1], atol=1e-5)


@pytest.mark.parametrize("weights", [[0.0, 0.0, 0.0], [0.5, -1.0, 2.0]])
def test_weighted_layers_are_a_mean_by_the_softmax_of_the_weights(encoder, heard, weights):
    shares = np.exp(weights) / np.exp(weights).sum()
    expected = sum(share * state for share, state in zip(shares, heard[2], strict=True))
    found = features(encoder, heard, "weighted", layer_weights=jnp.array(weights))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_learned_weights_begin_equal_and_are_the_only_parameters_beside_the_backbone(encoder):
    config = EncoderConfig(kind="pretrained", layer="weighted", architecture=encoder.config)
    module = build_encoder(config, Execution())
    inputs = jnp.zeros((1, 3200)), jnp.ones((1, 10), bool)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)["params"]
    assert shapes.keys() == {"backbone", "layer_weights"} and shapes["layer_weights"].shape == (3,)
    assert jax.tree.structure(shapes["backbone"]) == jax.tree.structure(encoder.params)


def test_a_layout_that_is_not_known_is_said():
    with pytest.raises(InputError, match=r"model\.encoder\.architecture is not known"):
        build_encoder(EncoderConfig(kind="pretrained"), Execution())


def test_a_finetuned_encoder_keeps_less_for_the_backward_pass_under_remat(encoder, heard):
    settings = EncoderConfig(kind="pretrained", architecture=encoder.config, finetune=True)
    audio, mask, _ = heard

    def kept(remat):
        module = build_encoder(settings, Execution(remat=remat))
        features = lambda params: module.apply({"params": {"backbone": params}}, audio, mask)  # noqa: E731
        residuals = jax.eval_shape(lambda params: jax.vjp(features, params)[1], encoder.params)
        return sum(leaf.size for leaf in jax.tree.leaves(residuals))

    scores = 2 * encoder.config.num_heads * FRAMES**2
    assert kept("none") - kept("full") > encoder.config.num_layers * scores


def test_layers_in_a_loop_give_the_same_features_and_gradients(heard):
    # Of a WavLM: its position bias is shared by all layers and has parameters.
    layout = dataclasses.replace(LAYOUT, architecture="wavlm")
    settings = EncoderConfig(
        kind="pretrained", layer="weighted", architecture=layout, finetune=True
    )
    audio, mask, _ = heard

    def found(scan):
        module = build_encoder(settings, Execution(scan_layers=scan))
        shapes = jax.eval_shape(module.init, jax.random.key(0), audio, mask)["params"]
        params = named_leaves(lively(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)))
        others = {name: params.pop(name) for name in list(params) if "/front_end/" in name}

        def loss(params, others):
            return jnp.sum(module.apply({"params": nested(params | others)}, audio, mask) ** 2)

        value, gradient = jax.device_get(jit_to_run_once(jax.value_and_grad(loss))(params, others))
        return {"loss": value, **gradient}

    expected, looped = found(False), found(True)
    assert looped.keys() == expected.keys() and any(
        "relative_positions" in name for name in expected
    )
    for name, value in expected.items():
        np.testing.assert_allclose(
            looped[name], value, rtol=1e-4, atol=1e-5 * np.abs(value).max(), err_msg=name
        )
