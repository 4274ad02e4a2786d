"""Softmax attention in groups of queries, whose scores exist one group at a time.

    O_i = softmax(Q_i Kᵀ / √d + bias_i) V   for each group i of queries

Softmax is over keys, so that each group is exact by itself. The backward pass computes a group's
scores again and adds up dK and dV (Rabe and Staats 2021, "Self-attention does not need O(n²)
memory"). `needs_rows` decides from the shapes: feature maps of pictures have scores of several
gigabytes, motion has not.
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.layers.kernels.softmax_attention import softmax_attention
from ksdiff_jax.typing import Array, Bool, Float

MOST_SCORES = 2**25  # of an attention that is computed whole: 128 MiB of float32
_SCORES_PER_GROUP = 2**23


def needs_rows(queries: Float[Array, "b q h d"], keys: Float[Array, "b k h d"]) -> bool:
    """Return whether the scores, b · h · q · k numbers, are more than `MOST_SCORES`."""
    return _scores_per_query(queries, keys) * queries.shape[1] > MOST_SCORES


def attention_by_rows(
    queries: Float[Array, "b q h d"],
    keys: Float[Array, "b k h d"],
    values: Float[Array, "b k h d"],
    mask: Bool[Array, "*#bh #q k"] | None,
    bias: Float[Array, "*#h q k"] | None,
    *,
    rows: int | None = None,
) -> Float[Array, "b q h d"]:
    """`softmax_attention` of groups of `rows` queries. None: a power of two, so that a group has at
    most 2²³ scores.

    The last group is filled with queries of zeros, which are cut off.
    """
    count = queries.shape[1]
    rows = rows or _power_of_two_to(_SCORES_PER_GROUP // _scores_per_query(queries, keys))
    groups = -(-count // rows)
    extra = groups * rows - count

    def grouped(array: Array, axis: int) -> Array:
        """Return the groups along `axis` as a new first axis."""
        padding = [(0, extra if index == axis else 0) for index in range(array.ndim)]
        shape = (*array.shape[:axis], groups, rows, *array.shape[axis + 1 :])
        return jnp.moveaxis(jnp.pad(array, padding).reshape(shape), axis, 0)

    given = {"mask": mask, "bias": bias}
    by_query = {
        name: array
        for name, array in given.items()
        if array is not None and array.shape[-2] == count
    }
    groups_of = {name: grouped(array, array.ndim - 2) for name, array in by_query.items()}

    def attend(group: tuple[Array, dict[str, Array]]) -> Array:
        some, chosen = group
        each = given | chosen
        return softmax_attention(some, keys, values, each["mask"], each["bias"])

    answers = jax.lax.map(
        jax.checkpoint(attend, prevent_cse=False), (grouped(queries, 1), groups_of)
    )
    whole = jnp.moveaxis(answers, 0, 1).reshape(queries.shape[0], groups * rows, *queries.shape[2:])
    return whole[:, :count]


def _scores_per_query(queries: Array, keys: Array) -> int:
    batch, _, heads, _ = queries.shape
    return batch * heads * keys.shape[1]


def _power_of_two_to(most: int) -> int:
    """Return the largest power of two that is not above `most`, at least 1."""
    return 1 << max(0, most.bit_length() - 1)
