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
from tests.run_once import jit_to_run_once


def parameters(x):
    draw, width = np.random.default_rng(1), x.shape[-1]
    scale, bias = 1 + draw.normal(size=width), draw.normal(size=width)
    return {"params": {"scale": jnp.float32(scale), "bias": jnp.float32(bias)}}


# the form of the sums, not where they are computed
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_gradients_and_names_are_those_of_flax(backend, dtype, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x = np.float32(3 * np.random.default_rng(2).normal(size=(2, 5, 16)) + 1)
    params = parameters(x)

    def loss(params, x, layer):
        return jnp.sum(jnp.sin(layer.apply(params, x.astype(dtype)).astype(jnp.float32)))

    layers = (kind(epsilon=1e-5, dtype=dtype) for kind in (LayerNorm, nn.LayerNorm))
    graded = jit_to_run_once(jax.value_and_grad(loss, argnums=(0, 1)), static_argnums=2)
    (value, found), (expected_value, expected) = jax.device_get(
        [graded(params, x, layer) for layer in layers]
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

    def squared(x):
        value = layer.apply(params, x)
        return jnp.sum(value**2), value

    gradient, value = jit_to_run_once(jax.grad(squared, has_aux=True))(x)
    np.testing.assert_allclose(value[0, 0], params["params"]["bias"], atol=1e-2)
    assert np.isfinite(gradient).all()
