"""Training rows of systems that paint or code faces: two frames of one clip.

    reference   a picture of the person, from which its looks are taken
    target      another picture of the same clip, to be painted
    motion      the coefficients of both frames, raw, in the order of motion/space.py

An autoencoder whose decoder takes a reference reads the same rows without the motion (FD2Talk,
Eq. 13-15). Only the frames of a row are decoded. With kept latents the row has both latents too; it
may be without its pictures then.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.latents import KeptLatents, pictures_of
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.typing import Float, UInt8


class FramePair(NamedTuple):
    """One row, or a batch of rows with one more axis in front; None: not in this run."""

    reference: UInt8[np.ndarray, "h w 3"] | None
    target: UInt8[np.ndarray, "h w 3"] | None
    reference_motion: Float[np.ndarray, "m"]
    motion: Float[np.ndarray, "m"]  # of the target
    reference_latent: Float[np.ndarray, "y x c"] | None = None
    target_latent: Float[np.ndarray, "y x c"] | None = None


def frame_pair(
    clip: Clip,
    rng: np.random.Generator | None,
    *,
    latents: KeptLatents | None = None,
    with_pictures: bool = True,
) -> FramePair:
    """Return two frames of a clip: with `rng` any two, otherwise the first and the middle one.

    Raises `InputError` for a clip without pictures.
    """
    return pair_of_frames(
        clip, *chosen_frames(clip.frames, rng), latents=latents, with_pictures=with_pictures
    )


def chosen_frames(frames: int, rng: np.random.Generator | None) -> tuple[int, int]:
    """Return reference and target; two different frames unless the clip has one only."""
    if rng is None:
        return 0, frames // 2
    reference = int(rng.integers(frames))
    return reference, (reference + int(rng.integers(1, max(2, frames)))) % frames


def pair_of_frames(
    clip: Clip,
    reference: int,
    target: int,
    *,
    latents: KeptLatents | None = None,
    with_pictures: bool = True,
) -> FramePair:
    """Return the row of these two frames of a clip."""
    pictures, coded = (None, None), (None, None)
    if with_pictures:
        pictures = pictures_of(clip).take([reference, target])
    if latents is not None:
        coded = latents.take([reference, target])
    motion = motion_of_clip(clip)[[reference, target]].astype(np.float32)
    return FramePair(pictures[0], pictures[1], motion[0], motion[1], coded[0], coded[1])
