"""The names and shapes of an autoencoder's weights in diffusers' files.

Our modules have diffusers' names, so a name there is ours with other separators:

| ours | theirs |
|---|---|
| encoder/down_blocks_0/resnets_1/conv1/kernel | encoder.down_blocks.0.resnets.1.conv1.weight |
| .../norm1/{scale, bias} | ....norm1.{weight, bias} |
| attentions_0/attention/{query, key, value, out} | attentions.0.{to_q, to_k, to_v, to_out.0} |
| codebook | quantize.embedding.weight |

A kernel is (out, in, height, width) there and (height, width, in, out) here. Files of the first
releases name the attention query, key, value and proj_attn; their names are `FORMER`.
"""

import re
from typing import NamedTuple

import numpy as np

from ksdiff_jax.typing import Float

_NUMBERED = re.compile(r"(down_blocks|up_blocks|resnets|attentions|downsamplers|upsamplers)_(\d+)")
_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias"}
_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "out": "to_out.0"}
FORMER = {
    f"mid_block.attentions.0.{old}.": f"mid_block.attentions.0.{new}."
    for old, new in (
        ("query", "to_q"),
        ("key", "to_k"),
        ("value", "to_v"),
        ("proj_attn", "to_out.0"),
    )
}


class Origin(NamedTuple):
    """A weight of the original: its key and its shape there."""

    key: str
    shape: tuple[int, ...]
    is_kernel: bool = True  # False: a table, whose axes are ours

    @property
    def ours(self) -> tuple[int, ...]:
        """Return the shape of it here."""
        if len(self.shape) < 2 or not self.is_kernel:
            return self.shape
        return (*self.shape[2:], self.shape[1], self.shape[0])

    def converted(self, weight: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*m"]:
        """Return the weight with the axes of ours: a kernel's inputs and outputs last."""
        if weight.ndim < 2 or not self.is_kernel:
            return weight
        return np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-1, -2)))


def origin(name: str, shape: tuple[int, ...]) -> Origin:
    """Return the origin of our parameter `name` of this shape."""
    if name == "codebook":
        return Origin("quantize.embedding.weight", shape, False)
    *modules, leaf = name.split("/")
    attends = "attention" in modules
    path = [_ATTENTION.get(part, part) if attends else part for part in modules]
    parts = [_NUMBERED.sub(r"\1.\2", part) for part in path if part != "attention"]
    return Origin(".".join([*parts, _LEAVES[leaf]]), theirs(shape))


def theirs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that PyTorch has for a kernel, or a vector, of ours."""
    return (*reversed(shape[-2:]), *shape[:-2]) if len(shape) > 1 else shape
