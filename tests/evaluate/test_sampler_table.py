"""The table of samplers: figures by hand, changes and their intervals, the choice, JSON."""

import json
import math

import numpy as np
import pytest

from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate.intervals import ratio_interval
from ksdiff_jax.evaluate.sampler_table import (
    REFERENCE,
    TITLES,
    Options,
    Row,
    as_json,
    changes,
    chosen,
    from_json,
    markdown,
    row_of,
    truth_of,
)
from ksdiff_jax.face import builtin_face
from ksdiff_jax.motion import space
from tests.evaluate.pretend import talking_clip

CLIPS, SAMPLES = 6, 3
DYNAMICS = [2.0] * CLIPS


def row(options, factor=1.0, *, of=None, spread=0.001, seed=0) -> Row:
    """Values about 1 that do not depend on `seed`, times `factor` and a noise of its own."""
    base = 1 + 0.2 * np.random.default_rng(9).random((CLIPS, SAMPLES))
    draw = np.random.default_rng(seed)
    values = {}
    for name in TITLES:
        by = factor if of in (None, name) else 1.0
        values[name] = base * (by + spread * draw.normal(size=base.shape))
    return Row(options, values)


def few(steps, sampler="unipc") -> Options:
    return Options(sampler, "log_snr", steps)


def test_the_true_motion_has_perfect_figures_and_half_of_it_half_of_them():
    clips = [talking_clip(number, frames=40 + 20 * number) for number in range(2)]
    truth = truth_of(builtin_face(), clips)
    motions = [motion_of_clip(clip) for clip in clips]
    halves = [motion.copy() for motion in motions]
    for half in halves:
        half[:, space.ROTATION] /= 2
        half[:, space.JAW] /= 2
    found = row_of(few(4), list(zip(motions, halves, strict=True)), truth).values
    assert found["opening_r"].shape == (2, 2)
    np.testing.assert_allclose(found["opening_r"][:, 0], 1, atol=1e-6)
    np.testing.assert_allclose(found["jaw_r"], 1, atol=1e-6)
    for name in ("amplitude", "speed", "head_speed"):
        ratio = found[name][:, 1] / found[name][:, 0]
        np.testing.assert_allclose(ratio, 0.5, atol=0.03, err_msg=name)
    for name in ("head_half_hz", "head_most_hz"):
        np.testing.assert_allclose(found[name][:, 0], found[name][:, 1], rtol=1e-6)
    np.testing.assert_allclose(found["fdd"][:, 0], 0, atol=1e-12)


def test_a_change_is_a_ratio_of_sums_with_the_interval_of_the_clips():
    reference = row(REFERENCE, spread=0.0)
    other = row(few(4), 0.9, of="amplitude", spread=0.05, seed=3)
    found = changes(other, reference, DYNAMICS)
    mine, theirs = other.values["amplitude"], reference.values["amplitude"]
    assert found["amplitude"].mean == pytest.approx(mine.sum() / theirs.sum() - 1)
    # with one sample the design has clips alone: the interval of a ratio
    lone = [
        Row(each.options, {n: v[:, :1] for n, v in each.values.items()})
        for each in (other, reference)
    ]
    expected = ratio_interval(mine[:, 0] - theirs[:, 0], theirs[:, 0])
    np.testing.assert_allclose(changes(*lone, DYNAMICS)["amplitude"][:3], expected[:3])
    difference = (other.values["fdd"] - reference.values["fdd"]).sum()
    assert found["fdd"].mean == pytest.approx(difference / (2.0 * CLIPS * SAMPLES))


def test_the_fewest_steps_whose_intervals_are_within_three_percent_are_chosen():
    reference = row(REFERENCE, spread=0.0)
    good, better = row(few(6), seed=1), row(few(6, "dpm++2m"), spread=0.0)
    longer = row(few(10), spread=0.0, seed=3)
    slow_head = row(few(4), 0.96, of="head_speed", seed=4)
    scattered = row(few(4, "ddim"), spread=0.2, seed=5)  # its mean is near, its interval is not
    assert chosen([reference, good, longer], DYNAMICS) is good
    assert chosen([reference, good, better, longer], DYNAMICS) is better
    assert chosen([reference, slow_head, scattered, longer], DYNAMICS) is longer
    assert chosen([slow_head, scattered, reference], DYNAMICS) is reference
    with pytest.raises(ValueError, match="no row of the reference"):
        chosen([good], DYNAMICS)


def test_too_few_clips_choose_nothing_and_undefined_values_are_left_out():
    reference, good = row(REFERENCE, spread=0.0), row(few(4))
    cut = [Row(r.options, {n: v[:3] for n, v in r.values.items()}) for r in (reference, good)]
    assert chosen(cut, DYNAMICS[:3]) is cut[0]
    good.values["jaw_r"][0, 0] = math.nan
    found = changes(good, reference, DYNAMICS)["jaw_r"]
    expected = good.values["jaw_r"][1:].sum() / reference.values["jaw_r"][1:].sum() - 1
    assert found.mean == pytest.approx(expected) and found.count == CLIPS - 1
    good.values["closure"][:] = reference.values["closure"][:] = 0.0
    assert math.isnan(changes(good, reference, DYNAMICS)["closure"].mean)
    assert chosen([reference, good], DYNAMICS) is good


def test_a_row_survives_its_file_and_the_table_marks_what_is_what():
    first = row(few(4))
    first.values["jaw_r"][0, 1] = math.nan
    read = from_json(json.loads(json.dumps(as_json(first), allow_nan=False)))
    np.testing.assert_equal(read, first)
    rows, times = [row(REFERENCE, spread=0.0), first], {few(4): (0.1, 0.09, 0.2)}
    lines = markdown(rows, DYNAMICS, times=times, shipped=REFERENCE, choice=first).splitlines()
    assert lines[2].startswith("| ddim | trailing | 50 |  | 0 |")
    assert lines[2].endswith("| reference, checkpoint's |")
    assert lines[3].startswith("| unipc | log_snr | 4 | 0.10 [0.09, 0.20] |")
    assert lines[3].endswith("% | chosen |")
