"""Rematerialisation: what a layer keeps for the backward pass, and what it computes a second time
instead.

| name | kept per layer | computed twice | for |
|---|---|---|---|
| none | everything | nothing | when memory suffices |
| dots | its input, results of dense layers | scores, softmax, norms, activations | long clips |
| full | its input | the whole layer, about a third more work per step | the last resort |

Gradients are the same, and so are dropout masks (Chen et al. 2016, "Training deep nets with
sublinear memory cost").
"""

from collections.abc import Callable

import flax.linen as nn
import jax

from ksdiff_jax.layers.dense import PRODUCT_NAME
from ksdiff_jax.typing import PyTree

POLICIES = {
    # Not the scores of attention, b · h · q · k numbers, the largest arrays of all.
    "dots": jax.checkpoint_policies.save_only_these_names(PRODUCT_NAME),
    "full": jax.checkpoint_policies.nothing_saveable,
}


def rematerialise(
    remat: str, call: Callable[..., PyTree], layer: nn.Module, *arrays: PyTree
) -> PyTree:
    """`call(layer, *arrays)`, keeping for the backward pass what the policy `remat` names.

    `call` may close over arrays that need no gradient, such as masks, and over anything that is no
    array.
    """
    if remat == "none":
        return call(layer, *arrays)
    return nn.remat(call, policy=POLICIES[remat])(layer, *arrays)


def checkpointed(
    function: Callable[..., PyTree], remat: str, *, looped: bool
) -> Callable[..., PyTree]:
    """`function` of arrays, without modules, under the policy `remat`; `looped`: it is the body of
    a `lax.scan`.
    """
    if remat == "none":
        return function
    # The two passes of a loop are two loops, whose bodies the compiler does not merge again.
    return jax.checkpoint(function, policy=POLICIES[remat], prevent_cse=not looped)
