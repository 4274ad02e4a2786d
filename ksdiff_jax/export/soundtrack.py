"""The sound of a source, block by block, for the video: 48 kHz stereo at the source's own quality.

The model hears 16 kHz mono; a viewer should hear the recording. Sample 0 here is the same instant as sample 0 of
`audio.waveform.load_audio`, so the picture made from one fits the sound of the other.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np

from ksdiff_jax.audio.container import open_container
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

RATE_HZ = 48_000


def soundtrack(path: str | Path) -> Iterator[Float[np.ndarray, "2 s"]]:
    """Yield the recording's sound in blocks of float32 stereo at 48 kHz; NaN and infinities become silence."""
    try:
        with open_container(path) as container:
            if not container.streams.audio:
                raise InputError(f"{path}: no sound in it to put under the video")
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE_HZ)
            for frame in _frames(container):
                # Without time stamps the resampler counts samples, as load_audio does.
                frame.pts = None
                for piece in resampler.resample(frame):
                    yield _finite(piece.to_ndarray())
            for piece in resampler.resample(None):
                yield _finite(piece.to_ndarray())
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: its sound cannot be read for the video ({error.strerror})") from error


def _frames(container) -> Iterator[av.AudioFrame]:
    """Decoded frames in order, going on after packets that do not decode."""
    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _finite(block: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
