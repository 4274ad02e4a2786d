"""The matrix product of a dense layer, with a backward pass in the form that a CPU multiplies fast.

The gradient of the kernel of y = x W is xᵀ g over all tokens. Differentiating a `dot_general`
computes gᵀ x and transposes it. XLA on a CPU repacks a transposed left operand for every tile of
the result, which is slow if g is the wider of the two. `product` puts the narrower one on the left,
with the tokens of all clips in one axis. On an accelerator it makes no difference.

Measured forward and backward against the plain form in interleaved pairs, two CPU cores, float32,
jaxlib 0.10.2; medians of 21 with the quartiles:
1,024 tokens, 512 -> 128 channels: 1.23 times as fast (1.05 to 1.38); 128 -> 512: 1.51 (1.35 to
2.42).
"""

import jax

from ksdiff_jax.typing import Array, Float


@jax.custom_vjp
def product(x: Float[Array, "*n i"], kernel: Float[Array, "i o"]) -> Float[Array, "*n o"]:
    """Return x W over the last axis of x."""
    return jax.lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(x, kernel), (x, kernel)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = kept
    to_x = jax.lax.dot_general(gradient, kernel, (((gradient.ndim - 1,), (1,)), ((), ())))
    tokens, gradients = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
    over_tokens = (((0,), (0,)), ((), ()))
    # without the barrier XLA transposes the product again
    if kernel.shape[0] > kernel.shape[1]:
        return to_x, jax.lax.optimization_barrier(
            jax.lax.dot_general(gradients, tokens, over_tokens)
        ).T
    return to_x, jax.lax.dot_general(tokens, gradients, over_tokens)


product.defvjp(_forward, _backward)
