"""Writes pictures as a video, lips in sync with the sound.

| ending | video | sound | transparent |
|---|---|---|---|
| .mp4 | H.264, yuv420p, played everywhere | AAC | no |
| .mov | ProRes 4444, for editing programs | AAC | yes |
| .webm | VP9, for browsers and streaming programs | Opus | yes |

Pictures are drawn and encoded one after another, so memory does not grow with the clip. The video
is exactly as long as the motion; the sound is cut or padded with silence to the same length. The
AAC encoder prepends 1024 samples of its own ("priming"). Their negative time stamps become an edit
list of the file, and players skip them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.soundtrack import RATE_HZ
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

X264_OPTIONS = {"crf": "20", "preset": "veryfast"}
VP9_OPTIONS = {"crf": "28", "b": "0", "deadline": "realtime", "cpu-used": "6", "auto-alt-ref": "0"}
AAC_BIT_RATE = 128_000
_CONTAINER_OPTIONS = {"movflags": "+faststart"}  # other containers ignore it


class Encoding(NamedTuple):
    """The codecs of a container; `clear` is the pixel format with transparency, if it has one."""

    container: str
    video: str
    pixels: str
    clear: str
    audio: str
    options: Mapping[str, str]


ENCODINGS = {
    ".mp4": Encoding("mp4", "libx264", "yuv420p", "", "aac", X264_OPTIONS),
    ".mov": Encoding("mov", "prores_ks", "yuv444p10le", "yuva444p10le", "aac", {"profile": "4444"}),
    ".webm": Encoding("webm", "libvpx-vp9", "yuv420p", "yuva420p", "libopus", VP9_OPTIONS),
}


class VideoForm(NamedTuple):
    """The length, the frame rate and the size of a video: `across` pictures side by side."""

    frames: int
    fps: float | int
    size: int | tuple[int, int] = 512  # pixels of one picture: a square, or width and height
    across: int = 1
    transparent: bool = False
    description: str = ""  # a tag of the file, in addition to the mark of this package

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the video."""
        width, height = (self.size,) * 2 if isinstance(self.size, int) else self.size
        return self.across * width, height


def write_video(
    path: str | Path,
    pictures: Iterable[np.ndarray],
    *,
    form: VideoForm,
    sound: Iterator[Float[np.ndarray, "2 s"]] | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Encode `form.frames` pictures (height, width, 3, or 4 if transparent) uint8 and blocks of
    48 kHz stereo; the file is complete or absent.

    The ending of `path` chooses one of `ENCODINGS`; an unknown one is an mp4. A video of ours at
    `path` is replaced; another file is replaced only with `overwrite`.
    """
    encoding, (width, height) = encoding_of(path, form), form.pixels
    rate = Fraction(form.fps).limit_denominator(1001)
    with (
        writing(path, "video", overwrite=overwrite) as temporary,
        # The explicit protocol makes FFmpeg treat a name such as `a:b` as a path.
        av.open(
            f"file:{temporary}", "w", format=encoding.container, options=_CONTAINER_OPTIONS
        ) as container,
    ):
        container.metadata["comment"] = mark("video")
        if form.description:
            container.metadata["description"] = form.description
        video = container.add_stream(encoding.video, rate=rate, options=dict(encoding.options))
        video.width, video.height = width, height
        video.pix_fmt = encoding.clear if form.transparent else encoding.pixels
        video.codec_context.time_base = 1 / rate
        voice = None
        if sound is not None:
            voice = container.add_stream(encoding.audio, rate=RATE_HZ, layout="stereo")
            voice.bit_rate = AAC_BIT_RATE
            blocks = _per_picture(sound, frames=form.frames, rate=rate)
        written = 0
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(
                picture, format="rgba" if form.transparent else "rgb24"
            )
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(video.encode(frame))
            if voice is not None:
                written += _mux_sound(container, voice, next(blocks), start=written)
            if progress:
                progress(index + 1, form.frames)
        for stream in filter(None, (video, voice)):
            container.mux(stream.encode(None))
    return Path(path)


def encoding_of(path: str | Path, form: VideoForm) -> Encoding:
    """Return the encoding that the ending of `path` chooses; raise `InputError` for a size or a
    transparency that it does not have.
    """
    ending = Path(path).suffix.lower()
    encoding = ENCODINGS.get(ending, ENCODINGS[".mp4"])
    width, height = form.pixels
    if form.transparent and not encoding.clear:
        raise InputError(
            f"{path}: a transparent background needs a file named .mov (ProRes 4444) or .webm (VP9)"
        )
    if (width % 2 or height % 2) and "420" in encoding.pixels:
        raise InputError(
            f"video size: got {width} x {height}, need an even number of pixels (yuv420p)"
        )
    return encoding


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
