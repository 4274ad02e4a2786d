"""The dense layer against flax's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.dense import Dense, JoinedDense
from ksdiff_jax.tree import named_leaves


@pytest.mark.parametrize("shape", [(5, 6), (2, 5, 6), (2, 3, 5, 6)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_gradients_and_names_are_those_of_flax(shape, dtype):
    x = jax.random.normal(jax.random.key(0), shape)
    ours, theirs = Dense(4, dtype=dtype), nn.Dense(4, dtype=dtype)
    params = theirs.init(jax.random.key(1), x)

    def loss(params, x, layer):
        return jnp.sum(jnp.sin(layer.apply(params, x).astype(jnp.float32)))

    (value, found), (expected_value, expected) = (
        jax.value_and_grad(loss, argnums=(0, 1))(params, x, layer) for layer in (ours, theirs)
    )
    assert value == expected_value
    assert named_leaves(found[0]).keys() == named_leaves(expected[0]).keys()
    tolerance = 1e-5 if dtype == jnp.float32 else 0.05
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


@pytest.mark.parametrize(("features", "left"), [(4, "f32[4,6]"), (8, "f32[6,8]")])
def test_the_gradient_of_the_kernel_is_one_product_over_all_tokens_with_the_narrow_side_to_the_left(
    features, left
):
    layer, x = Dense(features), jnp.ones((2, 5, 6))
    params = layer.init(jax.random.key(0), x)
    text = str(jax.make_jaxpr(jax.grad(lambda params: jnp.sum(layer.apply(params, x))))(params))
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert any(f":{left} = dot_general" in line for line in products)
    assert "dimension_numbers=(([0], [0]), ([], []))" in text
    assert text.count("transpose") == (features < 6)  # of the gradient itself, never of the tokens


def test_a_layer_of_several_inputs_is_the_layer_of_their_concatenation():
    parts = [
        jax.random.normal(key, (2, 5, width))
        for key, width in zip(jax.random.split(jax.random.key(0)), (6, 3), strict=True)
    ]
    ours, theirs = JoinedDense(4), Dense(4)
    params = theirs.init(jax.random.key(1), jnp.concatenate(parts, axis=-1))
    jax.tree.map(np.testing.assert_array_equal, ours.init(jax.random.key(1), *parts), params)

    def loss(params, parts, layer):
        inputs = parts if layer is ours else [jnp.concatenate(parts, axis=-1)]
        return jnp.sum(jnp.sin(layer.apply(params, *inputs)))

    found, expected = (
        jax.grad(loss, argnums=(0, 1))(params, parts, layer) for layer in (ours, theirs)
    )
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
