"""Scores of painters against the truth: known values, what is missing has its reason."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.evaluate import picture_scores as module
from ksdiff_jax.evaluate.comparison_table import as_json, markdown
from ksdiff_jax.evaluate.frame_scores import targets_of
from ksdiff_jax.evaluate.painting_baselines import copied
from ksdiff_jax.evaluate.picture_scores import (
    METRICS,
    TRUTH,
    Instruments,
    compare_painters,
    cosines,
    shown_frames,
)
from tests.data.clips import make_clip

SIDE, FRAMES = 32, 12


def clip(number):
    """A clip whose frame k has the level 100 + 10 k."""
    levels = 100 + 10 * np.arange(FRAMES, dtype=np.uint8)
    pictures = np.broadcast_to(levels[:, None, None, None], (FRAMES, SIDE, SIDE, 3))
    return make_clip(number, frames=FRAMES, pictures=coded_pictures(pictures, side=SIDE))


def brighter(targets):
    return targets.truth + np.uint8(5)


def values(found, name, painter):
    (line,) = [line for line in found.lines if line.metric.name == METRICS[name].name]
    return line.values[painter]


@pytest.fixture(scope="module")
def found():
    return compare_painters(
        {"ours": brighter, "copied": copied}, map(clip, range(2)), Instruments()
    )


def test_targets_are_spaced_frames_and_neighbours_of_every_second_one():
    shown = shown_frames(clip(0))
    assert shown.count == FRAMES - 1 and shown.paired.tolist() == [0, 2, 4, 6, 8]
    truth = shown.every.truth
    np.testing.assert_array_equal(truth[shown.count :], truth[shown.paired + 1])
    np.testing.assert_array_equal(shown.targets.truth, targets_of(clip(0)).truth)
    assert len(shown.targets.motion) == len(shown.targets.opening) == shown.count


def test_a_clip_of_one_frame_has_no_neighbours():
    pictures = coded_pictures(np.zeros((1, SIDE, SIDE, 3), np.uint8), side=SIDE)
    found = compare_painters({}, [make_clip(0, frames=1, pictures=pictures)], Instruments())
    assert [line.metric.name for line in found.lines if "change" in line.metric.name] == []
    assert values(found, "psnr", TRUTH) == pytest.approx([60])


def test_the_opening_is_read_by_all_regressors():
    jaw = np.zeros((FRAMES, 3), np.float32)
    jaw[:, 0] = np.linspace(0, 0.3, FRAMES)
    face = dataclasses.replace(clip(0), jaw=jaw, expression=np.zeros((FRAMES, 50), np.float32))
    level = lambda pictures: pictures.mean((1, 2, 3))  # noqa: E731
    for openings, read in (((level,), 1.0), ((level, lambda p: -level(p)), 0.0)):
        found = compare_painters({}, [face], Instruments(openings=openings))
        assert values(found, "opening_r", TRUTH) == pytest.approx([read], abs=0.05)


def test_scores_are_those_of_known_errors_and_the_truth_has_the_best(found):
    np.testing.assert_allclose(values(found, "psnr", "ours"), 20 * np.log10(255 / 5), atol=0.2)
    assert (values(found, "psnr", TRUTH) == 60).all()
    assert values(found, "ssim", TRUTH) == pytest.approx([1, 1])
    np.testing.assert_allclose(values(found, "change", "ours"), 10, atol=0.5)
    assert (values(found, "change", "copied") == 0).all()
    assert (values(found, "psnr", "copied") < values(found, "psnr", "ours")).all()


def test_what_is_not_measured_is_named_with_the_command_that_brings_it(found):
    reasons = as_json(found)["not_measured"]
    assert "`ksdiff-jax convert lpips`" in reasons["LPIPS"]
    assert "`ksdiff-jax convert inception`" in reasons["FID"]
    assert "these have 32 x 32" in reasons["CPBD"]
    assert set(module.OF_THE_MOTION) < set(reasons)
    assert "Instruments(embed=...)" in reasons[METRICS["identity"].name]
    text = markdown(found, title="t", predictors=list(found.courses))
    assert "| PSNR (dB) ↑ |" in text and "Not measured: FID:" in text


def test_networks_and_embedders_are_used_where_they_are_given(monkeypatch):
    monkeypatch.setattr(module, "_features", lambda params, p: p[:, :2, 0, 0] * params)
    monkeypatch.setattr(module, "_lpips", lambda params, a, b: (a * 1.0 - b).mean((1, 2, 3)))
    using = Instruments(
        lpips={}, inception=2.0, embed=lambda p: np.eye(2)[(p[:, 0, 0, 0] > 150).astype(int)]
    )
    found = compare_painters({"ours": brighter}, map(clip, range(2)), using)
    assert values(found, "fid", TRUTH) == pytest.approx(0, abs=1e-6)
    assert values(found, "fid", "ours") == pytest.approx(2 * 10**2, rel=0.1)
    np.testing.assert_allclose(values(found, "lpips", "ours"), 5, atol=0.1)
    assert (values(found, "identity", TRUTH) == 1).all()
    assert (values(found, "identity", "ours") < 1).all()
    assert "FID" not in as_json(found)["not_measured"]


def test_the_cosine_of_vectors():
    found = cosines(np.array([[1.0, 0], [2, 2]]), np.array([[0, 3.0], [1, 1]]))
    np.testing.assert_allclose(found, [0, 1], atol=1e-12)
