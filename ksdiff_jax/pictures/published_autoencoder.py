"""Converts a published autoencoder, and loads the converted folder.

The source is a folder of Hugging Face diffusers: `config.json` of a `VQModel` or an `AutoencoderKL`
and `diffusion_pytorch_model.safetensors`. Layouts that our modules do not have are refused: spatial
norms, an activation other than SiLU, no attention in the middle, no 1 × 1 convolutions around the
latent, codes of another width than the latent.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.overrides import from_dict
from ksdiff_jax.pictures.autoencoder import Autoencoder, AutoencoderConfig
from ksdiff_jax.pictures.origins import FORMER, Origin, origin
from ksdiff_jax.speech.config_fields import Fields
from ksdiff_jax.speech.converted_network import (
    ConvertedNetwork,
    checked,
    converted,
    network_of,
    read_network,
    write_network,
)
from ksdiff_jax.tree import named_leaves
from ksdiff_jax.typing import PyTree

KIND = "autoencoder"
WEIGHTS = "diffusion_pytorch_model.safetensors"
REMEDY = "give the folder of a VQModel or AutoencoderKL of diffusers to `ksdiff-jax convert`"
_CLASSES = {"VQModel": "vq", "AutoencoderKL": "kl"}


def convert_autoencoder(
    source: str | Path, out: str | Path, *, overwrite: bool = False
) -> ConvertedNetwork:
    """Convert the folder `source` into the folder `out`, see `converted_network.write_network`.

    Raises `InputError` in one line for anything else than such an autoencoder.
    """
    source, out = Path(source), Path(out)
    for name in ("config.json", WEIGHTS):
        if not (source / name).is_file():
            raise InputError(f"{source}: no {name}; {REMEDY}")
    config = read_layout(source / "config.json")
    weights = read_tensors(source / WEIGHTS, what="file of weights", remedy=REMEDY)
    weights = {_current(key): _as_matrix(key, weight) for key, weight in weights.items()}
    params = converted(weights, _origins(config), source=str(source), remedy=REMEDY)
    network = network_of(KIND, to_dict(config), params, source=source / WEIGHTS)
    write_network(out, network, inputs=[source], overwrite=overwrite)
    return network


def load_autoencoder(folder: str | Path) -> tuple[AutoencoderConfig, ConvertedNetwork]:
    """Return the autoencoder in a folder that `convert_autoencoder` wrote; raise `InputError` for
    any other.
    """
    network = read_network(folder, kind=KIND, remedy=REMEDY)
    config = from_dict(AutoencoderConfig, network.layout)
    return config, checked(network, _origins(config), folder)


def paired(params: PyTree) -> PyTree:
    """Return the parameters of a published autoencoder with a decoder that takes the reference's
    latent too: its first convolution has 2 d inputs, zeros for those of the reference, so that it
    starts as the published decoder (§3.4.2 of FD2Talk replaces and fine-tunes it).
    """
    decoder = params["decoder"]
    kernel = decoder["conv_in"]["kernel"]
    doubled = np.concatenate([np.zeros_like(kernel), kernel], axis=2)
    first = {**decoder["conv_in"], "kernel": doubled}
    return {**params, "decoder": {**decoder, "conv_in": first}}


def read_layout(path: Path) -> AutoencoderConfig:
    """Return the layout that diffusers' `config.json` describes."""
    fields = Fields(path)
    name = fields.name("_class_name", "", tuple(_CLASSES))
    fields.name("act_fn", "silu", ("silu",))
    fields.name("norm_type", "group", ("group",))
    for flag in ("mid_block_add_attention", "use_quant_conv", "use_post_quant_conv"):
        if not fields.flag(flag, True):
            raise InputError(f"{path}: {flag} is false; {REMEDY}")
    widths = fields.wholes("block_out_channels", (64,))
    if any(width % widths[0] for width in widths):
        raise InputError(f"{path}: block_out_channels {widths}: need multiples of the first")
    d = fields.whole("latent_channels", 4)
    if fields.whole("vq_embed_dim", d) != d:
        raise InputError(f"{path}: vq_embed_dim is not latent_channels, {d}; {REMEDY}")
    return AutoencoderConfig(
        kind=_CLASSES[name],
        channels=widths[0],
        multipliers=tuple(width // widths[0] for width in widths),
        resnets=fields.whole("layers_per_block", 1),
        latent_channels=d,
        codes=fields.whole("num_vq_embeddings", 256),
        groups=fields.whole("norm_num_groups", 32),
    )


@functools.lru_cache(maxsize=8)
def _origins(config: AutoencoderConfig) -> dict[str, Origin]:
    side = config.factor
    pictures = jnp.zeros((1, side, side, 3))
    shapes = jax.eval_shape(Autoencoder(config).init, jax.random.key(0), pictures)
    leaves = named_leaves(shapes["params"])
    return {name: origin(name, leaf.shape) for name, leaf in leaves.items()}


def _current(key: str) -> str:
    for former, name in FORMER.items():
        key = key.replace(former, name)
    return key


def _as_matrix(key: str, weight: np.ndarray) -> np.ndarray:
    """Return a 1 × 1 convolution of attention, as first releases have it, as a matrix."""
    attends = "attentions" in key and weight.ndim == 4
    return weight[:, :, 0, 0] if attends and weight.shape[2:] == (1, 1) else weight
