import numpy as np
import pytest

from ksdiff_jax.data.tracking.video import frames, has_sound, shots
from ksdiff_jax.errors import InputError
from tests.data.tracking.videos import noise_pictures, write_video


def test_frames_come_with_the_times_that_the_file_gives(tmp_path):
    """A variable rate: steps of 20 to 60 ms."""
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 40))
    path = write_video(tmp_path / "v.mp4", noise_pictures(40), times_s)
    seen = [frame.time_s for frame in frames(path)]
    np.testing.assert_allclose(seen, times_s - times_s[0], atol=1e-4)


def test_time_begins_with_the_sound(tmp_path):
    """Pictures from 0.5 s on: their times say so, because frame and sample must meet."""
    times_s = 0.5 + np.arange(20) / 30
    sound = 0.1 * np.sin(np.arange(24_000) / 10)
    path = write_video(tmp_path / "v.mp4", noise_pictures(20), times_s, sound=sound)
    assert next(frames(path)).time_s == pytest.approx(0.5, abs=0.07)  # AAC starts a frame early
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
