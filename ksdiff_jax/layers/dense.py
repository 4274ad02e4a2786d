"""The dense layer of all our models: `flax.linen.Dense` computed by `kernels.product`.

Parameters and their names are those of `flax.linen.Dense`.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike

from ksdiff_jax.layers.kernels.product import product
from ksdiff_jax.typing import Array, Float

PRODUCT_NAME = "dense"  # the name of the results in remat.py


def _as_dot_general(
    x: Array, kernel: Array, dimensions: tuple, precision: None = None, **_: None
) -> Array:
    """`product` with the signature that `nn.Dense` uses for its product."""
    assert dimensions == (((x.ndim - 1,), (0,)), ((), ())) and precision is None, (
        "not the product of a dense layer"
    )
    return checkpoint_name(product(x, kernel), PRODUCT_NAME)


Dense = functools.partial(nn.Dense, dot_general=_as_dot_general)


class JoinedDense(nn.Module):
    """A dense layer of several inputs without concatenating them: a sum of products with parts of
    the kernel.

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
