"""One video of one or several motions: views and motions side by side, with labels.

Motions that end early stay at their last frame. All have the frame rate of the video.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.audio.voice import VoiceSource
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.labels import LABEL_PIXELS, label_row
from ksdiff_jax.export.picture import PictureForm, picture_form, pictures
from ksdiff_jax.export.soundtrack import soundtrack
from ksdiff_jax.export.video import VideoForm, encoding_of, write_video
from ksdiff_jax.face import FaceModel
from ksdiff_jax.outputs import check_output
from ksdiff_jax.typing import Float


def render_side_by_side(
    path: str | Path,
    motions: Mapping[str, Motion],
    *,
    faces: Sequence[FaceModel | None] = (),
    tongues: Sequence[Float[np.ndarray, "t 2"] | None] = (),
    audio: str | Path | VoiceSource | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
    **picture,
) -> Path:
    """Write a video of the motions by label, from left to right, with the sound of `audio`.

    `picture` are the options of `PictureForm`. `faces` and `tongues` are those of the motions, as
    in `Motion.render`; without them, every motion is on the built-in head. Labels are drawn if any
    is not empty. Raises `InputError` for motions of several frame rates.
    """
    form, given = picture_form(**picture), () if audio is None else (_path_of(audio),)
    check_output(path, "video", overwrite=overwrite, inputs=given)
    rates = {motion.fps for motion in motions.values()}
    if len(rates) != 1:
        got = " and ".join(f"{rate:g}" for rate in sorted(rates)) or "no motion"
        raise InputError(f"video: got {got} frames per second, need motions of one frame rate")
    labelled = any(motions)
    across = len(form.views) * len(motions)
    video = VideoForm(
        max(map(len, motions.values())),
        rates.pop(),
        (form.width, form.height + labelled * LABEL_PIXELS),
        across,
        form.transparent,
    )
    encoding_of(path, video)  # refuse before any work
    rows = _rows(motions, faces, tongues, form)
    if labelled:
        top = label_row(list(motions), form, across // len(motions))
        rows = (np.concatenate([top, row]) for row in rows)
    sound = None if audio is None else soundtrack(audio)
    return write_video(path, rows, form=video, sound=sound, progress=progress, overwrite=overwrite)


def _rows(
    motions: Mapping[str, Motion],
    faces: Sequence[FaceModel | None],
    tongues: Sequence[Float[np.ndarray, "t 2"] | None],
    form: PictureForm,
) -> Iterator[np.ndarray]:
    """Yield the pictures of each frame, all motions side by side."""
    frames = max(map(len, motions.values()))
    drawn = [
        _held(
            pictures(motion.drawn_blocks(face=face, tongue=tongue), motion.drawn_face(face), form),
            frames,
        )
        for motion, face, tongue in itertools.zip_longest(motions.values(), faces, tongues)
    ]
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
