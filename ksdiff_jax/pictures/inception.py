"""The features of FID: Inception v3 as FID reads it (Szegedy et al. 2016; Heusel et al. 2017).

    picture, resized to 299 × 299 -> convolutions, 11 mixed blocks -> mean over pixels, 2048 numbers

Every convolution is followed by batch normalisation with stored statistics and a rectifier. The
published weights of FID are those of TensorFlow's network of 2015. It differs from later ones: its
averages of 3 × 3 pixels leave the padding out, and the last block pools maxima.

The source is the file of PyTorch weights that the field's FID programs read, named
`pt_inception-2015-12-05-*.pth`. Its last dense layer is left out. No weights of this network are in
this package, and no other weights give FID.
"""

from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.pictures.lpips import read_weights
from ksdiff_jax.pictures.origins import Origin, theirs
from ksdiff_jax.speech.converted_network import (
    ConvertedNetwork,
    checked,
    converted,
    network_of,
    read_network,
    write_network,
)
from ksdiff_jax.tree import named_leaves
from ksdiff_jax.typing import Array, Float

KIND = "inception"
REMEDY = "give the file pt_inception-2015-12-05 of FID's Inception to `ksdiff-jax convert`"
SIDE = 299
FILE_SHA256 = "6726825d"  # the published file's name ends in the begin of its digest
_EPSILON = 1e-3
_NORM = {"scale": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"}
Kernel = tuple[int, int]


class BasicConv(nn.Module):
    """Convolution without a bias, stored batch normalisation, rectifier."""

    features: int
    kernel: Kernel = (1, 1)
    stride: int = 1
    padded: bool = False  # with zeros to the same size

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        shape = (*self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.linear.default_kernel_init, shape)
        padding = [(side // 2,) * 2 if self.padded else (0, 0) for side in self.kernel]
        layout = ("NHWC", "HWIO", "NHWC")
        strides = (self.stride, self.stride)
        x = jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=layout)
        ones, zeros = nn.initializers.ones, nn.initializers.zeros
        named = {"scale": ones, "bias": zeros, "mean": zeros, "variance": ones}
        norm = {name: self.param(name, init, (self.features,)) for name, init in named.items()}
        scale = norm["scale"] * jax.lax.rsqrt(norm["variance"] + _EPSILON)
        return nn.relu((x - norm["mean"]) * scale + norm["bias"])


class Mixed(nn.Module):
    """Branches side by side, then their channels in one.

    A branch is (name, features, kernel, stride) per convolution. `forks` names branches whose
    result goes through two more convolutions, 1 × 3 and 3 × 1, side by side.
    """

    branches: tuple[tuple[tuple[str, int, Kernel, int], ...], ...]
    pool: str = ""  # average, maximum: followed by a convolution; strided: a maximum, nothing after
    pool_features: int = 0
    forks: tuple[str, ...] = ()

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        found = []
        for branch in self.branches:
            y = x
            for name, features, kernel, stride in branch:
                y = BasicConv(features, kernel, stride, stride == 1, name=name)(y)
            if name in self.forks:
                stem = name.rpartition("_")[0] if name.endswith(("_1", "_2")) else name
                first = 2 if stem == "branch3x3" else 3
                for suffix, kernel in (("a", (1, 3)), ("b", (3, 1))):
                    fork = BasicConv(features, kernel, 1, True, name=f"{stem}_{first}{suffix}")
                    found.append(fork(y))
            else:
                found.append(y)
        if self.pool == "strided":
            found.append(nn.max_pool(x, (3, 3), (2, 2)))
        elif self.pool:
            one = ((1, 1), (1, 1))
            if self.pool == "average":
                pooled = nn.avg_pool(x, (3, 3), (1, 1), one, count_include_pad=False)
            else:
                pooled = nn.max_pool(x, (3, 3), (1, 1), one)
            found.append(BasicConv(self.pool_features, name="branch_pool")(pooled))
        return jnp.concatenate(found, axis=-1)


def _chain(*layers: tuple[str, int, Kernel] | tuple[str, int, Kernel, int]):
    return tuple((*layer, 1) if len(layer) == 3 else layer for layer in layers)


_ONE, _THREE, _FIVE, _WIDE, _TALL = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)


def _mixed_5(pool_features: int) -> dict:
    return {
        "branches": (
            _chain(("branch1x1", 64, _ONE)),
            _chain(("branch5x5_1", 48, _ONE), ("branch5x5_2", 64, _FIVE)),
            _chain(
                ("branch3x3dbl_1", 64, _ONE),
                ("branch3x3dbl_2", 96, _THREE),
                ("branch3x3dbl_3", 96, _THREE),
            ),
        ),
        "pool": "average",
        "pool_features": pool_features,
    }


def _mixed_6(width: int) -> dict:
    return {
        "branches": (
            _chain(("branch1x1", 192, _ONE)),
            _chain(
                ("branch7x7_1", width, _ONE),
                ("branch7x7_2", width, _WIDE),
                ("branch7x7_3", 192, _TALL),
            ),
            _chain(
                ("branch7x7dbl_1", width, _ONE),
                ("branch7x7dbl_2", width, _TALL),
                ("branch7x7dbl_3", width, _WIDE),
                ("branch7x7dbl_4", width, _TALL),
                ("branch7x7dbl_5", 192, _WIDE),
            ),
        ),
        "pool": "average",
        "pool_features": 192,
    }


def _mixed_7(pool: str) -> dict:
    return {
        "branches": (
            _chain(("branch1x1", 320, _ONE)),
            _chain(("branch3x3_1", 384, _ONE)),
            _chain(("branch3x3dbl_1", 448, _ONE), ("branch3x3dbl_2", 384, _THREE)),
        ),
        "pool": pool,
        "pool_features": 192,
        "forks": ("branch3x3_1", "branch3x3dbl_2"),
    }


_STRIDED_6A = {
    "branches": (
        _chain(("branch3x3", 384, _THREE, 2)),
        _chain(
            ("branch3x3dbl_1", 64, _ONE),
            ("branch3x3dbl_2", 96, _THREE),
            ("branch3x3dbl_3", 96, _THREE, 2),
        ),
    ),
    "pool": "strided",
}
_STRIDED_7A = {
    "branches": (
        _chain(("branch3x3_1", 192, _ONE), ("branch3x3_2", 320, _THREE, 2)),
        _chain(
            ("branch7x7x3_1", 192, _ONE),
            ("branch7x7x3_2", 192, _WIDE),
            ("branch7x7x3_3", 192, _TALL),
            ("branch7x7x3_4", 192, _THREE, 2),
        ),
    ),
    "pool": "strided",
}
_BLOCKS = {
    "Mixed_5b": _mixed_5(32),
    "Mixed_5c": _mixed_5(64),
    "Mixed_5d": _mixed_5(64),
    "Mixed_6a": _STRIDED_6A,
    "Mixed_6b": _mixed_6(128),
    "Mixed_6c": _mixed_6(160),
    "Mixed_6d": _mixed_6(160),
    "Mixed_6e": _mixed_6(192),
    "Mixed_7a": _STRIDED_7A,
    "Mixed_7b": _mixed_7("average"),
    "Mixed_7c": _mixed_7("maximum"),
}


class Inception(nn.Module):
    """The network up to the mean over pixels."""

    @nn.compact
    def __call__(self, pictures: Float[Array, "b h w 3"]) -> Float[Array, "b f"]:
        """Return the features of pictures in [-1, 1] of any size."""
        x = resized(pictures, SIDE)
        x = BasicConv(32, _THREE, 2, name="Conv2d_1a_3x3")(x)
        x = BasicConv(32, _THREE, name="Conv2d_2a_3x3")(x)
        x = BasicConv(64, _THREE, padded=True, name="Conv2d_2b_3x3")(x)
        x = nn.max_pool(x, (3, 3), (2, 2))
        x = BasicConv(80, name="Conv2d_3b_1x1")(x)
        x = BasicConv(192, _THREE, name="Conv2d_4a_3x3")(x)
        x = nn.max_pool(x, (3, 3), (2, 2))
        for name, layout in _BLOCKS.items():
            x = Mixed(**layout, name=name)(x)
        return x.mean(axis=(1, 2))


def resized(pictures: Float[Array, "b h w c"], side: int) -> Float[Array, "b y x c"]:
    """Return pictures at another size by bilinear interpolation without a filter against aliasing,
    as PyTorch's `interpolate` does with `align_corners=False`.
    """
    for axis in (1, 2):
        length = pictures.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
        before = np.minimum(np.floor(place).astype(int), length - 1)
        after = np.minimum(before + 1, length - 1)
        share = (place - before).astype(np.float32)
        share = share.reshape([-1 if one == axis else 1 for one in range(pictures.ndim)])
        left, right = (jnp.take(pictures, index, axis=axis) for index in (before, after))
        pictures = left * (1 - share) + right * share
    return pictures


def origins() -> dict[str, Origin]:
    """Return the origin of every parameter by its path in our tree."""
    pictures = jnp.zeros((1, SIDE, SIDE, 3))
    shapes = jax.eval_shape(Inception().init, jax.random.key(0), pictures)["params"]
    found = {}
    for name, leaf in named_leaves(shapes).items():
        *modules, kind = name.split("/")
        last = "conv.weight" if kind == "kernel" else f"bn.{_NORM[kind]}"
        found[name] = Origin(".".join([*modules, last]), theirs(leaf.shape))
    return found


def convert_inception(
    source: str | Path, out: str | Path, *, overwrite: bool = False
) -> ConvertedNetwork:
    """Convert the file of FID's Inception into the folder `out`, see `write_network`.

    Raises `InputError` in one line for anything else.
    """
    source, out = Path(source), Path(out)
    weights = read_weights(source, remedy=REMEDY)
    ignored = [key for key in weights if key.startswith("fc.") or key.endswith("_batches_tracked")]
    params = converted(weights, origins(), source=str(source), remedy=REMEDY, ignored=ignored)
    network = network_of(KIND, {}, params, source=source)
    write_network(out, network, inputs=[source], overwrite=overwrite)
    return network


def not_of_fid(network: ConvertedNetwork) -> str:
    """Return why a converted network is not that of FID, "" if it is: it is known by the digest of
    the published file.
    """
    if network.source_sha256.startswith(FILE_SHA256):
        return ""
    return (
        f"these weights are not those of pt_inception-2015-12-05-{FILE_SHA256}.pth, so their "
        "distance is no FID"
    )


def load_inception(folder: str | Path) -> ConvertedNetwork:
    """Return the network in a folder that `convert_inception` wrote; raise `InputError` for any
    other.
    """
    return checked(read_network(folder, kind=KIND, remedy=REMEDY), origins(), folder)
