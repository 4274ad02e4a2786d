"""Videos whose pictures are numbered by their brightness, of many codecs and geometries, whole or
damaged.

The player is a plain decode by FFmpeg: every picture that it shows is to be there, in order, in its
shape on screen.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ksdiff_jax.data.tracking.video import frames
from tests.fuzz.damage import damaged
from tests.fuzz.forked import Case, Outcome
from tests.fuzz.player import decoded

FORMS = [
    ("mp4", "libx264"),
    ("mkv", "libx264"),
    ("avi", "mpeg4"),
    ("avi", "libx264"),
    ("h264", "libx264"),
    ("mov", "mpeg4"),
    ("mpg", "mpeg2video"),
    ("ts", "libx264"),
    ("webm", "libvpx"),
]
ASPECTS = (None, Fraction(4, 3), Fraction(16, 15), Fraction(64, 45), Fraction(8, 9))
SIZE = (96, 64)
RATES_HZ = (Fraction(25), Fraction(30000, 1001), Fraction(10))


def make(rng: np.random.Generator, folder: Path) -> Case:
    """A video of 5 to 40 pictures."""
    suffix, codec = FORMS[rng.integers(len(FORMS))]
    count, aspect = int(rng.integers(5, 40)), ASPECTS[rng.integers(len(ASPECTS))]
    # the container or the stream keeps no or another aspect
    if suffix in ("h264", "webm", "avi", "mpg"):
        aspect = None
    b_frames = int(rng.integers(0, 3)) if codec != "libvpx" else 0
    fps = (
        Fraction(25)
        if codec == "mpeg2video"
        else [Fraction(25), Fraction(30000, 1001), Fraction(10)][rng.integers(3)]
    )
    path = folder / f"v.{suffix}"
    _write(path, codec, count, aspect, b_frames, fps)
    known = rng.random() < 0.5
    how, content = ("whole", path.read_bytes()) if known else damaged(path.read_bytes(), rng)
    path.write_bytes(content)
    name = (
        f"{suffix} {codec} {count} pictures, aspect {aspect}, {b_frames} B, {float(fps):.5g} "
        f"fps, {how}"
    )
    return Case(
        name,
        known,
        lambda: _read(path),
        lambda outcome: _judge(outcome, path, count, aspect, fps, known=known),
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    times, levels, shape = [], [], (0, 0)
    for frame in frames(path):
        picture = frame.rgb()
        times.append(frame.time_s)
        levels.append(float(picture.mean()))
        shape = picture.shape[:2]
    return np.array(times), np.array(levels), shape


def _judge(
    outcome: Outcome, path: Path, count: int, aspect: Fraction | None, fps: Fraction, *, known: bool
) -> str:
    played = sum(1 for _ in decoded(path, "video"))
    if outcome.value is None:
        return f"refused what shows {played} pictures: {outcome.refusal}" if played > 1 else ""
    times_s, levels, (height, width) = outcome.value
    if len(times_s) < played:
        return f"{len(times_s)} of the {played} pictures that a player shows"
    if (np.diff(times_s) <= 0).any():
        return "pictures out of order"
    if not known:
        return ""
    if len(times_s) != count:
        return f"{len(times_s)} pictures"
    if (np.diff(levels) < 0).any():
        return "pictures in another order than shown"
    if np.abs(np.diff(times_s) - 1 / float(fps)).max() > 0.002:
        return f"steps of {np.diff(times_s).min():.4f} to {np.diff(times_s).max():.4f} s"
    shown = float(aspect or 1) * SIZE[0] / SIZE[1]
    return (
        "" if abs(width / height / shown - 1) < 0.02 else f"{width} x {height}, shown {shown:.3f}"
    )


def _write(
    path: Path, codec: str, count: int, aspect: Fraction | None, b_frames: int, fps: Fraction
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"bf": str(b_frames), "g": "12"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = 1 / fps
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for number in range(count):
            level = np.full((SIZE[1], SIZE[0], 3), 20 + 5 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(level, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
