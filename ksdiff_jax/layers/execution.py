"""How layers are computed: the settings that change speed and memory, not what a layer is.

They travel together from a configuration through the network to each layer.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax.typing import DTypeLike


@dataclass(frozen=True)
class Execution:
    """The defaults are plain: float32, XLA's attention, everything kept, layers written out."""

    dtype: DTypeLike = jnp.float32  # of dense layers and products of attention
    attention: str = "xla"  # see fused_attention.fuses
    remat: str = "none"  # what a layer keeps for the backward pass, see remat.py
    scan_layers: bool = False  # one layer of a stack compiled and looped, see stack.py
