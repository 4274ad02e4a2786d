from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from ksdiff_jax.audio.container import read_tracks
from ksdiff_jax.data.tracking.video import frames, has_sound, shots
from ksdiff_jax.errors import InputError
from tests.data.tracking.videos import noise_pictures, write_video


def test_frames_come_with_the_times_that_the_file_gives(tmp_path):
    """A variable rate: steps of 20 to 60 ms."""
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 40))
    path = write_video(tmp_path / "v.mp4", noise_pictures(40), times_s)
    seen = [frame.time_s for frame in frames(path)]
    np.testing.assert_allclose(seen, times_s - times_s[0], atol=1e-4)


def test_time_begins_with_the_file(tmp_path):
    """Pictures from 0.5 s on beside sound from 0 on: their times tell it, because frame and sample
    must meet.
    """
    times_s = 0.5 + np.arange(20) / 30
    sound = 0.1 * np.sin(np.arange(24_000) / 10)
    path = write_video(tmp_path / "v.mp4", noise_pictures(20), times_s, sound=sound)
    assert next(frames(path)).time_s == pytest.approx(0.5, abs=1e-3)
    assert has_sound(path)
    assert not has_sound(write_video(tmp_path / "silent.mp4", noise_pictures(5), np.arange(5) / 25))


def test_pictures_shrink_to_the_side_asked_for(tmp_path):
    path = write_video(tmp_path / "v.mp4", noise_pictures(3), np.arange(3) / 25)
    frame = next(frames(path))
    assert frame.rgb().shape == (64, 96, 3)
    assert frame.rgb(largest_side=48).shape == (32, 48, 3)
    assert frame.thumbnail().shape == (27, 48)


def test_a_cut_is_found_and_motion_is_none(tmp_path):
    pictures = noise_pictures(30) + noise_pictures(30, seed=1)
    times_s = np.arange(60) / 30
    path = write_video(tmp_path / "v.mp4", pictures, times_s)
    seen = list(frames(path))
    found = shots(np.array([f.time_s for f in seen]), np.stack([f.thumbnail() for f in seen]))
    assert found == [slice(0, 30), slice(30, 60)]


def test_a_pause_of_the_camera_is_a_cut():
    times_s = np.r_[np.arange(10) / 30, 2 + np.arange(10) / 30]
    assert shots(times_s, np.zeros((20, 27, 48), np.uint8)) == [slice(0, 10), slice(10, 20)]


def test_steady_flicker_is_no_cut():
    thumbnails = np.zeros((40, 27, 48), np.uint8)
    thumbnails[::2] = 60
    assert shots(np.arange(40) / 30, thumbnails) == [slice(0, 40)]


def test_a_file_damaged_in_the_middle_gives_what_is_left(tmp_path):
    path = write_video(tmp_path / "v.mp4", noise_pictures(60), np.arange(60) / 30)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    assert 20 <= len(list(frames(path))) <= 60


@pytest.mark.parametrize("content", [b"", b"not a video at all, just text " * 40])
def test_what_is_no_video_is_said(content, tmp_path):
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(InputError, match="not a video"):
        list(frames(tmp_path / "v.mp4"))


def test_a_recording_has_no_pictures(tmp_path):
    from ksdiff_jax.audio.waveform import write_wav

    write_wav(tmp_path / "a.wav", np.zeros(1600, np.float32))
    with pytest.raises(InputError, match="no pictures"):
        list(frames(tmp_path / "a.wav"))
    with pytest.raises(InputError, match="no such file"):
        list(frames(tmp_path / "none.mp4"))


def counted(path, *, codec="libx264", count=30, options=None, pixel_format="yuv420p", **container):
    """A video at 25 fps whose picture k has the grey level 16 + 7 k."""
    with av.open(str(path), "w", **container) as file:
        stream = file.add_stream(codec, rate=25, options=options or {"bf": "2", "crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), 16 + 7 * number, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def numbers_and_times(path):
    seen = [(float(frame.rgb().mean()), frame.time_s) for frame in frames(path)]
    return np.rint([(level - 16) / 7 for level, _ in seen]).astype(int).tolist(), [
        time_s for _, time_s in seen
    ]


MPEG = {"bf": "2", "qmin": "1", "qmax": "2"}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("v.mp4", "libx264", None),
        ("v.mkv", "libx264", None),
        ("v.ts", "libx264", None),
        ("h264.avi", "libx264", None),  # AVI has no times of showing
        ("h264-3.avi", "libx264", {"bf": "3", "crf": "8"}),
        ("xvid.avi", "mpeg4", MPEG),
        ("raw.h264", "libx264", None),  # no times at all
        ("raw.m4v", "mpeg4", MPEG),
        ("raw.m2v", "mpeg2video", MPEG),
        ("raw.m1v", "mpeg1video", MPEG),
        ("v.mpg", "mpeg2video", MPEG),
        ("v.vob", "mpeg2video", MPEG),
        ("v.wmv", "wmv2", {"qmin": "1", "qmax": "2"}),
    ],
)
def test_every_picture_is_there_in_order_at_its_time(tmp_path, name, codec, options):
    seen, times_s = numbers_and_times(counted(tmp_path / name, codec=codec, options=options))
    np.testing.assert_allclose(seen, np.arange(30), atol=0 if codec == "libx264" else 1)
    np.testing.assert_allclose(times_s, np.arange(30) / 25, atol=2e-3)


def test_the_clock_of_a_broadcast_may_wrap_within_the_file(tmp_path):
    # wraps at 0.6 s
    path = counted(
        tmp_path / "v.ts", container_options={"output_ts_offset": str(2**33 / 90_000 - 2.0)}
    )
    seen, times_s = numbers_and_times(path)
    assert seen == list(range(30))
    np.testing.assert_allclose(times_s, np.arange(30) / 25, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "codec", "options"), [("v.ts", "libx264", None), ("v.mpg", "mpeg2video", MPEG)]
)
def test_files_that_were_joined_go_on(tmp_path, name, codec, options):
    data = counted(tmp_path / name, codec=codec, options=options).read_bytes()
    (tmp_path / name).write_bytes(data + data)
    seen, times_s = numbers_and_times(tmp_path / name)
    np.testing.assert_allclose(seen, [*range(30), *range(30)], atol=1)
    np.testing.assert_allclose(times_s, np.arange(60) / 25, atol=2e-3)


def test_pictures_behind_a_damaged_one_at_the_end_are_there(tmp_path):
    """The decoder holds pictures back at the end of a file; one that fails takes no others
    with it.
    """
    path = counted(tmp_path / "v.avi", codec="mpeg4", options=MPEG | {"bf": "0", "g": "1"})
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    place, size = packets[-2]
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    seen, _ = numbers_and_times(path)
    assert seen == [*range(28), 29]


def test_cover_art_is_no_video_and_a_default_track_goes_before_the_first(tmp_path):
    with av.open(str(tmp_path / "cover.mp4"), "w") as file:
        sound, cover = (
            file.add_stream("aac", rate=16_000, layout="mono"),
            file.add_stream("mjpeg", rate=25),
        )
        cover.width, cover.height, cover.pix_fmt, cover.disposition = (
            64,
            64,
            "yuvj420p",
            Disposition.attached_pic,
        )
        file.mux(
            cover.encode(
                av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            )
        )
        file.mux(cover.encode())
        voice = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        voice.sample_rate, voice.pts = 16_000, 0
        file.mux(sound.encode(voice))
        file.mux(sound.encode())
    with pytest.raises(InputError, match="no pictures"):
        list(frames(tmp_path / "cover.mp4"))
    with av.open(str(tmp_path / "two.mkv"), "w") as file:
        streams = [file.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, size in zip(streams, (32, 64), strict=True):
            stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for stream, size in zip(streams, (32, 64), strict=True):
            file.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(np.zeros((size, size, 3), np.uint8), format="rgb24")
                )
            )
            file.mux(stream.encode())
    assert next(frames(tmp_path / "two.mkv")).size == (64, 64)


def test_a_picture_of_another_size_is_a_cut():
    sizes = [(96, 64)] * 5 + [(64, 96)] * 5
    assert shots(np.arange(10) / 30, np.zeros((10, 27, 48), np.uint8), sizes) == [
        slice(0, 5),
        slice(5, 10),
    ]


def test_pictures_without_a_decoder_are_told(tmp_path):
    data = counted(tmp_path / "v.mkv").read_bytes()
    assert data.count(b"V_MPEG4/ISO/AVC") == 1
    (tmp_path / "v.mkv").write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_NOBODYS/CODEC"))
    with pytest.raises(InputError, match="no decoder"):
        list(frames(tmp_path / "v.mkv"))
    assert read_tracks(tmp_path / "v.mkv").pictures.codec == "unknown"


def test_colours_are_read_by_the_flags_of_the_file(tmp_path):
    """HLG: its reference white, 75 % signal, is nearly white; read as plain video it would
    be 191.
    """
    with av.open(str(tmp_path / "v.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = (
            18,
            9,
            9,
            1,
        )
        frame = av.VideoFrame(64, 48, "yuv420p10le")
        for plane, value in zip(frame.planes, (64 + round(0.75 * 876), 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, value, "<u2"))
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert next(frames(tmp_path / "v.mp4")).rgb().mean() == pytest.approx(214, abs=4)
