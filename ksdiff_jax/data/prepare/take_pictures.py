"""Adds pictures to the takes of a video: a third pass over the file, once the takes are known.

Frame i of a take is `start_s + i / 25` s on the clock of the sound; the picture nearest to it is
cropped (tracking/crops.py) and coded at once, so that memory holds one decoded picture.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.coded_pictures import joined_jpegs, jpeg_of
from ksdiff_jax.data.prepare.source import Source
from ksdiff_jax.data.prepare.take import Take
from ksdiff_jax.data.tracking.crops import crop_squares, cropped, pictures_at
from ksdiff_jax.data.tracking.follow import FollowedFace
from ksdiff_jax.typing import Float


def with_pictures(
    takes: Sequence[tuple[Take, FollowedFace]], source: Source, *, side: int, stretch: float
) -> list[Take]:
    """Return the takes of a video with pictures of `side` pixels; 0: unchanged. `takes` have the
    faces that they were fitted to, in the order of time on a clock that is `stretch` times that of
    the video.
    """
    if not side:
        return [take for take, _ in takes]
    wanted = [
        (take.start_s + i / MOTION_RATE_HZ, number, i)
        for number, (take, _) in enumerate(takes)
        for i in range(len(take.expression))
    ]
    wanted.sort()
    squares = [_squares(take, face) for take, face in takes]
    jpegs: list[list[bytes]] = [[] for _ in takes]
    times_s = np.array([time_s for time_s, _, _ in wanted]) / stretch
    shown = None
    for place, frame in pictures_at(source.video, times_s):
        _, number, i = wanted[place]
        if shown is None or shown[0] is not frame:
            shown = frame, frame.rgb()
        jpegs[number].append(jpeg_of(cropped(shown[1], squares[number][i], side), side=side))
    return [
        take._replace(pictures=joined_jpegs(found, side=side, boxes=boxes))
        for (take, _), found, boxes in zip(takes, jpegs, squares, strict=True)
    ]


def _squares(take: Take, face: FollowedFace) -> Float[np.ndarray, "t 3"]:
    at_s = take.start_s + np.arange(len(take.expression)) / MOTION_RATE_HZ
    return crop_squares(face.landmarks, face.times_s, at_s)
