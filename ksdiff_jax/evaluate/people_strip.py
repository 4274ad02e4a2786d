"""A picture of a filmed face above the head that was animated by its sound: instants across, under
the name of the clip and the time of each.

Both rows are crops of one geometry (`filmed_crops`, `face_crops`), so mouths and turns of the head
can be compared by eye. The instants are those of the widest and of the narrowest opening of the
filmed mouth in equal parts of the clip, in turn.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.tracking.tracker import FaceTracker
from ksdiff_jax.evaluate.face_crops import face_crops
from ksdiff_jax.evaluate.filmed_crops import filmed_crops
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.export.labels import LABEL_PIXELS, label_row
from ksdiff_jax.export.picture import PictureForm
from ksdiff_jax.face import builtin_face
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float, Int, UInt8

SHOWN = 8  # instants
KIND = "people-strip"


def people_strip(
    clip: MeasuredClip, motion: Float[np.ndarray, "t 59"], tracker: FaceTracker
) -> UInt8[np.ndarray, "512 x 3"]:
    """Return the strip of a clip and of a motion of the built-in head from its sound, with a row of
    text above it: the clip's name, and the seconds of each instant in its sound.

    Raise `Rejected` if the video shows no face that can be followed.
    """
    filmed = filmed_crops(clip.video, tracker)
    frames = shown_frames(clip.opening) + clip.first_frame  # of the sound, at 25 Hz
    last = min(filmed.first_frame + len(filmed.pictures), len(motion)) - 1
    frames = np.clip(frames, filmed.first_frame, last)
    rows = (
        filmed.pictures[frames - filmed.first_frame],
        face_crops(builtin_face(), np.asarray(motion[frames], np.float32)),
    )
    strip = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    return np.concatenate([_captions(clip.name, frames, strip.shape[1]), strip])


def _captions(name: str, frames: Int[np.ndarray, "n"], width: int) -> UInt8[np.ndarray, "64 x 3"]:
    """Return the name of the clip, and under it the time of each frame, above a strip."""
    times = [f"{frame / MOTION_RATE_HZ:.2f} s" for frame in frames]
    rows = ([name], times)
    forms = [PictureForm((width // len(labels), LABEL_PIXELS)) for labels in rows]
    return np.concatenate([label_row(*each, views=1) for each in zip(rows, forms, strict=True)])


def shown_frames(opening: Float[np.ndarray, "t"], *, shown: int = SHOWN) -> Int[np.ndarray, "n"]:
    """Return the frames of the widest and the narrowest opening, in turn, of equal parts."""
    parts = np.array_split(np.arange(len(opening)), min(shown, len(opening)))
    chosen = (np.argmax, np.argmin)
    return np.array([part[chosen[k % 2](opening[part])] for k, part in enumerate(parts)])


def write_people_strip(
    path: str | Path, strip: UInt8[np.ndarray, "y x 3"], *, overwrite: bool = False
) -> Path:
    """Write a strip as a PNG. One of ours at `path` is replaced; another file is replaced only with
    `overwrite`.
    """
    info = PngInfo()
    info.add_text("Software", mark(KIND))
    with writing(path, KIND, overwrite=overwrite) as temporary:
        Image.fromarray(strip).save(temporary, "PNG", pnginfo=info)
    return Path(path)
