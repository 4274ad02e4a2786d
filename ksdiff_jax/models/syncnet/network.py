"""SyncNet in its second form, `syncnet_v2` (Chung and Zisserman, "Out of time: automated lip sync
in the wild", 2016): two streams that map 0.2 s of a face and of its sound to one space.

    lips   5 frames of 224 x 224 at 25 Hz, channels blue, green, red, 0 to 255 -> (1024,)
    sound  20 frames of 13 cepstral coefficients at 100 Hz (`audio.mfcc`)      -> (1024,)

Each stream is six convolutions, every one followed by a normalisation with stored moments and a
rectifier, and two dense layers:

| layer | lips: kernel, stride, pad, width, pooling | sound |
|---|---|---|
| 0 | 5 x 7 x 7, 2, 0, 96, max 3 by 2 | 3 x 3, 1, 1, 64 |
| 1 | 5 x 5, 2, 1, 256, max 3 by 2 with pad 1 | 3 x 3, 1, 1, 192, max 3 by (1, 2) |
| 2 | 3 x 3, 1, 1, 256 | 3 x 3, 1, 1, 384 |
| 3 | 3 x 3, 1, 1, 256 | 3 x 3, 1, 1, 256 |
| 4 | 3 x 3, 1, 1, 256, max 3 by 2 | 3 x 3, 1, 1, 256, max 3 by 2 |
| 5 | 6 x 6, 1, 0, 512 | 5 x 4, 1, 0, 512 |

The sound is a picture of 13 coefficients by 20 instants. Only layer 0 of the lips spans time, so
it turns the frames of a whole clip into its windows, and the rest works on each window alone.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ksdiff_jax.typing import Array, Float

PICTURE_SIDE = 224
WINDOW_FRAMES = 5
WINDOW_COEFFICIENTS = 20  # instants of the sound, four for each frame
COEFFICIENTS = 13
EMBEDDING = 1024
HIDDEN = 512
NORM_EPS = 1e-5


class Pool(NamedTuple):
    """A maximum over windows of 3 x 3."""

    strides: tuple[int, int]
    pad: int = 0


class Layer(NamedTuple):
    """A convolution, and the pooling that follows its rectifier."""

    kernel: tuple[int, ...]
    width: int
    stride: int = 1
    pad: int = 0
    pool: Pool | None = None


LIPS = (
    Layer((WINDOW_FRAMES, 7, 7), 96, stride=2, pool=Pool((2, 2))),
    Layer((5, 5), 256, stride=2, pad=1, pool=Pool((2, 2), pad=1)),
    Layer((3, 3), 256, pad=1),
    Layer((3, 3), 256, pad=1),
    Layer((3, 3), 256, pad=1, pool=Pool((2, 2))),
    Layer((6, 6), 512),
)
SOUND = (
    Layer((3, 3), 64, pad=1),
    Layer((3, 3), 192, pad=1, pool=Pool((1, 2))),
    Layer((3, 3), 384, pad=1),
    Layer((3, 3), 256, pad=1),
    Layer((3, 3), 256, pad=1, pool=Pool((2, 2))),
    Layer((5, 4), 512),
)


class StoredNorm(nn.Module):
    """Batch normalisation as it is used after training: (x - mean) / sqrt(variance + eps) * scale +
    bias, with the moments that training collected.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
        """Return the normalised values of each channel."""
        ones, zeros, width = nn.initializers.ones, nn.initializers.zeros, x.shape[-1:]
        scale, bias = self.param("scale", ones, width), self.param("bias", zeros, width)
        mean, variance = self.param("mean", zeros, width), self.param("variance", ones, width)
        factor = scale * jax.lax.rsqrt(variance + NORM_EPS)
        return x * factor + (bias - mean * factor)


class Stream(nn.Module):
    """The convolutions and dense layers of one stream."""

    layers: tuple[Layer, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "*n h w c"]) -> Float[Array, "n 1024"]:
        """Return a vector for each picture, or for each window of WINDOW_FRAMES of them."""
        for number, layer in enumerate(self.layers):
            space = len(layer.kernel)
            strides = (*[1] * (space - 2), layer.stride, layer.stride)
            padding = [(0, 0)] * (space - 2) + [(layer.pad, layer.pad)] * 2
            convolution = nn.Conv(
                layer.width, layer.kernel, strides, padding=padding, name=f"convolution_{number}"
            )
            # over time, the frames of one clip become its windows
            x = convolution(x[None])[0] if space == 3 else convolution(x)
            x = nn.relu(StoredNorm(name=f"norm_{number}")(x))
            if layer.pool is not None:
                pad = (layer.pool.pad, layer.pool.pad)
                x = nn.max_pool(x, (3, 3), layer.pool.strides, (pad, pad))
        x = x.reshape(len(x), -1)
        x = nn.relu(StoredNorm(name="dense_norm")(nn.Dense(HIDDEN, name="dense_0")(x)))
        return nn.Dense(EMBEDDING, name="dense_1")(x)


class SyncNet(nn.Module):
    """Both streams; `models.syncnet.folder` loads their weights."""

    def setup(self) -> None:
        self.lips, self.sound = Stream(LIPS), Stream(SOUND)

    def __call__(
        self, pictures: Float[Array, "f 224 224 3"], windows: Float[Array, "w 13 20"]
    ) -> tuple[Float[Array, "_ 1024"], Float[Array, "w 1024"]]:
        """Return the vectors of both streams."""
        return self.embed_lips(pictures), self.embed_sound(windows)

    def embed_lips(self, pictures: Float[Array, "f 224 224 3"]) -> Float[Array, "_ 1024"]:
        """Return a vector for each of the f - 4 windows of consecutive pictures (blue, green, red;
        0 to 255).
        """
        return self.lips(jnp.asarray(pictures, jnp.float32))

    def embed_sound(self, windows: Float[Array, "w 13 20"]) -> Float[Array, "w 1024"]:
        """Return a vector for each window of 20 cepstra."""
        return self.sound(jnp.asarray(windows, jnp.float32)[..., None])
