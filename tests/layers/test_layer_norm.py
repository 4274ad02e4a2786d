"""Layer normalisation against flax's own, and its backward pass against JAX's derivative of
that.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.tree import named_leaves


def parameters(x):
    params = nn.LayerNorm().init(jax.random.key(0), x)
    keys = jax.random.split(jax.random.key(1), 2)
    return jax.tree.map(
        lambda leaf, key: leaf + jax.random.normal(key, leaf.shape),
        params,
        {"params": {"scale": keys[0], "bias": keys[1]}},
    )


# the form of the sums, not where they are computed
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_gradients_and_names_are_those_of_flax(backend, dtype, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x = 3 * jax.random.normal(jax.random.key(2), (2, 5, 16)) + 1
    params = parameters(x)

    def loss(params, x, layer):
        return jnp.sum(jnp.sin(layer.apply(params, x.astype(dtype)).astype(jnp.float32)))

    layers = (kind(epsilon=1e-5, dtype=dtype) for kind in (LayerNorm, nn.LayerNorm))
    (value, found), (expected_value, expected) = (
        jax.value_and_grad(loss, argnums=(0, 1))(params, x, layer) for layer in layers
    )
    tolerance = 1e-5 if dtype == jnp.float32 else 0.05
    np.testing.assert_allclose(value, expected_value, atol=10 * tolerance)
    assert named_leaves(found[0]).keys() == named_leaves(expected[0]).keys()
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, atol=tolerance)


def test_a_row_without_spread_is_the_bias_and_has_a_finite_gradient():
    x, layer = jnp.full((1, 3, 16), 7.0), LayerNorm()
    params = parameters(x)
    np.testing.assert_allclose(layer.apply(params, x)[0, 0], params["params"]["bias"], atol=1e-2)
    assert jnp.isfinite(jax.grad(lambda x: jnp.sum(layer.apply(params, x) ** 2))(x)).all()
