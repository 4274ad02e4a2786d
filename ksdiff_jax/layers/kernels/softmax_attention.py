"""Softmax attention as plain matrix products, with a custom backward pass.

    S = Q Kᵀ / √d + bias,  E = exp(S − max S),  P = E / rowsum(E),  O = E V / rowsum(E)
    dV = Pᵀ dO,  dS = P ⊙ (dO Vᵀ − rowsum(dO ⊙ O)),  dQ = dS K / √d,  dK = dSᵀ Q / √d

The row sums are over head channels instead of keys (Dao et al. 2022, "FlashAttention", App. B.4).
Of all arrays of b · h · q · k numbers, only E is therefore stored. Products over queries are
written as (channels, queries) x (queries, keys), the form that XLA multiplies fastest on a CPU.

Measured forward and backward against the plain form in interleaved pairs, two CPU cores, float32,
jaxlib 0.10.2; medians of 21 with the quartiles: 8 clips of 128 frames, 8 heads of 32: 1.19 times as
fast (1.06 to 1.28).
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.typing import Array, Bool, Float

_MASKED = -1e9


@jax.custom_vjp
def softmax_attention(
    queries: Float[Array, "b q h d"],
    keys: Float[Array, "b k h d"],
    values: Float[Array, "b k h d"],
    mask: Bool[Array, "*#bh #q k"] | None,
    bias: Float[Array, "*#h q k"] | None,
) -> Float[Array, "b q h d"]:
    """Softmax attention; `mask` (True = visible) and `bias` broadcast against (b, h, q, k). Scores
    are float32.

    A query whose keys are all masked gets the mean of the values. `bias` is treated as a constant:
    its gradient is zero.
    """
    return _forward(queries, keys, values, mask, bias)[0]


def _forward(
    queries: Array, keys: Array, values: Array, mask: Array | None, bias: Array | None
) -> tuple:
    q, k, v = (jnp.swapaxes(x, 1, 2) for x in (queries * queries.shape[-1] ** -0.5, keys, values))
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k, preferred_element_type=jnp.float32)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = jnp.where(mask, scores, _MASKED)
    # Without the barrier XLA recomputes the exponential at each use.
    exponentials = jax.lax.optimization_barrier(
        jnp.exp(scores - scores.max(axis=-1, keepdims=True))
    )
    normal = 1 / exponentials.sum(axis=-1, keepdims=True)
    exponentials = exponentials.astype(values.dtype)
    answer = (jnp.einsum("bhqk,bhkd->bhqd", exponentials, v) * normal).astype(values.dtype)
    return jnp.swapaxes(answer, 1, 2), (q, k, v, mask, bias, exponentials, normal, answer)


def _backward(kept: tuple, gradient: Array) -> tuple:
    q, k, v, mask, bias, exponentials, normal, answer = kept
    weights = exponentials * normal  # float32
    gradient = jnp.swapaxes(gradient, 1, 2)
    to_weights = jnp.einsum("bhqd,bhkd->bhqk", gradient, v, preferred_element_type=jnp.float32)
    along = jnp.sum((gradient * answer).astype(jnp.float32), axis=-1, keepdims=True)
    to_scores = (weights * (to_weights - along)).astype(q.dtype)
    # if all keys are masked, weights are nonzero but do not depend on scores
    if mask is not None:
        to_scores = jnp.where(mask, to_scores, 0)
    to_values = jnp.einsum("bhdq,bhqk->bhdk", jnp.swapaxes(gradient, 2, 3), weights.astype(v.dtype))
    to_keys = jnp.einsum("bhdq,bhqk->bhdk", jnp.swapaxes(q, 2, 3), to_scores)
    to_queries = jnp.einsum("bhqk,bhkd->bhqd", to_scores, k) * q.shape[-1] ** -0.5
    to_bias = None if bias is None else jnp.zeros_like(bias)
    return (
        jnp.swapaxes(to_queries, 1, 2),
        to_keys.transpose(0, 3, 1, 2),
        to_values.transpose(0, 3, 1, 2),
        None,
        to_bias,
    )


softmax_attention.defvjp(_forward, _backward)
