"""Tracks one face through a video: detection, cropping, and its landmarks frame by frame.

Two passes over the file are made, so that memory does not grow with its pictures. The first pass
computes thumbnails for the cuts, and detects faces five times a second in pictures of moderate
size. The second pass reads the shots that show one face: a square around the face, which moves
smoothly, is given to the landmark tracker. A shot shows one face if no second one of comparable
size is present for more than a moment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.tracker import LANDMARKS, FaceTracker, FoundFace
from ksdiff_jax.data.tracking.video import frames, shots
from ksdiff_jax.typing import Float

DETECTION_INTERVAL_S = 0.2
DETECTION_SIDE = 2 * 320  # size in pixels of the picture in which faces are detected
CROP_SIDE_OF_FACE = 2.0  # the detector's boxes end at brow and chin
COMPARABLE_SIZE = 0.5  # ratio of a second face's height to the first's
TWO_FACES_SHARE = 0.2  # of the detections
NO_FACE_SHARE = 0.5
SMOOTHING_S = 0.4


class Detections(NamedTuple):
    """The faces at one instant, the largest first, in pixels of the full picture."""

    frame: int
    faces: tuple[FoundFace, ...]


class Survey(NamedTuple):
    """The results of the first pass over a video."""

    times_s: Float[np.ndarray, "n"]
    shots: list[slice]
    detections: list[Detections]


class FollowedFace(NamedTuple):
    """A tracked face in one shot. Frames in which it was lost are NaN."""

    times_s: Float[np.ndarray, "n"]
    landmarks: Float[np.ndarray, "n 478 2"]  # pixels of the full picture, y down

    @property
    def seen(self) -> np.ndarray:
        """Bool (n,): the frames in which the face was detected."""
        return np.isfinite(self.landmarks[:, 0, 0])


def survey(
    path: str | Path, tracker: FaceTracker, *, start_s: float = 0.0, end_s: float | None = None
) -> Survey:
    """Make the first pass over the part of a video from `start_s` to `end_s`."""
    times, thumbnails, sizes, detections, next_detection_s = [], [], [], [], -np.inf
    for frame in _part(path, start_s, end_s):
        if frame.time_s >= next_detection_s:
            picture = frame.rgb(largest_side=DETECTION_SIDE)
            scale = max(frame.size) / max(picture.shape[:2])
            detections.append(Detections(len(times), largest_first(tracker.faces(picture), scale)))
            next_detection_s = frame.time_s + DETECTION_INTERVAL_S
        times.append(frame.time_s)
        thumbnails.append(frame.thumbnail())
        sizes.append(frame.size)
    if not times:
        raise Rejected("no_video", f"{path}: no picture could be decoded")
    return Survey(np.array(times), shots(np.array(times), np.stack(thumbnails), sizes), detections)


def single_face(survey: Survey, shot: slice) -> Float[np.ndarray, "n 3"]:
    """Return centre and side in pixels of the crop around the one face of a shot, for each of its
    frames.

    Raises `Rejected` if the shot shows no face, or two.
    """
    detections = [
        detection for detection in survey.detections if shot.start <= detection.frame < shot.stop
    ]
    found = [detection for detection in detections if detection.faces]
    if not detections or len(found) <= (1 - NO_FACE_SHARE) * len(detections):
        raise Rejected(
            "no_face",
            f"a face in {len(found)} of {len(detections)} detections; need one in most of them",
        )
    crowded = sum(_crowded(detection.faces) for detection in found)
    if crowded > TWO_FACES_SHARE * len(detections):
        raise Rejected(
            "two_faces",
            f"a second face in {crowded} of {len(detections)} detections; need one face alone",
        )
    faces = [detection.faces[0] for detection in found]
    at_s = survey.times_s[[detection.frame for detection in found]]
    times_s = survey.times_s[shot]
    centre = np.array([(face.x + face.width / 2, face.y + face.height / 2) for face in faces])
    centre = np.stack([np.interp(times_s, at_s, centre[:, axis]) for axis in range(2)], axis=1)
    # One size for the whole shot: a crop that changes size would make the landmarks fluctuate.
    side = CROP_SIDE_OF_FACE * max(np.percentile([face.width for face in faces], 75), 1.0)
    return np.column_stack([_smoothed(centre, times_s), np.full(len(times_s), side)])


def follow(
    path: str | Path,
    survey: Survey,
    crops: dict[int, Float[np.ndarray, "n 3"]],
    tracker: FaceTracker,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> dict[int, FollowedFace]:
    """Make the second pass: landmarks in the shots that `crops` gives by number."""
    landmarks = {
        k: np.full((len(crop), LANDMARKS, 2), np.nan, np.float32) for k, crop in crops.items()
    }
    shot = 0
    for number, frame in zip(range(len(survey.times_s)), _part(path, start_s, end_s), strict=False):
        if number >= survey.shots[shot].stop:
            shot += 1
        if shot not in crops:
            continue
        place = number - survey.shots[shot].start
        if place == 0:
            tracker.forget()
        x, y, side = crops[shot][place]
        picture, left, top = frame.square(x, y, side)
        seen = tracker.landmarks(picture)
        if seen is not None:
            landmarks[shot][place] = seen[:, :2] + (left, top)
    return {
        k: FollowedFace(survey.times_s[survey.shots[k]], found) for k, found in landmarks.items()
    }


def _part(path: str | Path, start_s: float, end_s: float | None) -> Iterator:
    for frame in frames(path):
        if end_s is not None and frame.time_s >= end_s:
            return
        if frame.time_s >= start_s:
            yield frame


def largest_first(faces: list[FoundFace], scale: float) -> tuple[FoundFace, ...]:
    """Return faces found in a picture that was shrunk by `scale`, in pixels of the full picture."""
    full = [FoundFace(*(scale * value for value in face[:4]), face.score) for face in faces]
    return tuple(sorted(full, key=lambda face: -face.height))


def _crowded(faces: tuple[FoundFace, ...]) -> bool:
    return len(faces) > 1 and faces[1].height > COMPARABLE_SIZE * faces[0].height


def _smoothed(
    centre: Float[np.ndarray, "n 2"], times_s: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 2"]:
    """Return a Gaussian mean over time, for any frame rate."""
    steps = np.diff(times_s)
    reach = max(1, round(3 * SMOOTHING_S / np.median(steps))) if len(steps) else 1
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) * 3 / reach) ** 2)
    padded = np.pad(centre, [(reach, reach), (0, 0)], mode="edge")
    return np.stack(
        [np.convolve(padded[:, k], window / window.sum(), mode="valid") for k in range(2)], axis=1
    )
