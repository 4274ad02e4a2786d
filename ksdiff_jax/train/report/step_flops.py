"""The work of one training step in floating-point operations, as XLA counts it.

The count is of the loss gradient of the whole batch as JAX lowers it, before XLA optimises it:
plain attention, no rematerialisation, every layer unrolled. Operations that a device adds to make a
step fit or run are therefore not counted. A product of (m, k) and (k, n) is 2 m k n operations.
Elementwise operations also count: at the paper's width they are about 1 % of the total, at a width
of 128 about 4 %. The optimiser is not counted. For frozen parts, the operations that their gradient
omits are not counted.

Lowering the paper's configuration takes 5 to 10 s of one core and compiles nothing.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp

from ksdiff_jax.config import flatten, to_dict
from ksdiff_jax.models.distilled import denoisers
from ksdiff_jax.models.system import System
from ksdiff_jax.overrides import override
from ksdiff_jax.train.surgery import hold
from ksdiff_jax.tree import rows_of
from ksdiff_jax.typing import PyTree

_PLAIN = {"model.attention": "xla", "train.remat": "none", "train.scan_layers": False}


def step_flops(system: System, batch: PyTree) -> float:
    """Return the FLOPs of a training step on a batch of these shapes: `batch` may contain arrays or
    shapes.
    """
    fields = flatten(to_dict(system.config))
    plain = {name: value for name, value in _PLAIN.items() if name in fields}
    config = override(system.config, plain)
    system = replace(system, config=config)

    def loss(params: PyTree, batch: PyTree) -> jax.Array:
        held = hold(params, config.train.freeze_patterns)
        keys = jax.random.split(jax.random.key(0), rows_of(batch))
        terms = system.loss(held, batch, keys, train=True)
        return sum(jnp.mean(term) for term in terms.values())

    params = jax.eval_shape(system.init, jax.random.key(0))
    if getattr(config, "distill", None) is not None and config.distill.teacher:
        params |= denoisers(params, config.system)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), batch)
    return counted_flops(jax.grad(loss), params, shapes)


def counted_flops(function: Callable, *shapes: PyTree) -> float:
    """Return the FLOPs of a function of arrays of these shapes, before XLA optimises it; 0 if this
    JAX cannot count them.

    The count is made for a CPU: the plugins of GPUs and TPUs have none.
    """
    try:
        cpu = jax.devices("cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves it out
        return 0.0
    with jax.default_device(cpu):
        analysis = jax.jit(function).lower(*shapes).cost_analysis()
    return float(analysis["flops"]) if analysis else 0.0
