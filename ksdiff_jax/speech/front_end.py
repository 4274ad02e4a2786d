"""The convolutional front end that Wav2Vec 2.0, HuBERT and WavLM share: samples (b, s) -> features
(b, n, c).

Seven strided convolutions without padding give n = (s - 400) // 320 + 1 frames for the usual
kernels and strides. The receptive field of frame i is the 400 samples from 320 i on. There are two
layouts (Baevski et al. 2020, appendix B; transformers' feat_extract_norm):

    group  (base models)   conv -> norm of each channel over time -> activation,
                           then conv -> activation six times
    layer  (large models)  conv -> layer norm over channels -> activation, seven times

The norm over time makes every feature depend on the whole recording. `valid` is the number of
frames of the first convolution that are sound and not padding. Only these enter the norm, so that
padding changes no frame of the sound. If a recording is processed in chunks, `moments` are the mean
and variance (b, c) over the whole of it.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.typing import Array, Float, Int

NORM_EPS = 1e-5  # of both norms in the originals, independent of layer_norm_eps
ACTIVATIONS = {
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_new": lambda x: jax.nn.gelu(x, approximate=True),
    "relu": jax.nn.relu,
}


class Moments(NamedTuple):
    """Mean and variance over time of the first convolution's channels."""

    mean: Float[Array, "b c"]
    variance: Float[Array, "b c"]


def frame_count(samples: int, config: PretrainedEncoderConfig) -> int:
    """Return the number of frames that the front end computes from this many samples; 0 if there
    are too few.
    """
    for kernel, stride in zip(config.conv_kernels, config.conv_strides, strict=True):
        samples = (samples - kernel) // stride + 1 if samples >= kernel else 0
    return samples


def receptive_field(config: PretrainedEncoderConfig) -> int:
    """Return the number of samples that one frame depends on: 400 for the usual layout."""
    field, hop = 1, 1
    for kernel, stride in zip(config.conv_kernels, config.conv_strides, strict=True):
        field, hop = field + (kernel - 1) * hop, hop * stride
    return field


def hop_samples(config: PretrainedEncoderConfig) -> int:
    """Return the number of samples from one frame to the next: 320 for the usual layout."""
    return int(np.prod(config.conv_strides))


class StridedConvolution(nn.Module):
    """Convolution along time without padding."""

    features: int
    kernel_size: int
    stride: int
    use_bias: bool
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b n d"]:
        shape = (self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape).astype(self.dtype)
        out = jax.lax.conv_general_dilated(
            x, kernel, (self.stride,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")
        )
        if self.use_bias:
            out = out + self.param("bias", nn.initializers.zeros, (self.features,)).astype(
                self.dtype
            )
        return out


class NormOverTime(nn.Module):
    """Normalises each channel to mean 0 and variance 1 over the valid frames, then scales and
    shifts it.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t c"], valid: Int[Array, "b"] | None, moments: Moments | None
    ) -> Float[Array, "b t c"]:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        wide = x.astype(jnp.float32)
        if moments is None:
            moments = _moments(wide, valid)
        gain = scale * jax.lax.rsqrt(moments.variance + NORM_EPS)
        return (wide * gain[:, None] + (bias - moments.mean * gain)[:, None]).astype(x.dtype)


def _moments(x: Float[Array, "b t c"], valid: Int[Array, "b"] | None) -> Moments:
    if valid is None:
        return Moments(x.mean(axis=1), x.var(axis=1))
    inside = (jnp.arange(x.shape[1]) < valid[:, None])[..., None]
    count = jnp.maximum(valid, 1)[:, None].astype(jnp.float32)
    mean = jnp.sum(jnp.where(inside, x, 0.0), axis=1) / count
    deviation = jnp.where(inside, x - mean[:, None], 0.0)
    return Moments(mean, jnp.sum(deviation**2, axis=1) / count)


class FrontEnd(nn.Module):
    """Samples to features; parameters `convolution_<i>` and `norm_<i>`."""

    config: PretrainedEncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        audio: Float[Array, "b s"],
        *,
        valid: Int[Array, "b"] | None = None,
        moments: Moments | None = None,
    ) -> Float[Array, "b n c"]:
        config = self.config
        activation = ACTIVATIONS[config.conv_activation]
        x = audio[..., None].astype(self.dtype)
        layers = zip(config.conv_dims, config.conv_kernels, config.conv_strides, strict=True)
        for index, (features, kernel, stride) in enumerate(layers):
            x = StridedConvolution(
                features,
                kernel,
                stride,
                use_bias=config.conv_bias,
                dtype=self.dtype,
                name=f"convolution_{index}",
            )(x)
            if config.feature_norm == "layer":
                x = nn.LayerNorm(epsilon=NORM_EPS, dtype=jnp.float32, name=f"norm_{index}")(
                    x
                ).astype(self.dtype)
            elif index == 0:
                x = NormOverTime(name="norm_0")(x, valid, moments)
            x = activation(x)
        return x
