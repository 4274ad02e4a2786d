"""The transform against NumPy's, and its gradient against JAX's own."""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax import fourier

SIGNAL = np.random.default_rng(0).normal(size=(2, 3, 20)).astype(np.float32)


def test_it_is_the_transform_of_numpy_with_zeros_behind():
    np.testing.assert_allclose(fourier.rfft(jnp.asarray(SIGNAL)), np.fft.rfft(SIGNAL), atol=1e-5)
    np.testing.assert_allclose(
        fourier.rfft(jnp.asarray(SIGNAL), points=32), np.fft.rfft(SIGNAL, 32), atol=1e-5
    )


def test_told_how_to_split_it_has_the_values_and_the_gradient_of_the_plain_one():
    def loss(transform, signal):
        spectrum = transform(signal)
        return jnp.sum(jnp.abs(spectrum) ** 2 * jnp.arange(11.0)) + jnp.sum(spectrum.imag**3)

    values = [jax.jit(transform)(SIGNAL) for transform in (fourier._transform, jnp.fft.rfft)]
    np.testing.assert_array_equal(*values)
    gradients = [
        jax.jit(jax.grad(lambda x, f=transform: loss(f, x)))(SIGNAL)
        for transform in (fourier._transform, jnp.fft.rfft)
    ]
    np.testing.assert_allclose(*gradients, rtol=1e-5)
