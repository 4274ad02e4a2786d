import shutil
from unittest import mock

import numpy as np
import pytest

from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.follow import FollowedFace
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.measured import file_digest, measured_clips, without_people_of
from ksdiff_jax.evaluate.real_people import openings_of
from ksdiff_jax.evaluate.tracked_mouth import MEASURE, opening_of_face, tracked_mouth
from ksdiff_jax.face import builtin_face, face_vertices
from ksdiff_jax.face.landmarks import builtin_landmarks
from ksdiff_jax.motion.space import EXPRESSION, JAW, MOTION_DIMS


def followed(opening, *, fps=30.0, first_s=0.0):
    """A face 100 pixels high whose inner lips are apart by this share of it."""
    landmarks = np.zeros((len(opening), 478, 2), np.float32)
    landmarks[:, 152, 1] = 100.0
    landmarks[:, 13] = (50.0, 60.0)
    landmarks[:, 14] = np.stack([np.full(len(opening), 50.0), 60.0 + 100 * opening], axis=1)
    landmarks[np.isnan(opening)] = np.nan
    return FollowedFace(first_s + np.arange(len(opening)) / fps, landmarks)


def test_the_opening_is_over_the_face_height_at_25_hz_on_the_clock_of_the_file():
    found = opening_of_face(followed(np.linspace(0, 0.1, 61), first_s=0.5))
    assert found.first_frame == 13  # 0.52 s
    times_s = (13 + np.arange(len(found.opening))) / 25
    assert times_s[-1] == pytest.approx(2.48)
    np.testing.assert_allclose(found.opening, 0.05 * (times_s - 0.5), atol=1e-5)


def test_a_short_gap_is_interpolated_and_a_long_one_ends_the_stretch():
    opening = np.linspace(0, 0.1, 121)
    opening[60:63] = np.nan
    assert len(opening_of_face(followed(opening)).opening) == 101
    opening[40:50] = np.nan
    later = opening_of_face(followed(opening))
    assert later.first_frame == 42  # after 50 / 30 s
    with pytest.raises(Rejected, match="not followed for 1 s"):
        opening_of_face(followed(opening[:20]))


def test_the_built_in_head_is_measured_by_the_landmarks_of_the_real_clips():
    motion = np.zeros((3, MOTION_DIMS), np.float32)
    motion[:, JAW.start] = (0.0, 0.1, 0.2)
    motion[:, :3] = 0.5
    (opening,) = openings_of([motion])
    face, landmarks = builtin_face(), builtin_landmarks()
    for frame, found in zip(motion, opening, strict=True):
        vertices = np.asarray(face_vertices(face, frame[EXPRESSION], jaw_pose=frame[JAW]))
        at = {}
        for point, triangle, weights in zip(*landmarks, strict=True):
            corners = vertices[np.asarray(face.faces)[triangle]]
            at[int(point)] = (weights[:, None] * corners).sum(axis=0)[:2]
        height = np.hypot(*(at[10] - at[152]))
        assert found == pytest.approx(np.hypot(*(at[13] - at[14])) / height, abs=1e-5)


def keep(cache, video, opening):
    """Put an opening into the cache as if the video had been tracked."""
    (cache / "mouths").mkdir(parents=True, exist_ok=True)
    path = cache / "mouths" / f"{file_digest(video)}-{MEASURE}.npz"
    np.savez(path, opening=opening, first_frame=2)


def no_tracker():
    raise AssertionError("everything is in the cache")


@pytest.fixture
def people(tmp_path):
    """A folder of videos of two people, one of them silent with its sound beside it, all cached."""
    for name in ("set/s1/a.mpg", "set/s1/b.mpg", "obama/talk.mp4", "obama/talk_16k.wav"):
        path = tmp_path / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        if path.suffix != ".wav":
            keep(tmp_path / "cache", path, np.linspace(0, 0.1, 50))
    (tmp_path / "faces/set/s1/a.align").write_text("25000 50000 bin\n")
    return tmp_path


def found_in(people, *folders):
    return measured_clips(
        [people / folder for folder in folders], cache=people / "cache", tracker=no_tracker
    )


def test_a_folder_of_videos_gives_people_sounds_openings_and_word_times(people, monkeypatch):
    monkeypatch.setattr("ksdiff_jax.data.tracking.video.has_sound", lambda path: "mpg" in path)
    counted = []
    found = measured_clips(
        [people / "faces"],
        cache=people / "cache",
        tracker=no_tracker,
        progress=lambda done, total: counted.append((done, total)),
    )
    obama, first, second = found.clips
    assert [clip.person for clip in found.clips] == ["obama", "s1", "s1"]
    assert obama.sound.name == "talk_16k.wav"
    assert obama.digests == tuple(
        file_digest(people / "faces/obama" / name) for name in ("talk_16k.wav", "talk.mp4")
    )
    assert first.first_frame == 2 and len(first.opening) == 50
    assert [phone[0] for phone in first.bilabials] == ["b"] and second.bilabials == ()
    assert counted[-1] == (3, 3)


def test_a_file_in_two_folders_is_used_once_under_its_persons_name(people, monkeypatch):
    monkeypatch.setattr("ksdiff_jax.data.tracking.video.has_sound", lambda path: True)
    (people / "old/lips").mkdir(parents=True)
    shutil.copy(people / "faces/set/s1/a.mpg", people / "old/a.mpg")
    np.savez(people / "old/lips/x.npz", opening=np.zeros(50), fps=25.0, speech="a.mpg")
    for order in (("old", "faces"), ("faces", "old")):
        clips = found_in(people, *order).clips
        assert sorted(clip.person for clip in clips) == ["obama", "s1", "s1"]
    assert [clip.person for clip in found_in(people, "old").clips] == ["x"]


def test_everybody_of_whom_training_saw_a_file_is_left_out_and_named(people, monkeypatch):
    monkeypatch.setattr("ksdiff_jax.data.tracking.video.has_sound", lambda path: "mpg" in path)
    clips = found_in(people, "faces").clips
    seen = [file_digest(people / "faces/set/s1/b.mpg"), "0" * 64]
    kept, names = without_people_of(clips, seen)
    assert (names, [clip.person for clip in kept]) == (["s1"], ["obama"])
    assert without_people_of(clips, []) == (clips, [])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"opening": np.zeros((3, 2)), "speech": "a.wav"}, "one finite number per frame"),
        ({"opening": np.array([0.1, np.nan]), "speech": "a.wav"}, "one finite number per frame"),
        ({"opening": np.zeros(3), "speech": "b.wav"}, "does not exist"),
        ({"opening": np.zeros(3), "speech": "a.wav", "fps": 30.0}, "at 30 Hz; need 25 Hz"),
        ({"opening": np.zeros(3)}, "not a file of measured openings"),
        (b"no archive", "not a file of measured openings"),
        (b"", "not a file of measured openings"),
    ],
)
def test_an_archive_that_is_no_measurement_is_named(tmp_path, content, says):
    (tmp_path / "lips").mkdir()
    (tmp_path / "a.wav").write_bytes(b"sound")
    if isinstance(content, bytes):
        (tmp_path / "lips" / "x.npz").write_bytes(content)
    else:
        np.savez(tmp_path / "lips" / "x.npz", **content)
    with pytest.raises(InputError, match=says):
        measured_clips([tmp_path], cache=tmp_path)


def test_a_broken_video_among_others_is_named_and_alone_refused(people, monkeypatch):
    monkeypatch.setattr("ksdiff_jax.data.tracking.video.has_sound", lambda path: "mpg" in path)
    for folder in ("faces/ann", "alone"):
        (people / folder).mkdir()
        (people / folder / "broken.mp4").write_bytes(b"no video")
        (people / folder / "broken.wav").write_bytes(b"its sound")
    given = {"cache": people / "cache", "tracker": mock.MagicMock}
    found = measured_clips([people / "faces"], **given)
    assert len(found.clips) == 3
    assert ["not a video that FFmpeg can read" in line for line in found.unusable] == [True]
    with pytest.raises(InputError, match=r"no clip could be measured here, .*broken"):
        measured_clips([people / "alone"], **given)


def test_a_folder_without_clips_is_refused(tmp_path):
    with pytest.raises(InputError, match="no measured mouth openings"):
        measured_clips([tmp_path], cache=tmp_path)


@pytest.mark.slow
def test_our_tracker_measures_what_was_measured_on_the_real_clips(shared_data, tmp_path):
    from ksdiff_jax.data.tracking.tracker import Tracker, tracker_python

    try:
        tracker_python()
    except InputError as error:
        pytest.skip(str(error))
    with Tracker() as tracker, np.load(shared_data / "lips/grid_bbaf2n.npz") as archive:
        video = shared_data / "video/grid_bbaf2n.mpg"
        mouth = tracked_mouth(video, digest="x", cache=tmp_path, tracker=lambda: tracker)
        frames = min(len(mouth.opening), len(archive["opening"]))
        r = np.corrcoef(mouth.opening[:frames], archive["opening"][:frames])[0, 1]
    assert r > 0.95
