"""The fixed autoencoder that a frames stage names: it encodes pictures and decodes latents.

`model.autoencoder_path` names a run or a checkpoint of the system `fd2talk_autoencoder`. Its
weights are not among the parameters that a frames stage trains. A checkpoint of `ksdiff-jax convert
checkpoint` holds them under "autoencoder".
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
from ksdiff_jax.models.fd2talk.autoencoder.config import Config as AutoencoderConfig
from ksdiff_jax.models.fd2talk.autoencoder.config import ModelConfig as AutoencoderModel
from ksdiff_jax.models.fd2talk.autoencoder.system import FD2TalkAutoencoder
from ksdiff_jax.models.pretrained import Pretrained, load_pretrained
from ksdiff_jax.pictures.autoencoder import latent_shape
from ksdiff_jax.typing import Float, PyTree, UInt8

HELD = "autoencoder"  # its weights in a checkpoint that holds them
_MADE_BY = "`ksdiff-jax train fd2talk_autoencoder_demo` makes one"
_NAMED_BY = "name its folder with --autoencoder, or in a training with --model.autoencoder_path"


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
    wanted = model.autoencoder_digest
    try:
        found = load_first_stage(path)
    except InputError as error:
        if not wanted:
            raise InputError(f"model.autoencoder_path: {error}") from error
        raise InputError(
            f"the frames stage needs the autoencoder of digest {wanted[:12]}, which was at {path}: "
            f"{error}; {_NAMED_BY}"
        ) from error
    if wanted not in ("", found.digest):
        raise InputError(
            f"{path}: this autoencoder has digest {found.digest[:12]}, the frames stage was "
            f"trained with {wanted[:12]}; {_NAMED_BY}"
        )
    theirs = found.system.config.model
    written = replace(
        model,
        autoencoder_digest=found.digest,
        autoencoder=theirs.autoencoder,
        picture_side=theirs.picture_side,
    )
    return replace(config, model=written), found


def first_stage_of(config: Config, params: PyTree) -> FirstStage | None:
    """Return the autoencoder that a frames checkpoint holds, or the one that it names, and None of
    another system's; raise `InputError` as `with_first_stage`.
    """
    if HELD not in params:
        return with_first_stage(config)[1]
    model = config.model
    own = AutoencoderModel(picture_side=model.picture_side, autoencoder=model.autoencoder)
    held, digest = jax.device_put(params[HELD]), model.autoencoder_digest
    return FirstStage(FD2TalkAutoencoder(AutoencoderConfig(model=own)), held, digest, "")


def with_autoencoder_at(found: Pretrained, path: str | Path | None) -> Pretrained:
    """Return a checkpoint with the place of its autoencoder here; None keeps the one it names.

    Raises `InputError` if its system paints no frames, or if it holds its autoencoder.
    """
    if path is None:
        return found
    if found.config.system != "fd2talk_frames":
        raise InputError(
            f"--autoencoder {path}: of a checkpoint that paints frames, and {found.path} is of the "
            f"system {found.config.system}; omit it"
        )
    if HELD in found.params:
        raise InputError(f"{found.path}: holds its own autoencoder; leave --autoencoder {path} out")
    model = replace(found.config.model, autoencoder_path=str(path))
    return found._replace(config=replace(found.config, model=model))


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
