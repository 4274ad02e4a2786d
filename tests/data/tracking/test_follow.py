import numpy as np
import pytest

from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.follow import FollowedFace, follow, single_face, survey
from tests.data.tracking.scripted import ScriptedTracker, face_at
from tests.data.tracking.videos import noise_pictures, write_video

FACE = face_at(48, 32, 20)
SEEN = np.tile([48.0, 32.0, 5.0], (478, 1))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two shots of one second each at 30 frames a second."""
    pictures = noise_pictures(30) + noise_pictures(30, seed=1)
    return write_video(tmp_path_factory.mktemp("v") / "v.mp4", pictures, np.arange(60) / 30)


def test_faces_are_looked_for_five_times_a_second(video):
    found = survey(video, ScriptedTracker([[FACE]]))
    assert len(found.times_s) == 60
    assert [look.frame for look in found.detections] == pytest.approx(list(range(0, 60, 6)), abs=1)
    assert found.shots == [slice(0, 30), slice(30, 60)]


def test_a_part_of_a_video_is_that_part(video):
    found = survey(video, ScriptedTracker([[FACE]]), start_s=0.5, end_s=1.5)
    assert found.times_s[0] == pytest.approx(0.5)
    assert found.times_s[-1] == pytest.approx(1.5 - 1 / 30, abs=1e-4)


def test_the_crop_keeps_its_size_and_follows_smoothly(video):
    detections = [[face_at(40 + k, 32, 20 + (k % 3))] for k in range(10)]
    crop = single_face(survey(video, ScriptedTracker(detections)), slice(0, 60))
    assert len(np.unique(crop[:, 2])) == 1
    assert crop[0, 2] == pytest.approx(2 * 22, abs=1)
    steps = np.diff(crop[:, 0])
    assert (steps >= 0).all()
    assert steps.max() < 0.3


@pytest.mark.parametrize(
    ("detections", "reason"),
    [
        ([[]], "no_face"),
        ([[FACE]] + [[]] * 9, "no_face"),
        ([[FACE, face_at(80, 32, 18)]], "two_faces"),
        ([[face_at(80, 32, 18), FACE]], "two_faces"),
    ],
)
def test_no_face_or_two_are_rejected(video, detections, reason):
    found = survey(video, ScriptedTracker(detections))
    with pytest.raises(Rejected) as rejected:
        single_face(found, slice(0, 60))
    assert rejected.value.reason == reason


def test_a_far_small_face_and_a_passer_by_are_no_second_face(video):
    detections = [[FACE, face_at(80, 10, 5)]] * 9 + [[FACE, face_at(80, 32, 20)]]
    single_face(survey(video, ScriptedTracker(detections)), slice(0, 60))


def test_landmarks_are_those_of_the_full_picture_and_each_shot_begins_anew(video):
    half = round(2 * 20 / 2)
    script = [SEEN] * 25 + [None] * 5 + [SEEN + 1] * 30
    tracker = ScriptedTracker([[FACE]], script, corner=(48 - half, 32 - half))
    found = survey(video, tracker)
    crops = {k: single_face(found, shot) for k, shot in enumerate(found.shots)}
    faces = follow(video, found, crops, tracker)
    assert tracker.forgotten == 2
    assert set(tracker.crops) == {(2 * half, 2 * half, 3)}
    np.testing.assert_allclose(faces[0].landmarks[0], np.full((478, 2), [48, 32]))
    np.testing.assert_allclose(faces[1].landmarks[-1], np.full((478, 2), [49, 33]))
    assert faces[0].seen.tolist() == [True] * 25 + [False] * 5
    np.testing.assert_allclose(faces[1].times_s, 1 + np.arange(30) / 30, atol=1e-3)


def test_shots_that_are_not_wanted_are_passed_over(video):
    tracker = ScriptedTracker([[FACE]], [SEEN] * 30)
    found = survey(video, tracker)
    faces = follow(video, found, {1: single_face(found, found.shots[1])}, tracker)
    assert list(faces) == [1]
    assert isinstance(faces[1], FollowedFace)


def test_a_crop_over_the_edge_is_black_there(tmp_path):
    white = [np.full((64, 96, 3), 255, np.uint8)] * 6
    video = write_video(tmp_path / "w.mp4", white, np.arange(6) / 30)
    pictures = []

    class Looking(ScriptedTracker):
        def landmarks(self, picture):
            pictures.append(picture)
            return super().landmarks(picture)

    tracker = Looking([[face_at(0, 0, 20)]], [SEEN] * 6)
    found = survey(video, tracker)
    follow(video, found, {0: single_face(found, found.shots[0])}, tracker)
    assert pictures[0][:19, :19].max() == 0
    assert pictures[0][21:, 21:].min() > 240
