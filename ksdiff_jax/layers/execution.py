"""Execution settings of layers: they change speed and memory, but not the function that a layer
computes.

They are passed together from a configuration through the network to each layer.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax.typing import DTypeLike


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
