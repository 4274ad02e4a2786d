"""What is frozen, and that trees come apart and together again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models.frozen import is_frozen, join, part, stop_frozen
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import override

PRETRAINED = override(Config(), {"model.encoder.kind": "pretrained"})
FINETUNED = override(PRETRAINED, {"model.encoder.finetune": "true"})
PARAMS = {
    "encoder": {"backbone": {"layer_0": {"kernel": np.ones((2, 3))}}, "layer_weights": np.zeros(4)},
    "generators_head": {"backbone": {"kernel": np.ones(2)}},
}


@pytest.mark.parametrize(
    ("config", "frozen"), [(Config(), False), (PRETRAINED, True), (FINETUNED, False)]
)
def test_only_the_weights_of_a_pretrained_encoder_that_is_not_finetuned_are_frozen(config, frozen):
    assert is_frozen("encoder/backbone/layer_0/kernel", config) == frozen
    for name in (
        "encoder/layer_weights",
        "generators_head/backbone/kernel",
        "encoder/backbone_norm/scale",
    ):
        assert not is_frozen(name, config)


def test_parts_are_disjoint_and_join_to_the_whole():
    trainable, frozen = part(PARAMS, PRETRAINED)
    assert trainable == {"encoder": {"layer_weights": PARAMS["encoder"]["layer_weights"]}} | {
        "generators_head": PARAMS["generators_head"]
    }
    assert list(frozen) == ["encoder"] and list(frozen["encoder"]) == ["backbone"]
    whole = join(trainable, frozen)
    assert jax.tree.structure(whole) == jax.tree.structure(PARAMS)
    assert all(a is b for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(PARAMS), strict=True))


def test_without_a_pretrained_encoder_the_tree_is_left_as_it_is():
    assert part(PARAMS, Config()).trainable is PARAMS and part(PARAMS, Config()).frozen == {}
    assert join(PARAMS, {}) is PARAMS


@pytest.mark.parametrize(("config", "gradient"), [(PRETRAINED, 0.0), (FINETUNED, 2.0)])
def test_frozen_parameters_have_their_values_but_no_gradient(config, gradient):
    def squares(params):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(stop_frozen(params, config)))

    value, gradients = jax.value_and_grad(squares)(PARAMS)
    assert value == 8.0
    np.testing.assert_array_equal(gradients["encoder"]["backbone"]["layer_0"]["kernel"], gradient)
    np.testing.assert_array_equal(gradients["generators_head"]["backbone"]["kernel"], 2.0)
