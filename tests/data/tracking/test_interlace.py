"""A bar that moves between two fields: after deinterlacing its edge is straight, at the position of
the first field.
"""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from ksdiff_jax.data.tracking.video import frames

STEP = 6  # pixels a frame; the second field sees half of it


def bar(left: float) -> np.ndarray:
    x = np.arange(96)
    return np.broadcast_to(np.where((x >= left) & (x < left + 24), 200, 40), (64, 96))


def write(path, *, flag: str, first: int, codec="libx264", options=None):
    graph = Graph()
    source = graph.add_buffer(
        width=96, height=64, format=av.VideoFormat("yuv420p", 96, 64), time_base=Fraction(1, 25)
    )
    graph.link_nodes(
        source, graph.add("setfield", f"mode={flag}"), graph.add("buffersink")
    ).configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(8):
            woven = np.empty((64, 96), np.uint8)
            woven[first::2], woven[1 - first :: 2] = (
                bar(4 + STEP * number + late)[::2] for late in (0, STEP / 2)
            )
            frame = av.VideoFrame.from_ndarray(
                np.repeat(woven[..., None], 3, axis=2), format="rgb24"
            )
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            graph.vpush(frame)
            frame = graph.vpull()
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


FIELDS = {"flags": "+ildct+ilme"}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("v.mp4", "libx264", {"crf": "4"} | FIELDS),
        ("v.mpg", "mpeg2video", {"qmin": "1", "qmax": "2"} | FIELDS),
    ],
)
@pytest.mark.parametrize(("flag", "first"), [("tff", 0), ("bff", 1)])
def test_fields_become_the_picture_of_the_first_one(tmp_path, name, codec, options, flag, first):
    path = write(tmp_path / name, flag=flag, first=first, codec=codec, options=options)
    seen = list(frames(path))
    np.testing.assert_allclose([frame.time_s for frame in seen], np.arange(8) / 25, atol=1e-3)
    assert all(frame.interlaced for frame in seen)
    for number, frame in enumerate(seen):
        luma = frame.rgb()[..., 1].astype(float)
        assert np.abs(np.diff(luma, axis=0)).mean() < 1  # the comb had 10
        assert abs(int((luma[8] > 120).argmax()) - (4 + STEP * number)) <= 1


def test_progressive_pictures_are_left_alone(tmp_path):
    seen = list(frames(write(tmp_path / "v.mp4", flag="prog", first=0)))
    assert len(seen) == 8 and not any(frame.interlaced for frame in seen)
    assert np.abs(np.diff(seen[3].rgb()[..., 1].astype(float), axis=0)).mean() > 5
