"""A person in one picture, moved by any motion through a system that paints faces.

    portrait = Portrait.open("face.jpg")                   the face found by the tracker
    painter = Painter.from_pretrained("runs/frames")       a checkpoint of a frames system
    portrait.animate(motion, painter, "out.mp4", audio="speech.wav")

    picture -> aligned crop (data/tracking/crops.py) -> painted frames -> pasted back

The crop is fixed, as that of a still head is in training. The edge of a painted frame is faded into
the picture over an eighth of its side. Videos are marked as synthetic in their metadata.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.animate.painter import FramePainter
from ksdiff_jax.audio.voice import VoiceSource
from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.crops import cropped, square_of_face
from ksdiff_jax.data.tracking.follow import (
    DETECTION_SIDE,
    Detections,
    Survey,
    largest_first,
    single_face,
)
from ksdiff_jax.data.tracking.tracker import FaceTracker, Tracker, TrackerDied
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.soundtrack import soundtrack
from ksdiff_jax.export.video import VideoForm, write_video
from ksdiff_jax.outputs import check_output
from ksdiff_jax.pictures.read import read_picture
from ksdiff_jax.typing import Float, Int, UInt8

SMALLEST_PICTURE, SMALLEST_CROP = 96, 64  # pixels
FADED_SHARE = 0.125  # of the side, at each edge
SYNTHETIC = (
    "Synthetic video: the face was painted by ksdiff-jax from one picture and a motion; it is not "
    "a recording."
)
Pictures = UInt8[np.ndarray, "t h w 3"]


class Portrait(NamedTuple):
    """A picture and the square around its face: left, top and side in whole pixels."""

    picture: UInt8[np.ndarray, "y x 3"]
    square: Int[np.ndarray, "3"]
    source: str = ""

    @classmethod
    def open(cls, path: str | Path, *, tracker: FaceTracker | None = None) -> "Portrait":
        """Return the portrait in a picture file. Without a `tracker` one is started.

        Raise `InputError` for a file that is no picture, for a picture that is too small, and
        unless it shows one face.
        """
        picture = read_picture(path)
        height, width = picture.shape[:2]
        if min(height, width) < SMALLEST_PICTURE:
            raise InputError(
                f"{path}: {width} x {height} pixels; need {SMALLEST_PICTURE} or more on each side"
            )
        try:
            if tracker is not None:
                return cls(picture, face_square(picture, tracker, what=str(path)), str(path))
            with Tracker() as started:
                return cls(picture, face_square(picture, started, what=str(path)), str(path))
        except TrackerDied as error:
            raise InputError(f"{path}: the face tracker failed ({error}); try again") from error

    def reference(self, side: int) -> UInt8[np.ndarray, "h w 3"]:
        """Return the aligned crop of the face at `side` x `side` pixels."""
        return cropped(self.picture, self.square.astype(np.float32), side)

    def pasted(
        self, painted: Iterable[UInt8[np.ndarray, "h w 3"]]
    ) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
        """Yield the picture with each painted crop in the place of the face; a last odd row or
        column, which videos cannot have, is left out.
        """
        left, top, side = map(int, self.square)
        height, width = (length // 2 * 2 for length in self.picture.shape[:2])
        rows = slice(max(top, 0), min(top + side, height))
        columns = slice(max(left, 0), min(left + side, width))
        inner = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        weight = faded_square(side)[inner][..., None]
        behind = self.picture[rows, columns] * (1 - weight)
        for crop in painted:
            frame = self.picture[:height, :width].copy()
            scaled = Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC)
            blended = behind + np.asarray(scaled)[inner] * weight
            frame[rows, columns] = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
            yield frame

    def animate(
        self,
        motion: Motion,
        painter: FramePainter,
        path: str | Path,
        *,
        audio: str | Path | VoiceSource | None = None,
        progress: Callable[[int, int], None] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write an mp4 of this person with the motion, and with the sound of `audio`.

        Raise `InputError` for a motion of another space than the painter's. A video of ours at
        `path` is replaced; another file is replaced only with `overwrite`, and the picture never.
        """
        check_motion(motion, painter)
        check_output(path, "video", overwrite=overwrite, inputs=filter(None, [self.source]))
        painted = painter.paint(self.reference(painter.side), motion.coefficients)
        height, width = (length // 2 * 2 for length in self.picture.shape[:2])
        form = VideoForm(len(motion), motion.fps, (width, height), description=SYNTHETIC)
        sound = None if audio is None else soundtrack(audio)
        options = {"sound": sound, "progress": progress, "overwrite": overwrite}
        return write_video(path, self.pasted(painted), form=form, **options)


def check_motion(motion: Motion, painter: FramePainter) -> None:
    """Raise `InputError` for a motion of another space than the painter's."""
    if motion.space != painter.space:
        raise InputError(
            f"motion of the {motion.space or 'unknown'} space: this frames system paints motions "
            f"of the {painter.space} space; give a motion of that space with --motion"
        )


def face_square(
    picture: UInt8[np.ndarray, "y x 3"], tracker: FaceTracker, *, what: str
) -> Int[np.ndarray, "3"]:
    """Return left, top and side in whole pixels of the crop around the one face of a picture."""
    scale = max(1.0, max(picture.shape[:2]) / DETECTION_SIDE)
    small = Image.fromarray(picture)
    small.thumbnail((DETECTION_SIDE, DETECTION_SIDE))
    faces = largest_first(tracker.faces(np.asarray(small)), scale)
    once = slice(0, 1)
    try:
        ((x, y, side),) = single_face(Survey(np.zeros(1), [once], [Detections(0, faces)]), once)
    except Rejected as reason:
        found = {"no_face": "no face found", "two_faces": f"{len(faces)} faces found"}
        raise InputError(
            f"{what}: {found[reason.reason]}; need a picture of one face, seen from the front"
        ) from reason
    around = np.float32([x - side / 2, y - side / 2, side])
    pixels = max(2, round(float(side)))
    tracker.forget()
    landmarks = tracker.landmarks(cropped(picture, around, pixels))
    if landmarks is None:
        raise InputError(f"{what}: a face without landmarks; need one seen from the front")
    points = landmarks[:, :2] * (float(side) / pixels) + around[:2]
    square = np.rint(square_of_face(points)).astype(np.int64)
    if square[2] < SMALLEST_CROP:
        raise InputError(
            f"{what}: the face takes {square[2]} pixels with its surroundings; need "
            f"{SMALLEST_CROP} or more"
        )
    return square


def faded_square(side: int) -> Float[np.ndarray, "h w"]:
    """Return the weight of a painted crop: 1 inside, falling smoothly to 0 at the edge."""
    away = (np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5) / (FADED_SHARE * side)
    ramp = np.clip(away, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return (ramp[:, None] * ramp[None, :]).astype(np.float32)
