"""Small generated videos, with any time stamps, for the tests of this folder and its neighbours."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path, pictures, times_s, *, sound: np.ndarray | None = None, rate_hz: int = 16_000
) -> Path:
    """Pictures (y, x, 3) uint8 shown at the given times; `sound` in [-1, 1] from time 0 on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "12", "bf": "0"})
        height, width = pictures[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 12_800)
        voice = None if sound is None else container.add_stream("aac", rate=rate_hz, layout="mono")
        for picture, time_s in zip(pictures, times_s, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(time_s * 12_800), Fraction(1, 12_800)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice is not None:
            frame = av.AudioFrame.from_ndarray(
                sound[None].astype(np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = rate_hz, 0
            container.mux(voice.encode(frame))
            container.mux(voice.encode())
    return path


def noise_pictures(count: int, *, seed: int = 0, size=(64, 96)) -> list[np.ndarray]:
    """One blurred random picture, moving by a pixel a frame: no cut in it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size[0] // 8, size[1] // 8 + count // 8 + 2, 3)).astype(np.uint8)
    wide = coarse.repeat(8, axis=0).repeat(8, axis=1)
    return [wide[:, k : k + size[1]] for k in range(count)]
