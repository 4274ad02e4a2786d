"""The names and shapes of SyncNet's weights in the original's file, and their form here.

The original numbers the modules of each stream in order, so a convolution, its normalisation, its
rectifier and its pooling take the places `_CONVOLUTIONS[k]`, one after it, and so on:

| ours | theirs |
|---|---|
| lips/convolution_k/{kernel, bias} | netcnnlip.{0, 4, 8, 11, 14, 18}.{weight, bias} |
| lips/norm_k/{scale, bias, mean, variance} | netcnnlip.{1, 5, ...}.{weight, bias, running_*} |
| lips/dense_0, dense_norm, dense_1 | netfclip.{0, 1, 3} |
| sound/... | netcnnaud, netfcaud, in the same way |

Their convolutions of the lips have three axes (time, height, width), those of the sound two; a
kernel is (out, in, axes) there and (axes, in, out) here. `num_batches_tracked`, which PyTorch since
0.4.1 adds to a normalisation, is no weight and may be absent.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.models.syncnet.network import EMBEDDING, HIDDEN, LIPS, SOUND, Layer
from ksdiff_jax.typing import Float

_CONVOLUTIONS = (0, 4, 8, 11, 14, 18)
_STREAMS = (
    ("lips", "netcnnlip", "netfclip", LIPS, 3),
    ("sound", "netcnnaud", "netfcaud", SOUND, 1),
)
_NORM = {"scale": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"}
NOT_A_WEIGHT = "num_batches_tracked"


class Origin(NamedTuple):
    """A weight of the original: its key and shape there, and the shape of it here."""

    key: str
    shape: tuple[int, ...]
    ours: tuple[int, ...]

    def converted(self, weight: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*m"]:
        """Return the weight with the axes of ours."""
        if weight.ndim < 2:
            return weight
        outputs_last = np.moveaxis(weight, (0, 1), (-1, -2))
        return np.ascontiguousarray(outputs_last.reshape(self.ours))


def origins() -> dict[str, Origin]:
    """Return the origin of every parameter by its path in our tree."""
    found = {}
    for ours, convolutions, dense, layers, channels in _STREAMS:
        for number, layer in enumerate(layers):
            place = _CONVOLUTIONS[number]
            kernel = _kernel(f"{convolutions}.{place}", layer, channels, flat=ours == "sound")
            found[f"{ours}/convolution_{number}/kernel"] = kernel
            found[f"{ours}/convolution_{number}/bias"] = _vector(
                f"{convolutions}.{place}.bias", layer.width
            )
            found |= _norm(f"{ours}/norm_{number}", f"{convolutions}.{place + 1}", layer.width)
            channels = layer.width
        found |= _dense(f"{ours}/dense_0", f"{dense}.0", channels, HIDDEN)
        found |= _norm(f"{ours}/dense_norm", f"{dense}.1", HIDDEN)
        found |= _dense(f"{ours}/dense_1", f"{dense}.3", HIDDEN, EMBEDDING)
    return found


def _kernel(key: str, layer: Layer, channels: int, *, flat: bool) -> Origin:
    axes = layer.kernel if flat or len(layer.kernel) == 3 else (1, *layer.kernel)
    ours = (*layer.kernel, channels, layer.width)
    return Origin(f"{key}.weight", (layer.width, channels, *axes), ours)


def _dense(ours: str, theirs: str, inputs: int, outputs: int) -> dict[str, Origin]:
    kernel = Origin(f"{theirs}.weight", (outputs, inputs), (inputs, outputs))
    return {f"{ours}/kernel": kernel, f"{ours}/bias": _vector(f"{theirs}.bias", outputs)}


def _norm(ours: str, theirs: str, width: int) -> dict[str, Origin]:
    return {f"{ours}/{name}": _vector(f"{theirs}.{key}", width) for name, key in _NORM.items()}


def _vector(key: str, width: int) -> Origin:
    return Origin(key, (width,), (width,))
