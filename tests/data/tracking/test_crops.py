"""Crops of a tracked face: still for a still head, following a moving one, filtered and filled."""

import numpy as np
import pytest

from ksdiff_jax.data.prepare.ledger import source_key
from ksdiff_jax.data.prepare.source import Settings, Source
from ksdiff_jax.data.tracking.crops import (
    FACE_HEIGHT,
    RIGID_POINTS,
    SQUARE_OF_FACE,
    crop_squares,
    cropped,
    pictures_at,
    square_of_face,
)
from tests.data.tracking.videos import noise_pictures, write_video

FRAMES, HEIGHT = 60, 100.0
TIMES_S = np.arange(FRAMES) / 25


def landmarks(centre=(200.0, 150.0), noise=0.0):
    """Landmarks (60, 478, 2) of a face of 100 pixels; `centre` may be one place per frame."""
    points = np.zeros((FRAMES, 478, 2))
    points[:, FACE_HEIGHT[0], 1], points[:, FACE_HEIGHT[1], 1] = -HEIGHT / 2, HEIGHT / 2
    points[:, RIGID_POINTS, 1] = -15
    points += np.broadcast_to(centre, (FRAMES, 2))[:, None]
    points += np.random.default_rng(0).normal(scale=noise, size=points.shape)
    return points.astype(np.float32)


def test_a_still_head_gives_the_same_crop_in_every_frame_also_while_the_jaw_moves():
    points = landmarks(noise=0.7)
    points[:, FACE_HEIGHT[1], 1] += 8 * np.clip(np.sin(5 * TIMES_S), 0, 1)
    squares = crop_squares(points, TIMES_S, TIMES_S)
    assert (squares == squares[0]).all()
    left, top, side = squares[0]
    assert side == pytest.approx(SQUARE_OF_FACE * HEIGHT, rel=0.05)
    assert left + side / 2 == pytest.approx(200, abs=1)
    assert top + side / 2 == pytest.approx(150, abs=4)


def test_a_moving_head_is_followed_smoothly():
    across = 200 + 60 * np.sin(2 * np.pi * TIMES_S / TIMES_S[-1])
    centre = np.stack([across, np.full(FRAMES, 150.0)], axis=1)
    squares = crop_squares(landmarks(centre, noise=0.7), TIMES_S, TIMES_S)
    middle = squares[:, 0] + squares[:, 2] / 2
    assert np.corrcoef(middle, across)[0, 1] > 0.9
    assert np.ptp(middle) > 40
    assert np.abs(np.diff(middle, n=2)).max() < 1.5  # the jitter of the landmarks alone has 5
    assert np.ptp(squares[:, 2]) == 0


def test_frames_without_the_face_lie_between_their_neighbours():
    points = landmarks()
    points[20:30] = np.nan
    squares = crop_squares(points, TIMES_S, TIMES_S)
    np.testing.assert_array_equal(squares, crop_squares(landmarks(), TIMES_S, TIMES_S))
    np.testing.assert_array_equal(square_of_face(points[0]), squares[0])


def test_a_crop_of_whole_pixels_is_that_part_of_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    found = cropped(picture, np.float32([7, 5, 16]), 16)
    np.testing.assert_array_equal(found, picture[5:21, 7:23])


def test_a_crop_that_is_shrunk_has_the_means_of_its_pixels():
    rows = np.tile(np.uint8([[0], [200]]), (32, 64))  # stripes of one pixel
    picture = np.repeat(rows[..., None], 3, axis=-1)
    found = cropped(picture, np.float32([0, 0, 64]), 16)
    assert np.abs(found[2:-2].astype(int) - 100).max() <= 3


def test_beyond_the_picture_its_edge_is_repeated():
    picture = np.full((20, 20, 3), 90, np.uint8)
    picture[:, 0] = 30
    found = cropped(picture, np.float32([-10, -4, 20]), 20)
    assert (found[:, :10] == 30).all() and (found[:, 12:] == 90).all()


def test_pictures_are_those_nearest_in_time(tmp_path):
    times_s = np.arange(10) / 30
    path = write_video(tmp_path / "v.mp4", noise_pictures(10), times_s)
    wanted = np.array([0.0, 0.04, 0.08, 0.12, 0.12, 0.5])
    found = [(place, round(frame.time_s * 30)) for place, frame in pictures_at(path, wanted)]
    assert found == [(0, 0), (1, 1), (2, 2), (3, 4), (4, 4), (5, 9)]


def test_sources_that_earlier_versions_finished_stay_finished():
    """The key of a source without pictures, as it was before there were any."""
    source = Source("v", video="missing.mp4")
    assert source_key(source, Settings()) != source_key(source, Settings(pictures=64))
    known = "e41fd61bd8f4a2221c2316a225525fb81ede38c7725cce5978be293e32de601c"
    assert source_key(source, Settings()) == known
