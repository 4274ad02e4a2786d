"""One video of one or several motions: views and motions side by side, with labels.

Motions that end early stay at their last frame. All have the frame rate of the video.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.voice import VoiceSource
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.labels import LABEL_PIXELS, label_row
from ksdiff_jax.export.picture import PictureForm, picture_form, pictures
from ksdiff_jax.export.soundtrack import soundtrack
from ksdiff_jax.export.video import VideoForm, encoding_of, write_video
from ksdiff_jax.face import FaceModel
from ksdiff_jax.outputs import check_output
from ksdiff_jax.typing import Float


class Shown(NamedTuple):
    """A motion as it is drawn; `Motion.shown` returns it."""

    label: str
    frames: int
    fps: float | int
    face: FaceModel
    blocks: Iterable[Float[np.ndarray, "t v 3"]]  # posed vertices of the face, in metres


def write_side_by_side(
    path: str | Path,
    motions: Sequence[Shown],
    *,
    audio: str | Path | VoiceSource | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
    **picture,
) -> Path:
    """Write a video of the motions, from left to right, with the sound of `audio`.

    `picture` are the options of `PictureForm`. Labels are drawn if any is not empty. Raises
    `InputError` for motions of several frame rates.
    """
    form, given = picture_form(**picture), () if audio is None else (_path_of(audio),)
    check_output(path, "video", overwrite=overwrite, inputs=given)
    rates = {motion.fps for motion in motions}
    if len(rates) != 1:
        got = " and ".join(f"{rate:g}" for rate in sorted(rates)) or "no motion"
        raise InputError(f"video: got {got} frames per second, need motions of one frame rate")
    labels = [motion.label for motion in motions]
    frames, views = max(motion.frames for motion in motions), len(form.views)
    size = (form.width, form.height + any(labels) * LABEL_PIXELS)
    video = VideoForm(frames, rates.pop(), size, views * len(motions), form.transparent)
    encoding_of(path, video)  # refuse before any work
    rows = _rows(motions, form, frames)
    if any(labels):
        top = label_row(labels, form, views)
        rows = (np.concatenate([top, row]) for row in rows)
    sound = None if audio is None else soundtrack(audio)
    return write_video(path, rows, form=video, sound=sound, progress=progress, overwrite=overwrite)


def _rows(motions: Sequence[Shown], form: PictureForm, frames: int) -> Iterator[np.ndarray]:
    """Yield the pictures of each frame, all motions side by side."""
    drawn = [_held(pictures(motion.blocks, motion.face, form), frames) for motion in motions]
    for row in zip(*drawn, strict=True):
        yield row[0] if len(row) == 1 else np.concatenate(row, axis=1)


def _held(drawn: Iterator[np.ndarray], frames: int) -> Iterator[np.ndarray]:
    """Yield `frames` pictures, the last one repeated."""
    last = None
    for _ in range(frames):
        last = next(drawn, last)
        yield last


def _path_of(audio: str | Path | VoiceSource) -> str | Path:
    return audio.path if isinstance(audio, VoiceSource) else audio
