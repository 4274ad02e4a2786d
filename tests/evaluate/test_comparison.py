import csv
import io
import math

import numpy as np
import pytest

from ksdiff_jax.evaluate import clip_metrics
from ksdiff_jax.evaluate.comparison import Comparison, Line, best_and_worst, compare, mean_of
from ksdiff_jax.evaluate.comparison_plots import head_spectrum, plot_spectra
from ksdiff_jax.evaluate.comparison_table import SCHEMA, as_json, csv_text, markdown, marked, plain
from ksdiff_jax.evaluate.face_points import builtin_points
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.reference_motions import true_motions
from ksdiff_jax.evaluate.scores import score
from ksdiff_jax.face import builtin_face
from ksdiff_jax.ownership import purpose_of
from tests.evaluate.pretend import talking_clip

CLIPS = [talking_clip(number) for number in range(5)]
TRUE = true_motions(CLIPS)
OF_FACE = {"face": builtin_face(), "points": builtin_points()}


def values_of(found, metric):
    (line,) = [line for line in found.lines if line.metric.name == metric]
    return line.values


def test_a_line_has_the_figures_of_the_scores_as_means_over_samples_and_clips():
    half = [np.stack([motion, 0.5 * motion]) for motion in TRUE]
    samples = {"half": half, "truth": [motion[None] for motion in TRUE]}
    found = compare(CLIPS, samples, groups=("lips", "pose"), **OF_FACE)
    assert set(found.left_out.values()) == {"not defined for any of these clips"}  # no pauses
    alone = score([CLIPS[0]], [Prediction(0.5 * TRUE[0][None])], groups=("lips",))
    lve = values_of(found, "LVE, mean of distances")
    assert lve["half"][0] == pytest.approx(alone["lve_distance_mm"] / 2, rel=1e-5)
    assert lve["truth"].max() == 0.0
    apart = values_of(found, "Diversity between samples, axis-angle")
    assert apart["half"][0] == pytest.approx(np.mean(np.abs(TRUE[0][:, 50:53])) / 4, rel=1e-5)
    assert np.isnan(apart["truth"]).all()


def test_what_cannot_be_measured_is_named_and_the_rest_is_measured():
    samples = {"truth": [motion[None] for motion in TRUE]}
    found = compare(CLIPS, samples, groups=("lips", "head", "blinks"), face=None, points=None)
    assert {line.metric.group for line in found.lines} == {"head"}
    assert found.left_out["opening r"] == "needs a face of the data's motion space (--face)"
    seen = compare(CLIPS, samples, groups=("head", "blinks"), face=builtin_face(), points=None)
    assert seen.left_out["blink rate, difference"] == (
        "needs the landmarks of the face (--landmarks)"
    )
    assert values_of(seen, "jitter of the head")


def test_a_metric_whose_library_is_missing_is_named_and_the_rest_is_measured(monkeypatch):
    def missing(*arguments):
        raise ImportError("No module named 'librosa'")

    beats = [metric for metric in clip_metrics.METRICS if metric.group == "beats"]
    metrics = [beats[0]._replace(of=missing), beats[-1]]
    monkeypatch.setattr("ksdiff_jax.evaluate.comparison.METRICS", metrics)
    samples = {"truth": [motion[None] for motion in TRUE]}
    found = compare(CLIPS, samples, groups=("beats",), face=None, points=None)
    assert "librosa" in found.left_out["Beat Align"]
    assert [line.metric.name for line in found.lines] == ["Beat Align, beats of the level"]
    assert "Not measured: Beat Align: a part" in markdown(found, title="t", predictors=["truth"])


def lines(**values):
    metric = clip_metrics.METRICS[0]._replace(name="opening r", better="↑", unit="")
    return Comparison([Line(metric, {n: np.array(v) for n, v in values.items()})], values, {})


def test_a_clip_without_a_value_is_left_out_for_every_predictor():
    nan = math.nan
    found = lines(a=[1.0, 0.0, 0.5, nan, 0.5, 0.5, 0.5], b=[nan, *[0.2] * 6], c=[nan] * 7)
    (line,) = found.lines
    assert line.interval("a").mean == pytest.approx(0.4) and line.interval("a").count == 5
    assert line.interval("b") == pytest.approx((0.2, 0.2, 0.2, 5))
    assert math.isnan(line.interval("c").mean)
    assert best_and_worst(found, "a") == [1, 2, 4, 5, 6, 0]


def test_the_tables_have_every_mean_and_mark_their_files(tmp_path):
    found = lines(a=[0.5, 0.5, 0.5, 0.5, 1.0], b=[0.25] * 5)
    text = markdown(found, title="data, test", predictors=["a", "b"])
    row = next(line for line in text.splitlines() if line.startswith("| opening r"))
    assert row.startswith("| opening r ↑ | 0.60 [0.50, 0.80] | 0.25 [0.25, 0.25] |")
    assert "FID: needs the weights of an image network" in text
    terminal = plain(found, "data", systems=["a"]).splitlines()[3].split("  ")
    assert [cell.strip() for cell in terminal if cell] == [
        "opening r ↑",
        "0.60 [0.50, 0.80]",
        "0.25",
    ]
    written = csv_text({"data": found})
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["predictor"] for row in rows] == ["a", "b"] and float(rows[0]["mean"]) == 0.6
    of_json = as_json(found)["metrics"][0]["predictors"]["a"]
    assert of_json["of_each_clip"] == [0.5, 0.5, 0.5, 0.5, 1.0] and of_json["high"] <= 1.0
    (tmp_path / "a.md").write_text(marked(text), encoding="utf-8")
    (tmp_path / "a.csv").write_text(written, encoding="utf-8")
    assert SCHEMA == "ksdiff-comparison/1"
    assert purpose_of(tmp_path / "a.md") == purpose_of(tmp_path / "a.csv") == "comparison"
    (tmp_path / "a.csv").write_text("schema,x\nmine,1\n", encoding="utf-8")
    assert purpose_of(tmp_path / "a.csv") is None


def test_the_accuracy_of_the_lip_sync_model_is_in_every_table():
    of_model = {"sync_accuracy": 0.875, "sync_held_out_accuracy": 0.75}
    of_model |= {"sync_held_out_accuracy_low": 0.7, "sync_held_out_accuracy_high": 0.8}
    found = lines(a=[0.5] * 5)._replace(sync=of_model)
    for text in (markdown(found, title="t", predictors=["a"]), plain(found, "t", systems=["a"])):
        assert "87.5 % of the true pairs" in text and "training 75.0 % [70.0, 80.0]" in text
    *_, row = csv.DictReader(io.StringIO(csv_text({"data": found})))
    assert row["metric"] == "sync_held_out_accuracy" and row["high"] == "0.8"
    assert as_json(found)["sync_model"] == of_model
    assert "lip-sync model" not in markdown(lines(a=[0.5] * 5), title="t", predictors=["a"])


def test_the_shares_of_trials_are_those_of_spoken_windows():
    won, spoken = np.array([1.0, 0.0, np.nan, 0.0]), np.array([True, True, True, False])
    assert mean_of(won, spoken) == 0.5
    assert math.isnan(mean_of(won, ~spoken & np.isnan(won)))


def test_the_spectrum_of_a_nod_has_its_power_at_the_nods_frequency(tmp_path):
    seconds = np.arange(250) / 25
    nod = np.zeros((250, 3))
    nod[:, 0] = np.radians(2.0) * np.sin(2 * np.pi * 3.125 * seconds)  # 8 periods in 64 frames
    hz, power = head_spectrum([nod, nod, nod[:10]])
    assert hz[np.argmax(power)] == pytest.approx(3.125)
    # the integral of the density is the variance, in degrees²
    assert power.sum() * hz[0] == pytest.approx(2.0, rel=0.05)
    assert head_spectrum([nod[:10]]) is None
    plot_spectra(tmp_path / "spectra.png", {}, title="t", overwrite=False)
    assert purpose_of(tmp_path / "spectra.png") == "comparison"
