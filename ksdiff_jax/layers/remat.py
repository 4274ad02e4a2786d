"""Rematerialisation: what a layer stores for the backward pass, and what it recomputes instead.

| name | stored per layer | computed twice | use |
|---|---|---|---|
| none | everything | nothing | when memory suffices |
| dots | its input, results of dense layers | scores, softmax, norms, activations | long clips |
| full | its input | the whole layer, about a third more work per step | the last resort |

Gradients and dropout masks are the same for all three (Chen et al. 2016, "Training deep nets with
sublinear memory cost").

XLA's CPU compiler may start a recomputation once its input is there: in a UNet's training step
with `full`, the recomputed scores of all blocks were alive at the peak of memory (jaxlib 0.10.2).
"""

from collections.abc import Callable

import flax.linen as nn
import jax

from ksdiff_jax.layers.dense import PRODUCT_NAME
from ksdiff_jax.typing import PyTree

POLICIES = {
    # The scores of attention, b · h · q · k numbers, are not stored; they are the largest arrays.
    "dots": jax.checkpoint_policies.save_only_these_names(PRODUCT_NAME),
    "full": jax.checkpoint_policies.nothing_saveable,
}


def rematerialise(
    remat: str, call: Callable[..., PyTree], layer: nn.Module, *arrays: PyTree
) -> PyTree:
    """Return `call(layer, *arrays)`, storing for the backward pass what the policy `remat` selects.

    `call` may close over arrays that need no gradient, such as masks, and over objects that are not
    arrays.
    """
    if remat == "none":
        return call(layer, *arrays)
    return nn.remat(call, policy=POLICIES[remat])(layer, *arrays)


def checkpointed(
    function: Callable[..., PyTree], remat: str, *, looped: bool
) -> Callable[..., PyTree]:
    """Return `function` of arrays, without modules, under the policy `remat`; with `looped`, it is
    the body of a `lax.scan`.
    """
    if remat == "none":
        return function
    # The two passes of a loop are two loops, whose bodies the compiler does not merge.
    return jax.checkpoint(function, policy=POLICIES[remat], prevent_cse=not looped)
