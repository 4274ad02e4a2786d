"""Execution settings of layers: they change speed and memory, but not the function that a layer
computes.

They are passed together from a configuration through the network to each layer.
"""

from dataclasses import dataclass, replace

import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.config import Config


@dataclass(frozen=True)
class Execution:
    """The defaults are the plain settings: float32, XLA's attention, no rematerialisation, no loop
    over layers.
    """

    dtype: DTypeLike = jnp.float32  # of dense layers and of the products of attention
    attention: str = "xla"  # see fused_attention.fuses
    remat: str = "none"  # what a layer stores for the backward pass, see remat.py
    scan_layers: bool = False  # one layer of a stack is compiled and looped, see stack.py
    # whether the predictions of guidance are one batch; None: on accelerators (diffusion/guidance)
    batch_guidance: bool | None = None

    @property
    def unrolled(self) -> "Execution":
        """Return the settings of a sampler, which runs each layer many times: unrolled layers avoid
        copies of their weights.
        """
        return replace(self, scan_layers=False)


def configured_execution(config: Config) -> Execution:
    """Return the execution settings that a configuration has in `model` and `train`."""
    model, train = config.model, config.train
    return Execution(
        dtype=jnp.dtype(model.compute_dtype),
        attention=model.attention,
        remat=train.remat,
        scan_layers=train.scan_layers,
    )
