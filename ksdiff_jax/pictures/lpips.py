"""LPIPS (Zhang et al. 2018) with VGG16: its features, and the distance of two pictures.

    d = Σ_l mean over pixels of w_l · (n(F_l(x)) − n(F_l(y)))²,    n(f) = f / |f| over channels

F_l are the results of the last rectifier of VGG16's five groups of convolutions. Pictures are in
[-1, 1]; they are shifted and scaled to the statistics that VGG16 was trained with.

The source is a file of the state of `lpips.LPIPS(net="vgg")`, written by `torch.save` or as
safetensors: VGG16's convolutions and the weights w_l.
"""

from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.foreign.torch_file import read_state_dict
from ksdiff_jax.pictures.blocks import Convolution
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

KIND = "lpips"
REMEDY = 'give the state of lpips.LPIPS(net="vgg"), saved by torch.save, to `ksdiff-jax convert`'
# Output channels of the convolutions of each group, and their numbers in VGG16.
GROUPS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
NUMBERS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class Lpips(nn.Module):
    """The parameters: convolution_G_N of group G, and weights_G."""

    groups: tuple[tuple[int, ...], ...] = GROUPS

    def setup(self) -> None:
        self.convolution = [[Convolution(width) for width in widths] for widths in self.groups]
        self.weights = [
            self.param(f"weights_{group}", nn.initializers.ones, (1, 1, widths[-1], 1))
            for group, widths in enumerate(self.groups)
        ]

    def features(self, pictures: Float[Array, "b h w 3"]) -> list[Float[Array, "b h2 w2 c"]]:
        """Return n(F_l) of every group; sides of at least 16 pixels."""
        x = (pictures - jnp.array(_SHIFT)) / jnp.array(_SCALE)
        found = []
        for group, convolutions in enumerate(self.convolution):
            if group:
                x = nn.max_pool(x, (2, 2), (2, 2))
            for convolution in convolutions:
                x = nn.relu(convolution(x))
            squares = jnp.sum(x**2, axis=-1, keepdims=True)
            # the root of 0 has no gradient
            length = jnp.sqrt(jnp.where(squares > 0, squares, 1.0)) * (squares > 0)
            found.append(x / (length + _EPSILON))
        return found

    def __call__(
        self, one: Float[Array, "b h w 3"], other: Float[Array, "b h w 3"]
    ) -> Float[Array, "b"]:
        """Return d of each pair of pictures."""
        pairs = zip(self.features(one), self.features(other), self.weights, strict=True)
        levels = [
            jnp.mean(((a - b) ** 2) @ weight[0, 0, :, 0], axis=(1, 2)) for a, b, weight in pairs
        ]
        return jnp.stack(levels).sum(axis=0)


def origins(groups: tuple[tuple[int, ...], ...] = GROUPS) -> dict[str, Origin]:
    """Return the origin of every parameter by its path in our tree."""
    pictures = jnp.zeros((1, 16, 16, 3))
    shapes = jax.eval_shape(Lpips(groups).init, jax.random.key(0), pictures, pictures)["params"]
    found = {}
    for name, leaf in named_leaves(shapes).items():
        top, *rest = name.split("/")
        numbers = [int(part) for part in top.split("_")[1:]]
        if rest:
            group, place = numbers
            kind = "weight" if rest == ["kernel"] else "bias"
            key = f"net.slice{group + 1}.{NUMBERS[group][place]}.{kind}"
        else:
            key = f"lin{numbers[0]}.model.1.weight"
        found[name] = Origin(key, theirs(leaf.shape))
    return found


def convert_lpips(
    source: str | Path, out: str | Path, *, overwrite: bool = False
) -> ConvertedNetwork:
    """Convert a file of LPIPS into the folder `out`, see `converted_network.write_network`.

    Raises `InputError` in one line for anything else.
    """
    source, out = Path(source), Path(out)
    weights = read_weights(source, remedy=REMEDY)
    places = origins()
    # a second name of the same weights, and constants
    ignored = [key for key in weights if key.startswith(("lins.", "scaling_layer."))]
    params = converted(weights, places, source=str(source), remedy=REMEDY, ignored=ignored)
    network = network_of(KIND, {}, params, source=source)
    write_network(out, network, inputs=[source], overwrite=overwrite)
    return network


def load_lpips(folder: str | Path) -> ConvertedNetwork:
    """Return the LPIPS in a folder that `convert_lpips` wrote; raise `InputError` for any other."""
    return checked(read_network(folder, kind=KIND, remedy=REMEDY), origins(), folder)


def not_of_lpips(network: ConvertedNetwork) -> str:
    """Return why a converted network cannot be the published one, "" if it can: the weights w_l are
    0 or more there.
    """
    leaves = named_leaves(network.params)
    negative = any((leaves[f"weights_{group}"] < 0).any() for group in range(len(GROUPS)))
    return "its weights of features are below 0, those of LPIPS are not" if negative else ""


def read_weights(source: Path, *, remedy: str) -> dict[str, np.ndarray]:
    """Return the weights of a file of safetensors or of PyTorch."""
    if not source.is_file():
        raise InputError(f"{source}: no such file; {remedy}")
    if source.suffix == ".safetensors":
        return read_tensors(source, what="file of weights", remedy=remedy)
    return read_state_dict(source)
