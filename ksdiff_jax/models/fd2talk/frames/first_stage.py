"""The fixed autoencoder that a frames stage names: it encodes pictures and decodes latents.

`model.autoencoder_path` names a run or a checkpoint of the system `fd2talk_autoencoder`. Its
weights are not part of the parameters or checkpoints of the frames stage.
"""

import functools
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.fd2talk.autoencoder.system import FD2TalkAutoencoder
from ksdiff_jax.models.pretrained import load_pretrained
from ksdiff_jax.pictures.autoencoder import latent_shape
from ksdiff_jax.typing import Float, PyTree, UInt8

_MADE_BY = "`ksdiff-jax train fd2talk_autoencoder_demo` makes one"


class FirstStage(NamedTuple):
    """An autoencoder and its weights; a `data.latents.PictureEncoder`."""

    system: FD2TalkAutoencoder
    params: PyTree
    digest: str  # of its checkpoint
    source: str

    @property
    def side(self) -> int:
        """Return the side of its pictures in pixels."""
        return self.system.config.model.picture_side

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the shape of the latent of one picture."""
        return latent_shape(self.system.config.model.autoencoder, self.side)

    def __call__(self, pictures: UInt8[np.ndarray, "n y x 3"]) -> Float[np.ndarray, "n h w c"]:
        """Return the latents of pictures, not scaled."""
        return np.asarray(_encode(self.system, self.params, pictures))


_encode = jax.jit(FD2TalkAutoencoder.latents, static_argnums=0)


def with_first_stage(config: Config) -> tuple[Config, FirstStage | None]:
    """Return the configuration with its autoencoder's digest, layout and picture size written into
    it, and that autoencoder; (config, None) for another system than a frames stage.

    Raise `InputError` if it names none, or if its digest is not `model.autoencoder_digest`.
    """
    if config.system != "fd2talk_frames":
        return config, None
    model = config.model
    if not (path := model.autoencoder_path):
        raise InputError(
            "model.autoencoder_path is empty: the frames stage needs the run of an autoencoder; "
            f"{_MADE_BY}"
        )
    found = load_first_stage(path)
    if model.autoencoder_digest not in ("", found.digest):
        raise InputError(
            f"{path}: this autoencoder has digest {found.digest[:12]}, the frames stage was "
            f"trained with {model.autoencoder_digest[:12]}; name that one in model.autoencoder_path"
        )
    theirs = found.system.config.model
    written = replace(
        model,
        autoencoder_digest=found.digest,
        autoencoder=theirs.autoencoder,
        picture_side=theirs.picture_side,
    )
    return replace(config, model=written), found


@functools.lru_cache(maxsize=2)
def load_first_stage(path: str | Path) -> FirstStage:
    """Return the autoencoder of a run or a checkpoint; raise `InputError` for another system."""
    found = load_pretrained(path)
    if found.config.system != "fd2talk_autoencoder":
        raise InputError(
            f"{path}: a checkpoint of the system {found.config.system}, need an autoencoder of "
            f"pictures; {_MADE_BY}"
        )
    system = build_system(found.config, found.space)
    return FirstStage(system, jax.device_put(found.params), found.digest, str(path))
