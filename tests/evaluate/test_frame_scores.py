"""Scores of painted frames, their baselines, and the regressor that reads openings from pixels."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.frame_scores import (
    BOXES,
    TURNED_DEG,
    Targets,
    above,
    frame_scores,
    psnr_db,
    targets_of,
    turn_deg,
)
from ksdiff_jax.evaluate.painted_strip import painted_strip, write_painted_strip
from ksdiff_jax.evaluate.painting_baselines import fit_painters
from ksdiff_jax.evaluate.picture_opening import Mouths, mouths_of, train_picture_opening
from ksdiff_jax.ownership import purpose_of
from tests.data.clips import make_clip

SIDE = 32


def targets(seed, *, base=None, weights=None, frames=12):
    """Targets whose pixels are `base` plus a linear map of the motion."""
    rng = np.random.default_rng(seed)
    motion = rng.normal(size=(frames + 1, 5)).astype(np.float32)
    base = rng.uniform(90, 160, SIDE * SIDE * 3) if base is None else base
    pictures = np.clip(base + motion @ weights, 0, 255).astype(np.uint8)
    pictures = pictures.reshape(-1, SIDE, SIDE, 3)
    turned, opening = np.arange(frames) % 2 == 0, motion[1:, 0].astype(np.float64)
    return Targets(pictures[0], motion[0], motion[1:], pictures[1:], turned, opening)


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(9).normal(scale=4, size=(5, SIDE * SIDE * 3))


def test_psnr_is_its_formula_in_its_box_alone():
    truth = np.full((2, SIDE, SIDE, 3), 100, np.uint8)
    painted = truth.copy()
    painted[1, :4] = 0  # above the face
    painted[0] += 10
    for box in BOXES:
        found = psnr_db(painted, truth, box)
        assert found[0] == pytest.approx(20 * np.log10(255 / 10))
        assert found[1] == 60


def test_the_turn_of_a_head_is_the_angle_to_the_first_frame():
    rotation = np.array([[0.1, 0, 0], [0.1, 0, 0], [0.1 + np.radians(7), 0, 0]], np.float32)
    np.testing.assert_allclose(turn_deg(rotation), [0, 0, 7], atol=1e-3)


def test_targets_are_later_frames_of_a_clip_with_pictures():
    pictures = coded_pictures(np.zeros((30, SIDE, SIDE, 3), np.uint8), side=SIDE)
    clip = make_clip(0, frames=30, pictures=pictures)
    found = targets_of(clip, count=5)
    assert found.truth.shape == (5, SIDE, SIDE, 3)
    np.testing.assert_array_equal(found.motion[-1, :50], clip.expression[29])
    assert found.turned.tolist() == [
        turn_deg(clip.rotation)[k] >= TURNED_DEG for k in (1, 8, 15, 22, 29)
    ]
    with pytest.raises(InputError, match="no pictures"):
        targets_of(make_clip(0))


def test_a_linear_world_is_painted_by_its_linear_map(weights):
    base = np.random.default_rng(1).uniform(90, 160, SIDE * SIDE * 3)
    train = [targets(n, base=base, weights=weights) for n in range(4)]
    held_out = [targets(n, base=base, weights=weights) for n in (10, 11)]
    fitted = fit_painters(train, held_out)
    assert fitted.penalties == (10.0, 10.0)
    scores = _scores(fitted.painters(), held_out)
    for name in ("linear", "difference"):
        lead = above(scores, name, ["copied"], "psnr_face")["copied"]
        assert lead.mean > 8
        assert scores[name]["opening_r"].min() > 0.95
    assert (scores["copied"]["opening_r"] == 0).all()


def test_with_a_face_of_its_own_in_each_clip_only_the_reference_helps(weights):
    train = [targets(n, weights=weights) for n in range(6)]
    held_out = [targets(n, weights=weights) for n in range(10, 16)]
    scores = _scores(fit_painters(train, held_out).painters(), held_out)
    assert above(scores, "difference", ["linear"], "psnr_face")["linear"].sign == 1


def test_true_frames_have_the_highest_scores_and_missing_ones_are_left_out(weights):
    one = targets(0, weights=weights)._replace(turned=np.zeros(12, bool))
    scores = frame_scores(one.truth, one, [lambda pictures: one.opening])
    assert (scores["psnr_mouth"], scores["opening_r"]) == (60, pytest.approx(1))
    assert np.isnan(scores["psnr_face_turned"])


def _scores(painters, clips):
    """Return the scores of each painter by name, one value per clip."""
    rows = {
        name: [frame_scores(paint(one), one, [_first_pixel]) for one in clips]
        for name, paint in painters.items()
    }
    return {
        name: {key: np.array([row[key] for row in each]) for key in each[0]}
        for name, each in rows.items()
    }


def _first_pixel(pictures):
    """An opening that follows the first coefficient through the pixel where it has most weight."""
    weights = np.random.default_rng(9).normal(scale=4, size=(5, SIDE * SIDE * 3))
    flat = pictures.reshape(len(pictures), -1).astype(float)
    return flat @ np.linalg.pinv(weights)[:, 0]


@pytest.mark.slow
def test_the_regressor_reads_the_height_of_a_dark_mouth_in_faces_of_any_colour():
    def mouths(seed, count):
        rng = np.random.default_rng(seed)
        openings = rng.uniform(0, 0.1, count).astype(np.float32)
        pictures = np.ones((count, 18, 22, 3)) * rng.uniform(80, 220, (count, 1, 1, 3))
        rows = np.abs(np.arange(18) - 8)[None, :] <= 80 * openings[:, None]
        pictures[:, :, 6:16] *= np.where(rows[:, :, None, None], 0.3, 1.0)
        return Mouths(pictures.astype(np.uint8), openings)

    regressor = train_picture_opening(mouths(0, 600), steps=150)
    unseen = mouths(1, 80)
    whole = np.zeros((80, SIDE, SIDE, 3), np.uint8)
    whole[:, 14:, 5:27] = unseen.pictures
    assert np.corrcoef(regressor(whole), unseen.openings)[0, 1] > 0.95


@pytest.mark.slow
def test_a_regressor_reads_one_number_from_each_crop():
    mouths = Mouths(np.zeros((4, 18, 22, 3), np.uint8), np.zeros(4, np.float32))
    regressor = train_picture_opening(mouths, steps=2)
    assert regressor(np.zeros((3, SIDE, SIDE, 3), np.uint8)).shape == (3,)


def test_mouths_are_frames_with_the_opening_of_their_person():
    pictures = coded_pictures(np.zeros((9, SIDE, SIDE, 3), np.uint8), side=SIDE)
    jaw = np.zeros((9, 3), np.float32)
    jaw[4:, 0] = 0.3
    still = np.zeros((9, 50), np.float32)
    clip = make_clip(0, frames=9, pictures=pictures, jaw=jaw, expression=still)
    found = mouths_of([clip, dataclasses.replace(clip, clip_id="b")], every=2)
    assert found.pictures.shape[:1] == found.openings.shape == (10,)
    assert found.openings[2] > 0.05 > found.openings[0]


def test_a_strip_shows_reference_truth_painted_and_error(weights, tmp_path):
    one = targets(0, weights=weights)
    painted = one.truth.copy()
    painted[-1] = one.truth[-1] // 2
    strip = painted_strip(one, {"ours": painted}, shown=3)
    assert strip.shape == (4 * SIDE, 3 * SIDE, 3)
    np.testing.assert_array_equal(strip[:SIDE, :SIDE], one.reference)
    np.testing.assert_array_equal(strip[SIDE : 2 * SIDE, -SIDE:], one.truth[-1])
    assert not strip[3 * SIDE :, :SIDE].any() and strip[3 * SIDE :, -SIDE:].mean() > 100
    path = write_painted_strip(tmp_path / "a.png", one, {"ours": painted})
    assert purpose_of(path) == "painted-strip"
    write_painted_strip(path, one, {"ours": painted})
    (tmp_path / "b.png").write_bytes(b"mine")
    with pytest.raises(InputError):
        write_painted_strip(tmp_path / "b.png", one, {})
