"""L_per of Eq. 14: the mean absolute difference of VGG16's features, as LPIPS reads and normalises
them.

`model.perceptual_path` names a folder of `ksdiff-jax convert lpips`. Its weights are constants of
the training step; they are not part of the parameters of the system that it trains.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.fd2talk.autoencoder.config import Config
from ksdiff_jax.pictures.lpips import Lpips, load_lpips
from ksdiff_jax.typing import Array, Float

# The loss of each row, from decoded and true pictures.
PictureLoss = Callable[[Float[Array, "b h w 3"], Float[Array, "b h w 3"]], Float[Array, "b"]]


def configured_perceptual_loss(config: Config) -> PictureLoss | None:
    """Return the loss that `loss.perceptual` weights; None if that is 0.

    Raise `InputError` if no converted LPIPS is named.
    """
    if not config.loss.perceptual:
        return None
    if not (path := config.model.perceptual_path):
        raise InputError(
            f"loss.perceptual {config.loss.perceptual:g}: needs the weights of LPIPS, "
            "model.perceptual_path, as `ksdiff-jax convert lpips` writes them; or set "
            "--loss.perceptual 0"
        )
    variables = {"params": _params(path)}

    def loss(decoded: Array, true: Array) -> Float[Array, "b"]:
        ours, theirs = (
            Lpips().apply(variables, values, method=Lpips.features) for values in (decoded, true)
        )
        levels = [
            jnp.mean(jnp.abs(one - other), axis=(1, 2, 3))
            for one, other in zip(ours, theirs, strict=True)
        ]
        return jnp.stack(levels).mean(axis=0)

    return loss


_params = functools.lru_cache(maxsize=2)(lambda path: load_lpips(path).params)
