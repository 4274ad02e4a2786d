"""The dense layer of all our models: `flax.linen.Dense` with a backward pass in the form that a CPU
multiplies fast.

The gradient of the kernel of y = x W is xᵀ g over all tokens. Differentiating a `dot_general` asks
for gᵀ x and turns that around. XLA on a CPU packs a turned left side anew for every tile of the
result, so that this takes up to twice as long where g is the wider of the two; on an accelerator it
makes no difference. `product` has the narrower one to the left, with the tokens of all clips in one
axis. Parameters are those of `flax.linen.Dense`, names included.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike

from ksdiff_jax.typing import Array, Float

PRODUCT_NAME = "dense"  # what remat.py knows the results by


@jax.custom_vjp
def product(x: Float[Array, "*n i"], kernel: Float[Array, "i o"]) -> Float[Array, "*n o"]:
    """x W over the last axis of x."""
    return jax.lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(x, kernel), (x, kernel)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = kept
    to_x = jax.lax.dot_general(gradient, kernel, (((gradient.ndim - 1,), (1,)), ((), ())))
    tokens, gradients = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
    over_tokens = (((0,), (0,)), ((), ()))
    # behind a barrier, or XLA turns the product itself around again
    if kernel.shape[0] > kernel.shape[1]:
        return to_x, jax.lax.optimization_barrier(
            jax.lax.dot_general(gradients, tokens, over_tokens)
        ).T
    return to_x, jax.lax.dot_general(tokens, gradients, over_tokens)


product.defvjp(_forward, _backward)


def _as_dot_general(
    x: Array, kernel: Array, dimensions: tuple, precision: None = None, **_: None
) -> Array:
    """`product` under the signature by which `nn.Dense` calls its product."""
    assert dimensions == (((x.ndim - 1,), (0,)), ((), ())) and precision is None, (
        "not the product of a dense layer"
    )
    return checkpoint_name(product(x, kernel), PRODUCT_NAME)


Dense = functools.partial(nn.Dense, dot_general=_as_dot_general)


class JoinedDense(nn.Module):
    """A dense layer of several inputs side by side, without joining them: a sum of products with
    parts of the kernel.

    Parameters, names and initial values are those of `Dense` of the concatenation.
    """

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, *parts: Float[Array, "*n _"]) -> Float[Array, "*n o"]:
        widths = [part.shape[-1] for part in parts]
        kernel = self.param(
            "kernel", nn.linear.default_kernel_init, (sum(widths), self.features)
        ).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        kernels = jnp.split(kernel, np.cumsum(widths)[:-1])
        products = (
            product(part.astype(self.dtype), kernel)
            for part, kernel in zip(parts, kernels, strict=True)
        )
        return sum(checkpoint_name(result, PRODUCT_NAME) for result in products) + bias
