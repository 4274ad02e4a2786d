"""Pictures of a filmed face as SyncNet's own pipeline cuts them: 224 x 224 pixels at 25 Hz.

The pipeline (Chung and Zisserman 2016, their `run_pipeline`) filters centre and size of a face's
square box over 13 frames (median). It cuts a square of 1.4 box sizes that begins at the top of the
box and is centred on it sideways, fills what lies beyond the picture with the grey level 110, and
scales the square bilinearly. Here the box spans the tracked landmarks of the top of the forehead
and the chin (10 and 152 of MediaPipe), as that of the drawn faces in `face_crops` does. The
original's boxes are those of a face detector, whose size on these faces was not compared.

The pictures at 25 Hz are those of the video that are nearest in time. Frames in which the face is
lost get the box between their neighbours. Of a longer shot the first minute is used (225 MB).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.follow import FollowedFace
from ksdiff_jax.data.tracking.tracker import FaceTracker
from ksdiff_jax.data.tracking.video import frames
from ksdiff_jax.evaluate.face_crops import CROP_OF_BOX, FILTER_FRAMES
from ksdiff_jax.evaluate.tracked_mouth import FACE_HEIGHT, longest_face
from ksdiff_jax.models.syncnet.network import PICTURE_SIDE
from ksdiff_jax.typing import Float, Int, UInt8

LONGEST_FRAMES = 60 * MOTION_RATE_HZ
BEYOND = 110  # grey level beyond the edge of a picture
DESCRIPTION = (
    f"filmed, {PICTURE_SIDE} x {PICTURE_SIDE}, {CROP_OF_BOX} face heights from the top of the "
    "forehead, boxes from tracked landmarks"
)


class Filmed(NamedTuple):
    """Pictures at 25 Hz; frame i is at `(first_frame + i) / 25` s of the file."""

    pictures: UInt8[np.ndarray, "t 224 224 3"]  # red, green, blue
    first_frame: int


def filmed_crops(video: Path, tracker: FaceTracker) -> Filmed:
    """Return the pictures of the longest shot that shows one face.

    Raise `Rejected` if there is none, and `InputError` if the file is not a video.
    """
    face = longest_face(video, tracker)
    first, numbers = nearest_frames(face.times_s)
    if not len(numbers) or not face.seen.any():
        raise Rejected("bad_tracking", f"{video}: the face was not followed for a frame at 25 Hz")
    boxes = crop_boxes(face)[numbers]
    wanted = face.times_s[numbers]
    pictures = np.zeros((len(numbers), PICTURE_SIDE, PICTURE_SIDE, 3), np.uint8)
    for place, shown in _pictures_at(video, wanted):
        pictures[place] = cut(shown, boxes[place])
    return Filmed(pictures, first)


def nearest_frames(times_s: Float[np.ndarray, "n"]) -> tuple[int, Int[np.ndarray, "t"]]:
    """Return the number of the first instant at 25 Hz within the times, and for it and all later
    ones within them the index of the nearest time.
    """
    # an instant that coincides with a picture belongs to the shot in spite of rounding
    first = int(np.ceil(times_s[0] * MOTION_RATE_HZ - 1e-3))
    last = int(np.floor(times_s[-1] * MOTION_RATE_HZ + 1e-3))
    last = min(last, first + LONGEST_FRAMES - 1)
    at_s = np.arange(first, last + 1) / MOTION_RATE_HZ
    after = np.clip(np.searchsorted(times_s, at_s), 1, max(1, len(times_s) - 1))
    later = np.minimum(after, len(times_s) - 1)
    is_later = times_s[later] - at_s < at_s - times_s[after - 1] - 1e-6  # a tie: the earlier one
    return first, np.where(is_later, later, after - 1)


def crop_boxes(face: FollowedFace) -> Float[np.ndarray, "n 3"]:
    """Return left, top and side of the square crop of every frame of a shot, in pixels."""
    from scipy.ndimage import median_filter

    seen = np.flatnonzero(face.seen)
    top, chin = (face.landmarks[seen, k].astype(np.float64) for k in FACE_HEIGHT)
    found = np.column_stack([(top + chin) / 2, np.abs(top[:, 1] - chin[:, 1])])
    times_s = face.times_s
    boxes = np.column_stack([np.interp(times_s, times_s[seen], column) for column in found.T])
    x, y, size = median_filter(boxes, size=(FILTER_FRAMES, 1), mode="nearest").T
    side = CROP_OF_BOX * size
    return np.column_stack([x - side / 2, y - size / 2, side])


def cut(
    picture: UInt8[np.ndarray, "y x 3"], box: Float[np.ndarray, "3"]
) -> UInt8[np.ndarray, "224 224 3"]:
    """Return the square of a picture (left, top, side) at 224 x 224, sampled bilinearly between the
    centres of its pixels.
    """
    from scipy.ndimage import map_coordinates

    left, top, side = box
    at = (np.arange(PICTURE_SIDE) + 0.5) * side / PICTURE_SIDE - 0.5
    grid = np.meshgrid(top + at, left + at, indexing="ij")
    sample = {"order": 1, "mode": "constant", "cval": float(BEYOND)}
    colours = [
        map_coordinates(picture[..., colour].astype(np.float32), grid, **sample)
        for colour in range(3)
    ]
    return np.rint(np.stack(colours, axis=-1)).astype(np.uint8)


def _pictures_at(
    video: Path, times_s: Float[np.ndarray, "t"]
) -> Iterator[tuple[int, UInt8[np.ndarray, "y x 3"]]]:
    """Yield every wanted place with the picture of its time; times ascend and may repeat."""
    place = 0
    for frame in frames(video):
        if place == len(times_s):
            return
        shown = None
        while place < len(times_s) and times_s[place] <= frame.time_s:
            shown = frame.rgb() if shown is None else shown
            yield place, shown
            place += 1
