"""Frames of a person from a picture and a motion, by a trained system that paints.

painter = Painter.from_pretrained("runs/frames", steps=10)
frames = painter.paint(reference, motion)
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.animate.options import with_sampling
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, config_from_dict
from ksdiff_jax.models.fd2talk.frames.first_stage import with_autoencoder_at
from ksdiff_jax.models.pretrained import find_pretrained, read_manifest, read_pretrained
from ksdiff_jax.models.system import PaintingSystem
from ksdiff_jax.pictures.values import to_bytes
from ksdiff_jax.typing import Float, PyTree, UInt8

BLOCK_FRAMES = 25  # painted at once; every block has this length


@runtime_checkable
class FramePainter(Protocol):
    """Paints aligned crops of `side` pixels for motions of a space."""

    side: int
    space: str

    def paint(
        self, reference: UInt8[np.ndarray, "h w 3"], motion: Float[np.ndarray, "t m"]
    ) -> Iterable[UInt8[np.ndarray, "h w 3"]]: ...


class Painter:
    """A trained system that paints, `block` frames at once; a `FramePainter`."""

    def __init__(
        self, system: PaintingSystem, params: PyTree, *, seed: int = 0, block: int = BLOCK_FRAMES
    ):
        self.side, self.space = system.picture_side, system.space.name
        self._paint, self._seed, self._block = system.painter(params), seed, block

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path,
        *,
        seed: int = 0,
        autoencoder: str | Path | None = None,
        **options,
    ) -> "Painter":
        """Return the painter of a checkpoint, with these sampling options, which are fields of its
        `config.sample`; None keeps the checkpoint's. `autoencoder` is the place of its autoencoder
        here, if it has moved.

        Raises `InputError` if its system paints nothing, and for an option that it does not have.
        """
        folder = find_pretrained(checkpoint)
        config = config_from_dict(read_manifest(folder)["config"])
        if not isinstance(build_system(config), PaintingSystem):  # before the weights are read
            moves = bool(dataclasses.fields(config.sample))
            raise InputError(
                f"{folder}: its system, {config.system}, {'generates motion and ' * moves}paints "
                "no frames; name a frames checkpoint with --checkpoint"
                f"{' and this one with --motion' * moves}"
            )
        with_sampling(config, **options)
        found = with_autoencoder_at(read_pretrained(checkpoint), autoencoder)
        return cls(painting_system(found.config, found.space, **options), found.params, seed=seed)

    def paint(
        self, reference: UInt8[np.ndarray, "h w 3"], motion: Float[np.ndarray, "t m"]
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Yield one picture per frame of motion, a block computed at a time."""
        shown, keys = jnp.asarray(reference)[None], jax.random.split(jax.random.key(self._seed), 1)
        for start in range(0, len(motion), self._block):
            some = motion[start : start + self._block]
            padded = np.pad(some, [(0, self._block - len(some)), (0, 0)], mode="edge")
            first = jnp.array([start], jnp.int32)
            frames = self._paint(shown, jnp.asarray(padded, jnp.float32)[None], keys, first)[0]
            yield from to_bytes(frames[: len(some)])


def painting_system(config, space, **options) -> PaintingSystem:
    """Return the system of a configuration with other sampling options."""
    return dataclasses.replace(build_system(config, space), config=with_sampling(config, **options))
