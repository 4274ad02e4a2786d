import json

import numpy as np
import pytest

from ksdiff_jax.evaluate import report
from ksdiff_jax.files import write_json


def row_of(figures: dict[str, float], name: str) -> report.Row:
    return next(row for row in report.rows(figures) if row.figure == name)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("jaw_correlation", 0.85, 0.84),
        ("lve_ratio", 0.5, 0.51),
        ("closure_rate", 0.9, 0.89),
        ("real_speech_correlation", 0.41, 0.40),
        ("real_closure", 0.82, 0.81),
        ("real_std_ratio", 1.25, 1.26),
        ("real_speed_ratio", 0.8, 0.79),
        ("real_head_speed_95_deg", 18.0, 53.0),
        ("real_blinks_closed", 0.9, 0.5),
        ("silence_opening_max", 0.014, 0.015),
        ("noise_opening_range", 0.02, 0.04),
        ("lip_difference_mm", 0.5, 1.1),
        ("head_difference_deg", 2.0, 0.5),
    ],
)
def test_each_target_is_reached_on_its_right_side(name, good, bad):
    assert row_of({name: good}, name).reached is True
    assert row_of({name: bad}, name).reached is False


def test_keyframes_have_to_beat_the_better_baseline_by_the_margin():
    figures = {"keyframe_head_f1_random": 0.2, "keyframe_head_f1_fixed": 0.35}
    assert row_of({**figures, "keyframe_head_f1": 0.46}, "keyframe_head_f1").reached is True
    assert row_of({**figures, "keyframe_head_f1": 0.44}, "keyframe_head_f1").reached is False


def test_what_was_not_measured_is_neither_reached_nor_missed():
    figures = {"closure_rate": float("nan"), "clips": 3.0}
    assert row_of(figures, "closure_rate").reached is None
    text = report.table(report.rows(figures))
    assert "not measured" in text
    assert text.splitlines()[2].startswith("closure_rate")  # figures with a target come first
    assert text.splitlines()[3].split() == ["clips", "3"]


def test_metrics_json_is_strict_json_and_names_the_machine(tmp_path):
    figures = {"jaw_correlation": 0.9, "closure_rate": float("nan")}
    write_json(tmp_path / "metrics.json", report.as_json(figures, {"machine": report.machine()}))

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)
    assert content["figures"] == {"jaw_correlation": 0.9, "closure_rate": None}
    assert content["targets"]["jaw_correlation"] == {"target": ">= 0.85", "reached": True}
    assert content["machine"]["cores"] >= 1
    assert content["machine"]["device"].startswith("cpu")


def test_curves_of_different_length_are_drawn(tmp_path):
    curves = [
        report.Curves("a", np.linspace(0, 0.1, 50), np.linspace(0.1, 0, 49)) for _ in range(2)
    ]
    report.plot_openings(tmp_path / "openings.png", curves, title="two clips")
    data = (tmp_path / "openings.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 5000
