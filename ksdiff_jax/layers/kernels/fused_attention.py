"""Attention in one cuDNN kernel: scores are never written to memory (Dao et al. 2022,
"FlashAttention").

`fuses` decides from the configuration and from what is known during tracing:

| model.attention | fused |
|---|---|
| xla | never |
| auto | NVIDIA GPU from Ampere (compute capability 8.0), bfloat16 or float16, two queries or more |
| cudnn | the same, and an error on another device or in another dtype |

What `auto` does not fuse is computed whole, or in groups of queries if its scores are large
(attention_by_rows.py). Attention of a single query (a decoding step) is limited by bandwidth, and
banded attention (`attend_near`) is already cheap.

Measured on one H200 in bfloat16 with jaxlib 0.11.2 at the shapes of the paper's generator, 32 clips
of 10 s: 5.3 times as fast as plain products forward, 5.6 times with the backward pass.
"""

import functools

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Array, Bool, Float

_TYPES = ("bfloat16", "float16")
_WIDEST_HEAD = 128
_MASKED = -1e9
_OLDEST_CAPABILITY = (8, 0)


def fuses(implementation: str, shape: tuple[int, ...], dtype: DTypeLike) -> bool:
    """Return whether cuDNN computes the attention of queries (b, q, h, d) of this shape and dtype;
    see the table above.
    """
    if implementation == "xla":
        return False
    possible = device_fuses() and jnp.dtype(dtype).name in _TYPES
    if implementation == "cudnn" and not possible:
        raise InputError(
            f"model.attention cudnn: got {jax.default_backend()} and {jnp.dtype(dtype).name}, "
            "need an NVIDIA GPU of compute capability 8.0 or newer and model.compute_dtype "
            "bfloat16 or float16; choose auto or xla"
        )
    return possible and shape[1] > 1 and shape[3] % 8 == 0 and shape[3] <= _WIDEST_HEAD


@functools.cache
def device_fuses() -> bool:
    """Return whether the devices of this process support the kernel."""
    capability = getattr(jax.devices()[0], "compute_capability", None)
    if jax.default_backend() != "gpu" or not capability:
        return False
    try:
        return tuple(int(part) for part in str(capability).split(".")) >= _OLDEST_CAPABILITY
    except ValueError:  # AMD uses other names for its architectures
        return False


def fused_attention(
    queries: Float[Array, "b q h d"],
    keys: Float[Array, "b k h d"],
    values: Float[Array, "b k h d"],
    *,
    mask: Bool[Array, "*#bh #q k"] | None,
    bias: Float[Array, "*#h q k"] | None,
    implementation: str = "cudnn",
) -> Float[Array, "b q h d"]:
    """Softmax attention by `jax.nn.dot_product_attention`; mask and bias become one bias of shape
    (b|1, h|1, q, k).

    cuDNN's backward pass requires even numbers of queries and keys. Odd numbers are padded by one,
    which is cut off or masked.
    """
    count, memory = queries.shape[1], keys.shape[1]
    extra_query, extra_key = count % 2, memory % 2
    if mask is None and bias is None and not (extra_query or extra_key):
        return jax.nn.dot_product_attention(queries, keys, values, implementation=implementation)
    scores = (
        jnp.zeros((1, 1, count, memory))
        if bias is None
        else bias.reshape((1,) * (4 - bias.ndim) + bias.shape)
    )
    if mask is not None:
        scores = jnp.where(mask, scores, _MASKED)
    scores = jnp.pad(scores, ((0, 0), (0, 0), (0, extra_query), (0, 0)))
    scores = jnp.pad(scores, ((0, 0), (0, 0), (0, 0), (0, extra_key)), constant_values=_MASKED)
    longer = [
        jnp.pad(array, ((0, 0), (0, extra), (0, 0), (0, 0)))
        for array, extra in ((queries, extra_query), (keys, extra_key), (values, extra_key))
    ]
    answer = jax.nn.dot_product_attention(
        *longer, bias=scores.astype(queries.dtype), implementation=implementation
    )
    return answer[:, :count]
