"""Square crops of a tracked face, as systems that paint faces read them.

    side   = 1.4 x the face's height, forehead to chin (landmarks 10 and 152), one for the take
    centre = mean of points that no expression moves (corners of the eyes, bridge of the nose)
             + the median vector from there to the middle between forehead and chin

A jaw that opens therefore moves no crop. The centre is smoothed over time. If it then stays within
a few hundredths of the side, as that of a person who sits still does, the crop is the same for the
whole take. Beyond the edge of a picture its outermost pixels are repeated.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ksdiff_jax.data.tracking.video import Frame, frames
from ksdiff_jax.typing import Float, UInt8

SQUARE_OF_FACE = 1.4
FACE_HEIGHT = (10, 152)
RIGID_POINTS = (6, 168, 33, 133, 263, 362)  # bridge of the nose, corners of the eyes
SMOOTHING_S = 0.6  # standard deviation
HELD_SHARE = 0.04  # of the side: a centre that stays within it on either side is held


def crop_squares(
    landmarks: Float[np.ndarray, "n 478 2"],
    times_s: Float[np.ndarray, "n"],
    at_s: Float[np.ndarray, "t"],
) -> Float[np.ndarray, "t 3"]:
    """Return left, top and side in pixels of the crop at the times `at_s`. Frames without landmarks
    are NaN; at least one has them.
    """
    seen = np.isfinite(landmarks[:, 0, 0])
    points = landmarks[seen].astype(np.float64)
    top, chin = (points[:, k] for k in FACE_HEIGHT)
    rigid = points[:, RIGID_POINTS].mean(axis=1)
    side = SQUARE_OF_FACE * float(np.median(np.linalg.norm(top - chin, axis=-1)))
    centre = rigid + np.median((top + chin) / 2 - rigid, axis=0)
    centre = np.stack([np.interp(at_s, times_s[seen], column) for column in centre.T], axis=1)
    centre = _smoothed(centre, at_s)
    middle = (centre.max(axis=0) + centre.min(axis=0)) / 2
    if np.abs(centre - middle).max() <= HELD_SHARE * side:
        centre = np.tile(np.median(centre, axis=0), (len(at_s), 1))
    corner = centre - side / 2
    return np.column_stack([corner, np.full(len(at_s), side)]).astype(np.float32)


def square_of_face(landmarks: Float[np.ndarray, "478 _"]) -> Float[np.ndarray, "3"]:
    """Return left, top and side of the crop of a face in one picture."""
    once = np.zeros(1)
    return crop_squares(landmarks[None, :, :2], once, once)[0]


def cropped(
    picture: UInt8[np.ndarray, "y x 3"], square: Float[np.ndarray, "3"], side: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a square of a picture (left, top, side) at `side` x `side` pixels, filtered for its
    scale.
    """
    left, top, size = map(float, square)
    height, width = picture.shape[:2]
    beyond = max(-left, -top, left + size - width, top + size - height, 0.0)
    margin = int(np.ceil(beyond))
    if margin:
        picture = np.pad(picture, [(margin, margin), (margin, margin), (0, 0)], mode="edge")
    left, top = left + margin, top + margin
    image = Image.fromarray(np.ascontiguousarray(picture))
    box = (left, top, left + size, top + size)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def pictures_at(path: str | Path, times_s: Float[np.ndarray, "t"]) -> Iterator[tuple[int, Frame]]:
    """Yield every place with the picture of a video nearest to its time; times ascend."""
    place, before = 0, None
    for frame in frames(path):
        while place < len(times_s) and times_s[place] <= frame.time_s:
            later = before is None or frame.time_s - times_s[place] < times_s[place] - before.time_s
            yield place, frame if later else before
            place += 1
        if place == len(times_s):
            return
        before = frame
    for rest in range(place, len(times_s) if before is not None else place):
        yield rest, before


def _smoothed(
    values: Float[np.ndarray, "t 2"], times_s: Float[np.ndarray, "t"]
) -> Float[np.ndarray, "t 2"]:
    from scipy.ndimage import gaussian_filter1d

    if len(values) < 2:
        return values
    frames = SMOOTHING_S / float(np.median(np.diff(times_s)))
    return gaussian_filter1d(values, frames, axis=0, mode="nearest")
