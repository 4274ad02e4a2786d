"""The mouth opening of a filmed face, tracked once per file and kept in the user's cache.

The measure is that of `lips/*.npz`: the distance of the landmarks 13 and 14 (inner lips) over that
of 10 and 152 (forehead and chin) in the picture, at 25 Hz. It comes from the landmarks themselves
and not from a face model that is fitted to them. The longest shot with one face is used. The cache
is keyed by the digest of the file's bytes, so that a file is tracked once wherever it lies.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.follow import FollowedFace, follow, single_face, survey
from ksdiff_jax.data.tracking.tracker import FaceTracker
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import Float

INNER_LIPS = (13, 14)
FACE_HEIGHT = (10, 152)
LONGEST_GAP_S = 0.2  # a face that is lost for longer is not interpolated
SHORTEST_S = 1.0
MEASURE = "1"  # part of the cache's name; increase it if the measure changes


class TrackedMouth(NamedTuple):
    """Openings over face height at 25 Hz; frame i is at `(first_frame + i) / 25` s of the file."""

    opening: Float[np.ndarray, "t"]
    first_frame: int


def tracked_mouth(
    video: Path, *, digest: str, cache: Path, tracker: Callable[[], FaceTracker]
) -> TrackedMouth:
    """Return the opening of a video from the cache, or track it and keep it there.

    `tracker()` starts the tracker, only if the video is not in the cache. Raise `Rejected` if the
    video cannot be read or does not show one face for a second.
    """
    kept = cache / "mouths" / f"{digest}-{MEASURE}.npz"
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as archive:
            return TrackedMouth(archive["opening"].astype(np.float64), int(archive["first_frame"]))
    started = tracker()
    try:
        mouth = opening_of_face(longest_face(video, started), name=str(video))
    except InputError as error:  # of this file, which the others do not depend on
        raise Rejected("no_video", str(error)) from error
    with replacing(kept) as temporary:
        np.savez(temporary, opening=mouth.opening, first_frame=mouth.first_frame)
    return mouth


def longest_face(video: Path, tracker: FaceTracker) -> FollowedFace:
    """Return the face of the longest shot that shows one face; raise `Rejected` if there is none,
    with the reason of the longest shot.
    """
    found = survey(video, tracker)
    longest_first = sorted(
        range(len(found.shots)), key=lambda k: found.shots[k].start - found.shots[k].stop
    )
    refusals = []
    for number in longest_first:
        try:
            crop = single_face(found, found.shots[number])
        except Rejected as rejected:
            refusals.append(rejected)
            continue
        return follow(video, found, {number: crop}, tracker)[number]
    raise refusals[0]


def opening_of_points(
    upper: Float[np.ndarray, "t 2"],
    lower: Float[np.ndarray, "t 2"],
    top: Float[np.ndarray, "t 2"],
    chin: Float[np.ndarray, "t 2"],
) -> Float[np.ndarray, "t"]:
    """Return the distance of the inner lips over the height of the face in the picture."""
    return np.linalg.norm(upper - lower, axis=1) / np.linalg.norm(top - chin, axis=1)


def opening_of_face(face: FollowedFace, *, name: str = "video") -> TrackedMouth:
    """Return the opening at 25 Hz over the longest stretch in which the face is never lost for
    longer than `LONGEST_GAP_S`; raise `Rejected` if it is shorter than `SHORTEST_S`.
    """
    opening = opening_of_points(*(face.landmarks[:, k] for k in (*INNER_LIPS, *FACE_HEIGHT)))
    seen = np.flatnonzero(face.seen)
    pieces = np.split(seen, np.flatnonzero(np.diff(face.times_s[seen]) > LONGEST_GAP_S) + 1)
    longest = max(pieces, key=len)
    times_s = face.times_s[longest]
    if len(times_s) < 2 or times_s[-1] - times_s[0] < SHORTEST_S:
        raise Rejected("bad_tracking", f"{name}: the face was not followed for {SHORTEST_S:g} s")
    # an instant that coincides with a picture belongs to the stretch in spite of rounding
    first = int(np.ceil(times_s[0] * MOTION_RATE_HZ - 1e-3))
    last = int(np.floor(times_s[-1] * MOTION_RATE_HZ + 1e-3))
    at_s = np.arange(first, last + 1) / MOTION_RATE_HZ
    return TrackedMouth(np.interp(at_s, times_s, opening[longest]).astype(np.float64), first)
