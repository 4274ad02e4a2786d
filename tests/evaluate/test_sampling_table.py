"""The table of sampling options: figures as in the scores, the choice by hand, JSON."""

import json
import math

import numpy as np
import pytest

from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate.intervals import Interval, t_interval
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.sampling_table import (
    Options,
    Row,
    as_json,
    chosen,
    from_json,
    markdown,
    table_row,
    true_mouths,
)
from ksdiff_jax.evaluate.scores import score
from ksdiff_jax.face import builtin_face
from ksdiff_jax.motion import space
from tests.evaluate.pretend import talking_clip


@pytest.fixture(scope="module")
def clips():
    return [talking_clip(number, frames=40 + 20 * number) for number in range(3)]


@pytest.fixture(scope="module")
def truth(clips):
    return true_mouths(builtin_face(), clips)


def moved(clip, *, scale: float, lag: int) -> np.ndarray:
    """The true motion, later and with another jaw."""
    motion = np.roll(motion_of_clip(clip), lag, axis=0)
    motion[:, space.JAW] *= scale
    return motion[None]


def test_a_row_of_one_sample_has_the_figures_of_the_scores_and_true_amplitude(clips, truth):
    predictions = [Prediction(moved(clip, scale=0.5, lag=2)) for clip in clips]
    row = table_row(Options(1.0, 0.0), predictions, truth)
    figures = score(clips, predictions, groups=("lips",))
    for name in ("opening_correlation", "jaw_correlation", "lve_ratio", "closure_precision"):
        assert row.figures[name].mean == pytest.approx(figures[name], rel=1e-5), name
    assert row.figures["closure_rate"].mean == pytest.approx(figures["closure_rate"])
    assert row.figures["opening_correlation"].low == pytest.approx(
        max(-1.0, t_interval(row.of_clips).low)
    )
    assert np.mean(row.of_clips) == pytest.approx(row.figures["opening_correlation"].mean)
    assert row.figures["amplitude_ratio"].mean == pytest.approx(0.5, abs=0.02)


def test_samples_of_a_clip_are_averaged_before_clips_are(clips, truth):
    one = [moved(clip, scale=1.0, lag=0) for clip in clips]
    two = [moved(clip, scale=0.5, lag=4) for clip in clips]
    rows = [
        table_row(Options(1.0, 0.0), [Prediction(motion) for motion in motions], truth)
        for motions in (one, two, [np.concatenate(pair) for pair in zip(one, two, strict=True)])
    ]
    for name in rows[0].figures:
        if name != "closure_precision":  # a ratio of sums that depend on the samples
            means = [row.figures[name].mean for row in rows]
            assert means[2] == pytest.approx((means[0] + means[1]) / 2), name
    assert rows[2].figures["jaw_correlation"].count == 3


def row(guidance, openings, *, lve=0.3, closure=0.95, amplitude=1.0) -> Row:
    values = {
        "opening_correlation": np.nanmean(openings),
        "jaw_correlation": 0.9,
        "lve_ratio": lve,
        "closure_rate": closure,
        "closure_precision": 0.9,
        "amplitude_ratio": amplitude,
    }
    figures = {name: Interval(float(v), v - 0.1, v + 0.1, 5) for name, v in values.items()}
    return Row(Options(guidance, 0.0), figures, list(openings))


def test_the_rule_keeps_what_closes_then_what_follows_then_the_lowest_error():
    best = row(1.0, [0.90, 0.80, 0.70])
    same = row(2.0, [0.91, 0.78, 0.70], lve=0.25)  # -0.003 on average: not resolved
    worse = row(3.0, [0.80, 0.70, 0.60], lve=0.1)  # 0.1 less in every clip
    assert chosen([best, same, worse]) is same
    assert chosen([best, worse]) is best
    assert chosen([best, row(4.0, [0.99] * 3, closure=0.89)]) is best
    assert chosen([best, row(4.0, [0.99] * 3, amplitude=1.3)]) is best
    only = row(4.0, [0.99] * 3, closure=0.5)
    assert chosen([only, row(5.0, [0.7] * 3, closure=0.8)]) is only  # none is a candidate


def test_a_row_survives_its_file_and_the_table_marks_the_checkpoints_and_the_chosen_one():
    first = row(1.0, [0.9, math.nan, 0.7])
    undefined = Interval(math.nan, -math.inf, math.inf, 1)
    first = first._replace(figures=first.figures | {"closure_rate": undefined})
    read = from_json(json.loads(json.dumps(as_json(first), allow_nan=False)))
    np.testing.assert_equal(read, first)
    second = row(2.0, [0.9] * 3)
    lines = markdown([first, second], shipped=Options(1.0, 0.0), choice=second).splitlines()
    assert lines[2].endswith("| checkpoint's |") and "undefined" in lines[2]
    assert lines[3].startswith("| 2 | 0 | 0.900 [0.800, 1.000] |") and "chosen |" in lines[3]
