"""Autoencoders of pictures in the published layouts: VQGAN (Esser et al. 2021, with latent
diffusion's f = 4, d = 3) and AutoencoderKL (Rombach et al. 2022), as in diffusers' `VQModel` and
`AutoencoderKL`.

    z = quant_conv(E(picture)),   picture = D(post_quant_conv(z))

E halves the resolution between its levels, so f = 2^(levels − 1). The KL autoencoder's E returns
mean and logarithm of the variance; `encode` returns the mean. The VQ autoencoder's `decode` first
replaces every latent by the nearest code.

FD2Talk's decoder takes two latents (§3.3): that of the reference and that of the picture, `paired`.
Its first convolution then has 2 d input channels, the reference's first. The paper prints neither a
commitment loss nor a KL loss, so paired latents are not quantised (R).
"""

from dataclasses import dataclass
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.remat import rematerialise
from ksdiff_jax.limits import at_least, need
from ksdiff_jax.pictures.blocks import Convolution, GroupNorm, LevelBlock, MiddleBlock
from ksdiff_jax.typing import Array, Float, Int

_EPSILON = 1e-6


@dataclass(frozen=True)
class AutoencoderConfig:
    """The layout; the defaults are latent diffusion's VQ autoencoder with f = 4 and d = 3."""

    kind: Literal["vq", "kl"] = "vq"
    channels: int = 128  # of the finest level
    multipliers: tuple[int, ...] = (1, 2, 4)  # of the channels, per level
    resnets: int = 2  # per level of the encoder; the decoder has one more
    latent_channels: int = 3  # d
    codes: int = 8192  # of kind vq
    groups: int = 32  # of the normalisation

    def __post_init__(self) -> None:
        group = "model.autoencoder"
        at_least(self, group, channels=1, resnets=1, latent_channels=1, codes=1, groups=1)
        levels = bool(self.multipliers) and min(self.multipliers) >= 1
        need(levels, self, f"{group}.multipliers", "one integer of 1 or more per level")
        divisible = self.channels % self.groups == 0
        need(divisible, self, f"{group}.channels", f"a multiple of the groups, {self.groups}")

    @property
    def factor(self) -> int:
        """Return f, the side of a picture over the side of its latent."""
        return 2 ** (len(self.multipliers) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the channels of every level, the finest first."""
        return tuple(self.channels * multiplier for multiplier in self.multipliers)


class Encoder(nn.Module):
    """E: picture to features of the latent's size."""

    config: AutoencoderConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 c"]:
        config, dtype = self.config, self.execution.dtype
        x = Convolution(config.channels, dtype=dtype, name="conv_in")(x)
        last = len(config.widths) - 1
        for level, width in enumerate(config.widths):
            change = "none" if level == last else "halve"
            options = (width, config.resnets, config.groups, _EPSILON, change, dtype)
            block = LevelBlock(*options, name=f"down_blocks_{level}")
            x = rematerialise(self.execution.remat, LevelBlock.__call__, block, x)
        x = MiddleBlock(config.groups, _EPSILON, self.execution, name="mid_block")(x)
        x = nn.silu(GroupNorm(config.groups, _EPSILON, dtype, name="conv_norm_out")(x))
        doubled = 2 if config.kind == "kl" else 1
        return Convolution(doubled * config.latent_channels, dtype=dtype, name="conv_out")(x)


class Decoder(nn.Module):
    """D: features of the latent's size to a picture."""

    config: AutoencoderConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 3"]:
        config, dtype = self.config, self.execution.dtype
        x = Convolution(config.widths[-1], dtype=dtype, name="conv_in")(x)
        x = MiddleBlock(config.groups, _EPSILON, self.execution, name="mid_block")(x)
        last = len(config.widths) - 1
        for level, width in enumerate(reversed(config.widths)):
            change = "none" if level == last else "double"
            options = (width, config.resnets + 1, config.groups, _EPSILON, change, dtype)
            block = LevelBlock(*options, name=f"up_blocks_{level}")
            x = rematerialise(self.execution.remat, LevelBlock.__call__, block, x)
        x = nn.silu(GroupNorm(config.groups, _EPSILON, dtype, name="conv_norm_out")(x))
        return Convolution(3, dtype=jnp.float32, name="conv_out")(x)


class Autoencoder(nn.Module):
    """Encoder and decoder. Pictures are in [-1, 1]; their sides are multiples of f."""

    config: AutoencoderConfig
    paired: bool = False  # the decoder takes the reference's latent too
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype

        def pointwise(features: int) -> Convolution:
            return Convolution(features, 1, 1, (0, 0), dtype=dtype)

        d = config.latent_channels
        self.encoder = Encoder(config, self.execution)
        self.decoder = Decoder(config, self.execution)
        self.quant_conv = pointwise(2 * d if config.kind == "kl" else d)
        self.post_quant_conv = pointwise(d)
        if config.kind == "vq":
            self.codebook = self.param("codebook", _codes, (config.codes, d))

    def encode(self, pictures: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 d"]:
        """Return latents, before quantisation; of kind kl, the mean. Always float32."""
        moments = self.quant_conv(self.encoder(pictures))
        return moments[..., : self.config.latent_channels].astype(jnp.float32)

    def quantise(self, latents: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
        """Return the nearest code of every latent."""
        return jnp.asarray(self.codebook)[self.nearest(latents)]

    def nearest(self, latents: Float[Array, "b h w d"]) -> Int[Array, "b h w"]:
        """Return the index of the nearest code of every latent."""
        products = jnp.einsum("bhwd,nd->bhwn", latents, self.codebook, precision="highest")
        return jnp.argmin(jnp.sum(self.codebook**2, axis=-1) - 2 * products, axis=-1)

    def decode(
        self,
        latents: Float[Array, "b h w d"],
        reference: Float[Array, "b h w d"] | None = None,
    ) -> Float[Array, "b h2 w2 3"]:
        """Return pictures, float32 and not clipped; a paired decoder needs the `reference`'s
        latents, other decoders take none.
        """
        if self.paired != (reference is not None):
            raise ValueError(f"reference: got {reference is not None}, need {self.paired}")
        if self.paired:
            halves = self.post_quant_conv(reference), self.post_quant_conv(latents)
            return self.decoder(jnp.concatenate(halves, axis=-1))
        if self.config.kind == "vq":
            latents = self.quantise(latents)
        return self.decoder(self.post_quant_conv(latents))

    def __call__(self, pictures: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        """Return the reconstruction; a paired decoder takes the latents twice. Used for
        initialisation.
        """
        latents = self.encode(pictures)
        return self.decode(latents, latents if self.paired else None)


def _codes(key: Array, shape: tuple[int, int]) -> Float[Array, "n d"]:
    """Return new codes, uniform as in the published model."""
    return nn.initializers.uniform(2 / shape[0])(key, shape) - 1 / shape[0]


def latent_shape(config: AutoencoderConfig, side: int) -> tuple[int, int, int]:
    """Return height, width and channels of the latent of a picture (side, side, 3).

    Raises `ValueError` unless `side` is a multiple of f.
    """
    if side % config.factor:
        raise ValueError(f"side {side}: need a multiple of {config.factor}")
    return (side // config.factor, side // config.factor, config.latent_channels)
