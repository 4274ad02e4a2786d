"""The contents of a file and its start time, for sound and pictures."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from ksdiff_jax.audio.container import (
    open_container,
    read_tracks,
    shown_stream,
    start_s,
    video_streams,
)


def write(path, *, pictures_from_s=None, sound_from_s=None, cover=False, aspect=None):
    """A second of pictures at 25 fps and of sound, each from its own time on."""
    with av.open(str(path), "w") as file:
        packets = []
        if pictures_from_s is not None:
            video = file.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        if sound_from_s is not None:
            sound = file.add_stream("libopus", rate=48_000, layout="mono")
        if cover:
            art = file.add_stream("mjpeg", rate=25)
            art.width, art.height, art.pix_fmt, art.disposition = (
                96,
                96,
                "yuvj420p",
                Disposition.attached_pic,
            )
            packets += art.encode(
                av.VideoFrame.from_ndarray(np.zeros((96, 96, 3), np.uint8), format="rgb24")
            )
            packets += art.encode()
        if pictures_from_s is not None:
            for number in range(25):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = number + round(25 * pictures_from_s), Fraction(1, 25)
                packets += video.encode(frame)
            packets += video.encode()
        if sound_from_s is not None:
            for number in range(50):
                frame = av.AudioFrame.from_ndarray(
                    np.zeros((1, 960), np.int16), format="s16", layout="mono"
                )
                frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
                frame.pts = 960 * number + round(48_000 * sound_from_s)
                packets += sound.encode(frame)
            packets += sound.encode()
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            file.mux(packet)
    return path


@pytest.mark.parametrize(
    ("pictures_s", "sound_s"), [(0.0, 0.4), (0.4, 0.0), (0.6, 0.8), (0.4, None), (None, 0.4)]
)
def test_a_file_starts_with_its_earliest_stream(tmp_path, pictures_s, sound_s):
    path = write(tmp_path / "v.mkv", pictures_from_s=pictures_s, sound_from_s=sound_s)
    want = min(start for start in (pictures_s, sound_s) if start is not None)
    with open_container(path) as container:
        assert start_s(container) == pytest.approx(want, abs=0.01)  # Opus starts 6.5 ms early


@pytest.mark.parametrize(("pictures_s", "sound_s"), [(12.0, 0.0), (0.0, 12.0)])
def test_a_track_of_a_broadcast_that_begins_late_is_met(tmp_path, pictures_s, sound_s):
    """The default of FFmpeg leaves its size or its rate 0; other tools tell to raise
    `analyzeduration` then.
    """
    path = tmp_path / "v.ts"
    length_s = 14
    with av.open(str(path), "w") as file:
        video, sound = (
            file.add_stream("libx264", rate=25),
            file.add_stream("aac", rate=48_000, layout="mono"),
        )
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        packets = []
        for number in range(round(25 * pictures_s), 25 * length_s):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        for start in range(round(48_000 * sound_s), 48_000 * length_s, 1024):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), start
            packets += sound.encode(frame)
        for packet in sorted(
            [*packets, *video.encode(), *sound.encode()], key=lambda p: float(p.dts * p.time_base)
        ):
            file.mux(packet)
    with open_container(path) as container:
        assert container.streams.video[0].width == 64 and container.streams.audio[0].rate == 48_000


def test_cover_art_starts_nothing_and_is_no_video(tmp_path):
    path = write(tmp_path / "v.mp4", sound_from_s=0.4, cover=True)
    with open_container(path) as container:
        assert (
            len(container.streams.video) == 1
            and not video_streams(container)
            and shown_stream(container) is None
        )
    assert read_tracks(path).pictures is None


def test_an_unknown_start_is_0(tmp_path):
    with open_container(write(tmp_path / "v.h264", pictures_from_s=0.0)) as container:
        assert start_s(container) == 0.0


@pytest.mark.parametrize("name", ["v.avi", "v.mkv", "v.h264"])
def test_the_rate_is_measured_or_guessed_where_there_are_no_times(tmp_path, name):
    pictures = read_tracks(write(tmp_path / name, pictures_from_s=0.0)).pictures
    assert (pictures.frames, pictures.width, pictures.height) == (25, 64, 48)
    assert pictures.fps == pytest.approx(25, rel=0.02)
