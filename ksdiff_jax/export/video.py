"""Writes a motion as a widely playable video: H.264 (yuv420p) with AAC in an mp4, lips in sync with
the sound.

Pictures are drawn and encoded one after another, so memory does not grow with the clip. The video
is exactly as long as the motion; the sound is cut or padded with silence to the same length. The
AAC encoder prepends 1024 samples of its own ("priming"). Their negative time stamps become an edit
list of the mp4, and players skip them.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from ksdiff_jax.audio.voice import VoiceSource
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.raster import Camera, Surface, framed_on, render_frames
from ksdiff_jax.export.soundtrack import RATE_HZ, soundtrack
from ksdiff_jax.face import FaceModel
from ksdiff_jax.outputs import check_output, writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

X264_OPTIONS = {"crf": "20", "preset": "veryfast"}
AAC_BIT_RATE = 128_000
BELOW_CHIN = 0.28  # of the head's height
ABOVE_HEAD = 0.09  # of the picture's height, room for nods


class VideoForm(NamedTuple):
    """The length, the frame rate and the size of a video: `across` square pictures side by side."""

    frames: int
    fps: float | int
    size: int = 512  # pixels, of width and of height of one picture
    across: int = 1


def write_motion_video(
    path: str | Path,
    vertex_blocks: Iterable[Float[np.ndarray, "t v 3"]],
    face: FaceModel,
    *,
    form: VideoForm,
    audio: str | Path | VoiceSource | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw blocks of posed vertices of `face` and write them as `path`, with the sound of the
    recording `audio`.

    A video of ours at `path` is replaced; another file is replaced only with `overwrite`, and
    `audio` itself never.
    """
    given = () if audio is None else (audio.path if isinstance(audio, VoiceSource) else audio,)
    check_output(path, "video", overwrite=overwrite, inputs=given)
    camera = portrait_camera(face)
    surface = Surface(face.faces, face.colours, face.gloss)
    pictures = (
        picture
        for block in vertex_blocks
        for picture in render_frames(block, surface, camera=camera, size=form.size)
    )
    sound = None if audio is None else soundtrack(audio)
    return write_video(
        path, pictures, form=form, sound=sound, progress=progress, overwrite=overwrite
    )


def portrait_camera(face: FaceModel) -> Camera:
    """Return a fixed camera on the resting head, from above the hair to below the chin, the same
    for every clip.
    """
    template = np.asarray(face.template)
    top, chin = float(template[:, 1].max()), float(template[face.height_pair[1], 1])
    bottom = chin - BELOW_CHIN * (top - chin)  # the picture ends at the neck, as in a portrait
    height_m = (top - bottom) / (1 - ABOVE_HEAD)
    middle = framed_on(template[None]).target
    return Camera(target=(middle[0], bottom + height_m / 2, middle[2]), height_m=height_m)


def write_video(
    path: str | Path,
    pictures: Iterable[np.ndarray],
    *,
    form: VideoForm,
    sound: Iterator[Float[np.ndarray, "2 s"]] | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Encode `form.frames` pictures (size, across * size, 3) uint8 and blocks of 48 kHz stereo; the
    file is complete or absent.

    A video of ours at `path` is replaced; another file is replaced only with `overwrite`.
    """
    if form.size % 2:
        raise InputError(f"video size: got {form.size}, need an even number of pixels (yuv420p)")
    rate = Fraction(form.fps).limit_denominator(1001)
    with (
        writing(path, "video", overwrite=overwrite) as temporary,
        # The explicit protocol makes FFmpeg treat a name such as `a:b` as a path.
        av.open(
            f"file:{temporary}", "w", format="mp4", options={"movflags": "+faststart"}
        ) as container,
    ):
        container.metadata["comment"] = mark("video")
        video = container.add_stream("libx264", rate=rate, options=X264_OPTIONS)
        video.width, video.height = form.across * form.size, form.size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = 1 / rate
        voice = None
        if sound is not None:
            voice = container.add_stream("aac", rate=RATE_HZ, layout="stereo")
            voice.bit_rate = AAC_BIT_RATE
            blocks = _per_picture(sound, frames=form.frames, rate=rate)
        written = 0
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(video.encode(frame))
            if voice is not None:
                written += _mux_sound(container, voice, next(blocks), start=written)
            if progress:
                progress(index + 1, form.frames)
        for stream in filter(None, (video, voice)):
            container.mux(stream.encode(None))
    return Path(path)


def _mux_sound(container, voice, block: np.ndarray, *, start: int) -> int:
    """Encode one block that begins `start` samples into the clip; return its length."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
    container.mux(voice.encode(frame))
    return block.shape[1]


def _per_picture(
    sound: Iterator[np.ndarray], *, frames: int, rate: Fraction
) -> Iterator[np.ndarray]:
    """Yield the sound in `frames` pieces, each as long as one picture; silence follows its end."""
    waiting, length = [], 0
    for index in range(frames):
        needed = round((index + 1) * RATE_HZ / rate) - round(index * RATE_HZ / rate)
        while length < needed:
            block = next(sound, None)
            if block is None:
                block = np.zeros((2, needed - length), np.float32)
            waiting.append(block)
            length += block.shape[1]
        joined = np.concatenate(waiting, axis=1)
        yield joined[:, :needed]
        waiting, length = [joined[:, needed:]], length - needed
