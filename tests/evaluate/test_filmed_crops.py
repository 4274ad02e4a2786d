"""The crops of filmed faces: their geometry, their times, and what SyncNet's original would cut."""

import numpy as np
import pytest

from ksdiff_jax.data.tracking.follow import FollowedFace
from ksdiff_jax.data.tracking.tracker import LANDMARKS
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.filmed_crops import BEYOND, crop_boxes, cut, filmed_crops, nearest_frames
from ksdiff_jax.evaluate.lse import LipSync
from ksdiff_jax.evaluate.lse_filmed import filmed_figures, videos_of
from tests.data.tracking.scripted import ScriptedTracker, face_at
from tests.data.tracking.videos import noise_pictures, write_video


def face_of(top, chin, *, times_s) -> FollowedFace:
    """A face whose forehead and chin are at the given pixels of every frame."""
    landmarks = np.zeros((len(times_s), LANDMARKS, 2), np.float32)
    landmarks[:, 10], landmarks[:, 152] = top, chin
    return FollowedFace(np.asarray(times_s), landmarks)


def test_the_crop_is_1_4_face_heights_from_the_top_of_the_forehead():
    face = face_of((100, 40), (104, 140), times_s=np.arange(5) / 25)
    # 100 pixels high, centred at x = 102: a square of 140
    np.testing.assert_allclose(crop_boxes(face), np.tile([102 - 70, 40, 140], (5, 1)))


def test_a_jump_of_one_frame_is_filtered_and_a_lost_frame_is_between_its_neighbours():
    top = np.tile([100.0, 40.0], (30, 1))
    top[15] += 50  # for a frame, as a detector errs
    face = face_of(top, top + np.array([0, 100]), times_s=np.arange(30) / 25)
    face.landmarks[7] = np.nan
    np.testing.assert_allclose(crop_boxes(face), np.tile([30, 40, 140], (30, 1)))


def test_pixels_are_scaled_bilinearly_and_grey_beyond_the_picture():
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[..., 0] = np.arange(400) // 2  # a ramp to the right
    same = cut(picture, np.array([50.0, 20.0, 224.0]))
    np.testing.assert_array_equal(same, picture[20:244, 50:274])
    half = cut(picture, np.array([50.0, 20.0, 112.0]))  # two pixels for each
    np.testing.assert_allclose(half[0, 4:220:4, 0], (50 + np.arange(4, 220, 4) / 2) / 2, atol=1)
    beyond = cut(picture, np.array([-112.0, 20.0, 224.0]))
    assert (beyond[:, :111] == BEYOND).all() and (beyond[:, 113:, 1] == 0).all()


@pytest.mark.parametrize(
    ("rate", "numbers"), [(25, [0, 1, 2, 3]), (50, [0, 2, 4, 6]), (30, [0, 1, 2, 4])]
)
def test_every_instant_at_25_hz_gets_the_nearest_picture(rate, numbers):
    first, found = nearest_frames(np.arange(7) / rate)
    assert first == 0 and found[:4].tolist() == numbers
    first, found = nearest_frames(0.1 + np.arange(7) / 25)
    assert first == 3 and found.tolist() == [0, 1, 2, 3, 4, 5]  # a tie goes to the earlier one


def test_the_crops_of_a_video_show_the_tracked_face_at_its_times(tmp_path):
    pictures = noise_pictures(12, size=(240, 320))
    video = write_video(tmp_path / "a.mp4", pictures, np.arange(12) / 25)
    landmarks = np.zeros((LANDMARKS, 3), np.float32)
    landmarks[10], landmarks[152] = (160, 40, 0), (160, 200, 0)  # 224 pixels to cut
    tracker = ScriptedTracker([[face_at(160, 120, 90)]], [landmarks] * 12, corner=(70, 30))
    filmed = filmed_crops(video, tracker)
    assert filmed.first_frame == 0 and filmed.pictures.shape == (12, 224, 224, 3)
    inside = np.stack(pictures)[:, 40:240, 48:272].astype(int)  # the last 24 rows are beyond
    for number, shown in enumerate(filmed.pictures):
        errors = np.abs(shown[:200] - inside).mean(axis=(1, 2, 3))
        assert errors.argmin() == number and errors[number] < 15  # of a lossy video
        assert (shown[201:] == BEYOND).all()


def test_a_folder_without_videos_is_one_line(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(InputError, match="no video"):
        videos_of([tmp_path])


def test_the_figures_are_means_over_videos():
    found = filmed_figures([LipSync(6.0, 7.0, 0), LipSync(8.0, 5.0, -4)])
    assert (found["lse_d_filmed"], found["lse_c_filmed"]) == (7, 6)
    assert found["lse_in_step_filmed"] == 0.5 and found["lse_filmed_clips"] == 2
