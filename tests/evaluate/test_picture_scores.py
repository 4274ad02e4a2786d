"""Scores of painters against the truth: known values, what is missing has its reason."""

import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.evaluate import picture_scores as module
from ksdiff_jax.evaluate.comparison_table import as_json, markdown
from ksdiff_jax.evaluate.painting_baselines import copied
from ksdiff_jax.evaluate.picture_scores import (
    METRICS,
    TRUTH,
    Instruments,
    compare_painters,
    cosines,
    neighbouring_places,
    paired_targets,
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


def test_targets_are_pairs_of_neighbours_inside_the_clip():
    places = neighbouring_places(40, pairs=3)
    assert places.tolist() == [1, 2, 20, 21, 38, 39]
    for frames in (1, 2, 3, 5):
        places = neighbouring_places(frames)
        assert places.min() >= 0 and places.max() < frames
    assert len(paired_targets(clip(0)).truth) == 2 * module.PAIRS


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
