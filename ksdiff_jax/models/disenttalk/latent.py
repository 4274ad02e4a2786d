"""Z_0 of Eq. 3: the latent sequence to which noise is added, computed from the normalised numbers
of E.

| model.latent | Z_0 | channels of a region | back to E |
|---|---|---|---|
| linear | the numbers of each region, (E − mean) / std | K_r | the inverse |
| autoencoder | the code of each region, of mean square 1 | K_r + 1 | the decoder |

The regions are concatenated in the order of Eq. 4. The paper does not describe its latent (R). A
code is a point on a sphere of K_r dimensions. The sphere can represent the whole region, and
training cannot shrink Z_0 until ε is trivial to predict. The autoencoder is trained only by its
reconstruction; it gets no gradient of Eq. 8.
"""

import itertools
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.models.disenttalk.config import ModelConfig
from ksdiff_jax.typing import Array, Float

Regions = Mapping[str, tuple[int, ...]]  # indices into E of every region, in the order of Eq. 4

_SMALLEST_SQUARE = 1e-6


def latent_widths(config: ModelConfig, regions: Regions) -> dict[str, int]:
    """Return the number of channels of Z_0 of each region."""
    extra = 1 if config.latent == "autoencoder" else 0
    return {region: len(numbers) + extra for region, numbers in regions.items()}


def channels_of(widths: dict[str, int], region: str) -> slice:
    """Return the slice of Z_0 that contains the channels of a region."""
    before = itertools.takewhile(lambda name: name != region, widths)
    start = sum(widths[name] for name in before)
    return slice(start, start + widths[region])


class RegionCode(nn.Module):
    """An encoder of two layers for the code of a region, and a decoder of two layers."""

    numbers: int
    hidden: int
    dtype: DTypeLike

    def setup(self) -> None:
        self.encode_up = Dense(self.hidden, dtype=self.dtype)
        self.encode_down = Dense(self.numbers + 1, dtype=jnp.float32)
        self.decode_up = Dense(self.hidden, dtype=self.dtype)
        self.decode_down = Dense(self.numbers, dtype=jnp.float32)

    def encode(self, values: Float[Array, "b t n"]) -> Float[Array, "b t z"]:
        """Return the code, of mean square 1 in every frame."""
        code = self.encode_down(nn.gelu(self.encode_up(values)))
        square = jnp.mean(code**2, axis=-1, keepdims=True)
        return code * jax.lax.rsqrt(square + _SMALLEST_SQUARE)

    def decode(self, code: Float[Array, "b t z"]) -> Float[Array, "b t n"]:
        """Return the numbers of the region."""
        return self.decode_down(nn.gelu(self.decode_up(code)))


class Latent(nn.Module):
    """E to Z_0 and back."""

    config: ModelConfig
    regions: Regions
    dtype: DTypeLike

    def setup(self) -> None:
        if self.config.latent == "autoencoder":
            hidden = self.config.width
            self.codes = {
                region: RegionCode(len(numbers), hidden, self.dtype)
                for region, numbers in self.regions.items()
            }

    def encode(self, expression: Float[Array, "b t n"]) -> Float[Array, "b t z"]:
        """Return Z_0 of normalised numbers."""
        parts = {name: expression[..., np.array(some)] for name, some in self.regions.items()}
        if self.config.latent == "autoencoder":
            parts = {name: self.codes[name].encode(part) for name, part in parts.items()}
        return jnp.concatenate(list(parts.values()), axis=-1)

    def decode(self, latent: Float[Array, "b t z"]) -> Float[Array, "b t n"]:
        """Return the normalised numbers of Z_0."""
        widths = latent_widths(self.config, self.regions)
        parts = {name: latent[..., channels_of(widths, name)] for name in self.regions}
        if self.config.latent == "autoencoder":
            parts = {name: self.codes[name].decode(part) for name, part in parts.items()}
        places = np.concatenate([np.array(numbers) for numbers in self.regions.values()])
        return jnp.concatenate(list(parts.values()), axis=-1)[..., np.argsort(places)]
