"""What a live sender sends: one instant of a face, and the frames of a motion.

A stream is any iterator of `(time_s, LiveFrame)` with increasing times: the frames of a motion
file, below, or those of a program that makes them while it hears the speech.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.take import Take
from ksdiff_jax.typing import Float

FASTEST_FPS = 240  # of a stream; the protocols are made for 24 to 60


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """ARKit's weights, 0 to 1, in the order of `face.arkit.ARKIT_NAMES`, and rotations as
    axis-angle vectors in radians, with y up, +z out of the face and +x to the subject's left.
    """

    weights: Float[np.ndarray, "52"]
    head: Float[np.ndarray, "3"]  # in the world: the root's rotation, then the neck's
    left_eye: Float[np.ndarray, "3"]
    right_eye: Float[np.ndarray, "3"]


Stream = Iterator[tuple[float, LiveFrame]]


def frames_of(take: Take) -> list[LiveFrame]:
    """Return the frames of a motion at the take's frame rate; frame k is at k / fps seconds."""
    if take.fps > FASTEST_FPS:
        raise InputError(f"fps: got {take.fps:g}, need at most {FASTEST_FPS}; for example 30 or 60")
    eyes = (take.rotations(name) for name in ("left_eye", "right_eye"))
    columns = (take.arkit, take.head.as_rotvec(), *eyes)
    return [LiveFrame(*values) for values in zip(*columns, strict=True)]


def stream_of(frames: list[LiveFrame], *, fps: float | int, endless: bool = False) -> Stream:
    """Yield frames with their times, computed from their numbers, once or for ever."""
    numbers = itertools.count() if endless else range(len(frames))
    return ((number / fps, frames[number % len(frames)]) for number in numbers)
