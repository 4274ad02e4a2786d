"""Verdicts on constructed scores, and what the metrics tell on a few clips of synthetic motion."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ksdiff_jax.evaluate.clip_metrics import METRICS, Metric
from ksdiff_jax.evaluate.controls import CONTROLS
from ksdiff_jax.evaluate.discrimination import TRUTH, cell_of, discriminate, line_of, outcomes
from ksdiff_jax.evaluate.discrimination_table import as_json, markdown, shown
from ksdiff_jax.face import builtin_face
from tests.evaluate.pretend import STILL, talking_clip


def test_the_better_score_wins_in_the_direction_of_the_metric():
    truth, control = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 3.0, 4.00001])
    np.testing.assert_array_equal(outcomes(truth, control, better="↑"), [0.0, 1.0, 0.5, 0.5])
    np.testing.assert_array_equal(outcomes(truth, control, better="↓"), [1.0, 0.0, 0.5, 0.5])


def test_undefined_scores_are_left_out_and_infinite_ones_lose():
    truth, control = np.array([0.0, np.nan, 1.0]), np.array([np.inf, 1.0, np.nan])
    np.testing.assert_array_equal(outcomes(truth, control, better="↓"), [1.0, np.nan, np.nan])
    assert cell_of(np.array([np.nan, np.nan])).verdict == "undefined"


def test_the_verdict_is_that_of_the_interval_over_clips():
    few, many = np.repeat([1.0, 0.0], [6, 4]), np.repeat([1.0, 0.0], [60, 20])
    assert cell_of(few).verdict == "cannot tell"
    assert cell_of(many).verdict == "tells"
    assert cell_of(1 - many).verdict == "fooled"
    assert cell_of(np.full(50, 0.5)).verdict == "cannot tell"
    share = cell_of(np.repeat(many, 10)).share
    reach = 1.96 * np.sqrt(0.75 * 0.25 / 800)
    assert (share.low, share.high) == pytest.approx((0.75 - reach, 0.75 + reach), abs=0.003)


@pytest.mark.parametrize("clips", [5, 50])
def test_a_metric_that_always_wins_has_the_bound_of_the_binomial(clips):
    exact = binomtest(clips, clips).proportion_ci(0.95)
    for wins in (1.0, 0.0):
        share = cell_of(np.full(clips, wins)).share
        low, high = (exact.low, 1.0) if wins else (0.0, 1 - exact.low)
        assert (share.low, share.high) == pytest.approx((low, high))
    assert cell_of(np.ones(clips)).verdict == ("tells" if clips > 5 else "cannot tell")


def test_a_line_shows_who_wins_and_who_is_preferred():
    metric = Metric("movement", "mm", "↑", "pose", lambda moved, true, heard: 0.0, ours=True)
    truth = np.arange(50.0)
    scores = {TRUTH: truth} | dict.fromkeys(CONTROLS, truth)
    scores["reversed"], scores["white noise"] = truth - 1, truth + 1
    scores["still"] = np.full(50, np.nan)
    line = line_of(metric, scores)
    row = markdown([line]).splitlines()[-1]
    assert row == (
        "| *movement* ↑ | 24.5 mm | 50, ties | **100 [93, 100]** | undefined | 50, ties | 50, ties "
        "| 0 [0, 7] ✗ |"
    )
    content = as_json([line], clips=50)
    assert content["enough_clips"] and not as_json([line], clips=29)["enough_clips"]
    found = content["metrics"][0]["controls"]
    assert found["white noise"] == {
        "share": 0.0,
        "low": 0.0,
        "high": pytest.approx(0.071, abs=1e-3),
        "clips": 50,
        "verdict": "fooled",
    }
    assert found["still"]["share"] is None


@pytest.fixture(scope="module")
def lines():
    clips = [talking_clip(number, frames=60 + number) for number in range(6)]
    done = []
    found = discriminate(
        clips,
        face=builtin_face(),
        mean=np.asarray(STILL.mean),
        progress=lambda *state: done.append(state),
    )
    assert done[-1] == (42, 42) and len(done) == 42
    return {line.metric.name: line.cells for line in found}


def test_the_truth_beats_every_other_motion_in_errors_and_correlations(lines):
    assert list(lines) == [metric.name for metric in METRICS]  # all names differ
    for name in ("LVE, mean of squares", "LMD", "opening r", "opening, warped"):
        assert {cell.verdict for cell in lines[name].values()} == {"tells"}, name


def test_metrics_that_do_not_see_time_cannot_tell_the_reversed_truth(lines):
    for name in (
        "FDD, without its sign",
        "blink rate, difference",
        "Diversity, axis-angle",
        "head spectrum, distance",
        "jitter of the lips",
        "jitter of the head, distance from the truth's",
    ):
        assert lines[name]["reversed"].share[:3] == (0.5, 0.5, 0.5), name


def test_a_closed_mouth_has_every_closure_and_none_above_chance(lines):
    assert shown(lines["closure rate of /p b m/"]["lips closed"]) == "50, ties"
    assert lines["closures above chance"]["lips closed"].verdict == "tells"
    assert lines["opening with the level, r"]["another clip"].verdict == "tells"


def test_more_diversity_and_less_jitter_are_not_nearer_to_the_truth(lines):
    assert lines["jitter of the head"]["still"].verdict == "fooled"
    assert lines["jitter of the head, distance from the truth's"]["still"].verdict == "tells"
    assert lines["jitter of the head, distance from the truth's"]["white noise"].verdict == "tells"
    assert lines["head spectrum, distance"]["still"].verdict == "undefined"
