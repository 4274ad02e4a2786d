"""The table of an ablation study against NumPy and SciPy."""

import csv
import io
import json
import math

import numpy as np
import pytest
from scipy import stats

from ksdiff_jax.evaluate.ablation_table import (
    as_json,
    csv_text,
    difference_of,
    markdown,
    value_of,
)
from ksdiff_jax.evaluate.ablations import FULL, ablated, ablations_of, changes_nothing
from ksdiff_jax.models import default_config
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import override

TABLE, CUT = ablations_of(Config()), "w/o prosody"
NAMES = [figure.name for figure in TABLE.figures]


def random_scores(*, seeds: int = 3, clips: int = 20, lost: float = 0.0) -> dict:
    """Scores whose row `CUT` is lower by `lost`; a clip has its own level, and so has a seed."""
    draw = np.random.default_rng(0)
    level, of_seed = draw.normal(size=(len(NAMES), clips)), draw.normal(size=seeds)

    def of_run(seed: int, shift: float) -> dict:
        noise = 0.1 * draw.normal(size=level.shape)
        return {
            name: (level[i] + of_seed[seed] + noise[i] + shift).tolist()
            for i, name in enumerate(NAMES)
        }

    return {
        row: {seed: of_run(seed, shift) for seed in range(seeds)}
        for row, shift in ((FULL, 0.0), (CUT, -lost))
    }


def by_clip(scores, row, figure):
    return np.array([scores[row][seed][figure] for seed in scores[row]]).T


def test_differences_are_paired_by_clip_and_by_seed():
    scores = random_scores(lost=0.2)
    paired = by_clip(scores, CUT, "beat_align") - by_clip(scores, FULL, "beat_align")
    found = difference_of(scores, CUT, FULL, "beat_align")
    assert found.over_seeds.mean == pytest.approx(paired.mean())
    assert found.over_clips.mean == pytest.approx(paired.mean())
    low, high = stats.t.interval(0.95, 2, paired.mean(), stats.sem(paired.mean(axis=0)))
    assert found.over_seeds[1:3] == pytest.approx((low, high))
    low, high = stats.t.interval(0.95, 19, paired.mean(), stats.sem(paired.mean(axis=1)))
    assert found.over_clips[1:3] == pytest.approx((low, high))
    assert (found.over_clips.count, found.over_seeds.count, found.verdict) == (20, 3, "lower")
    # Seeds and clips differ by far more than the rows do, but both rows alike.
    for alone, of_both in zip(value_of(scores, CUT, "beat_align"), found, strict=True):
        assert alone.high - alone.low > 5 * (of_both.high - of_both.low)


def test_a_difference_is_resolved_only_over_seeds_and_over_clips():
    clips, seeds = np.linspace(-3, 3, 20), np.array([-3.0, 0.0, 3.0])
    flat = {name: [0.0] * 20 for name in NAMES}

    def verdict(of_clip, of_seed, shift):
        changed = {
            s: flat | {"beat_align": (of_clip * clips + of_seed * seeds[s] + shift).tolist()}
            for s in range(3)
        }
        scores = {FULL: dict.fromkeys(range(3), flat), CUT: changed}
        return difference_of(scores, CUT, FULL, "beat_align").verdict

    assert verdict(0.01, 0.01, 1.0) == "higher" and verdict(0.01, 0.01, -1.0) == "lower"
    assert verdict(1.0, 0.01, 0.5) == "not resolved"  # clips differ too much
    assert verdict(0.01, 1.0, 1.0) == "not resolved"  # seeds do
    assert verdict(0.01, 0.0, 0.0) == "not resolved"


def test_one_seed_gives_an_interval_over_clips_and_none_over_seeds():
    scores = random_scores(seeds=1)
    values = by_clip(scores, CUT, "closure_rate") - by_clip(scores, FULL, "closure_rate")
    found = difference_of(scores, CUT, FULL, "closure_rate")
    low, high = stats.t.interval(0.95, 19, values.mean(), stats.sem(values[:, 0]))
    assert found.shown[1:3] == pytest.approx((low, high))
    assert not math.isfinite(found.over_seeds.low)
    far = difference_of(random_scores(seeds=1, lost=9.0), CUT, FULL, "closure_rate")
    assert far.shown.high < -8 and far.verdict == "not resolved"
    text = markdown(scores, TABLE, beside={})
    assert "how trainings differ is not in them" in text and "none of these is resolved" in text
    assert "95 % interval over seeds.\n" in markdown(random_scores(), TABLE, beside={})


def test_clips_without_a_figure_are_left_out_of_it_and_rows_without_it_are_undefined():
    scores = random_scores(seeds=2)
    scores[CUT][1]["closure_rate"][4] = None
    scores[FULL][0]["closure_rate"][7] = math.nan
    kept = [i for i in range(20) if i not in (4, 7)]
    own = [np.array(scores[row][s]["closure_rate"], float)[kept] for row, s in ((CUT, 0), (CUT, 1))]
    other = [np.array(scores[FULL][s]["closure_rate"], float)[kept] for s in (0, 1)]
    found = difference_of(scores, CUT, FULL, "closure_rate")
    assert found.over_clips.count == 18
    assert found.over_clips.mean == pytest.approx(np.mean(np.subtract(own, other)))
    for seed in scores[CUT]:
        scores[CUT][seed]["keyframe_head_f1"] = [None] * 20
    assert value_of(scores, CUT, "keyframe_head_f1") is None
    assert "undefined" in markdown(scores, TABLE, beside={})


def test_a_difference_takes_the_seeds_that_both_rows_have():
    scores = random_scores(seeds=3)
    del scores[CUT][1]
    found = difference_of(scores, CUT, FULL, "beat_align")
    paired = by_clip(scores, FULL, "beat_align")[:, [0, 2]]
    assert found.over_seeds.count == 2
    assert found.over_clips.mean == pytest.approx(
        np.mean(by_clip(scores, CUT, "beat_align") - paired)
    )
    del scores[CUT][2]
    assert "of rows with one run over clips" in markdown(scores, TABLE, beside={})
    assert difference_of({CUT: scores[CUT]}, CUT, FULL, "beat_align") is None


def test_what_is_not_resolved_stands_in_the_table_and_the_papers_figures_beside():
    scores = random_scores(lost=0.0) | {"w/o keyframe": random_scores(lost=0.5)[CUT]}
    truth = {name: [1.0] * 20 for name in NAMES}
    text = markdown(scores, TABLE, beside={"the truth": {0: truth}})
    assert ", not resolved" in text and "**-0." in text
    lines = {line.split(" | ")[0]: line for line in reversed(text.splitlines())}
    assert "| 5.329 |" in lines["| w/o keyframe"]  # LVE of Table 3
    assert "0.663 |  | 9.570" in lines["| w/o keyframe"]  # LSE-C and LSE-D: only the paper's
    assert "LSE-C: needs the weights of SyncNet" in text
    assert "*the truth*" in text
    resolved = text.count("**") // 2 - 1  # the title is bold too
    assert f"{resolved} of {2 * len(NAMES)} differences are resolved" in text
    assert f"{0.05 * 2 * len(NAMES):.1f} would be by chance" in text


def test_csv_and_json_have_the_same_numbers():
    scores = random_scores(lost=0.3)
    scores[CUT][0]["lve_distance_mm"] = [None] * 20
    rows = list(csv.DictReader(io.StringIO(csv_text(scores, TABLE, beside={}))))
    document = json.loads(json.dumps(as_json(scores, TABLE, beside={}), allow_nan=False))
    assert document["rows"][CUT]["figures"]["lve_distance_mm"] is None
    for row in rows:
        stored = document["rows"][row["row"]]
        stored = stored["figures" if row["kind"] == "value" else "differences"][row["figure"]]
        for name in ("mean", "low_over_seeds", "high_over_clips"):
            assert float(row[name]) == pytest.approx(stored[name], rel=1e-5)
        assert row["verdict"] == stored.get("verdict", "")
    assert len(rows) == 3 * len(NAMES) - 2


def test_every_figure_of_a_table_has_a_column_of_the_paper_or_none_and_all_columns_are_named():
    for system in ("ksdiff", "disenttalk", "fd2talk_motion"):
        config = default_config(system)
        table = ablations_of(config)
        columns = {name for row in table.paper.values() for name in row}
        named = {figure.paper for figure in table.figures if figure.paper}
        assert columns == named | table.unmeasured.keys()
        assert next(iter(table.rows.values())) == {}
        for row in table.rows:
            assert ablated(config, row, seed=5).train.seed == 5


def test_a_row_that_this_configuration_has_already_changes_nothing():
    config = override(default_config("disenttalk"), {"loss.sync": 0.0})
    assert changes_nothing(config, "w/o SYNCLOSS") == "loss.sync is 0.0"
    assert changes_nothing(config, "w/o LOCAL") == ""
    assert changes_nothing(config, "full model") == ""
