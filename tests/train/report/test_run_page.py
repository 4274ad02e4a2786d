"""The page of a run: generated from the folder, self-contained, also if parts are missing."""

import json
import os
import re
from html.parser import HTMLParser

import numpy as np

from ksdiff_jax.config import to_dict
from ksdiff_jax.train.report.curves import MAX_POINTS, _looks, curve, draw_curves, terms
from ksdiff_jax.train.report.goodput import Goodput
from ksdiff_jax.train.report.metrics_log import read_entries
from ksdiff_jax.train.report.run_page import write_run_page
from tests.train.toy import toy_config

VOID = {"meta", "img", "br", "path", "use", "rect"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def a_run(workdir, *, steps=40):
    entries = [
        {"step": n, "split": "train", "loss": 3.0 / n, "head/velocity": 1.0 / n, "grad_norm": 2.0,
         "learning_rate": 1e-4, "skipped": 0.0, "steps_per_s": 3.1, "frames_per_s": 6349.0,
         "data_wait": 0.011, "goodput": 0.9}
        for n in range(10, steps + 1, 10)
    ]  # fmt: skip
    entries += [
        {"step": n, "split": "val", "loss": 2.0 / n, "jaw_correlation": 0.5 + n / 100}
        for n in (20, 40)
    ]
    (workdir / "metrics.jsonl").write_text(
        "".join(json.dumps(entry) + "\n" for entry in entries) + '{"step": 5'
    )
    (workdir / "config.json").write_text(json.dumps(to_dict(toy_config(steps=50))))
    (workdir / "versions.json").write_text(
        json.dumps({"python": "3.12", "devices": ["cpu:cpu"] * 8, "packages": {}})
    )
    goodput = Goodput()
    goodput.write(workdir, ended=True)
    return entries


def test_the_page_tells_how_the_run_ended_what_it_reached_and_where_the_time_went(tmp_path):
    a_run(tmp_path)
    (tmp_path / "samples").mkdir()
    for name in ("step-00000020-old", "step-00000040-a", "step-00000040-b"):
        (tmp_path / "samples" / f"{name}.png").write_bytes(b"picture of " + name.encode())
    page = write_run_page(tmp_path, ending="stopped by SIGTERM at step 40 <saved>").read_text()
    parser = Balanced()
    parser.feed(page)
    assert not parser.open and {"svg", "table", "img", "pre"} <= parser.seen
    text = re.sub(r"<[^>]+>", " ", page)
    for told in (
        "stopped by SIGTERM at step 40 &lt;saved&gt;",
        "40 of 50",
        "jaw_correlation",
        "0.9",
        "8 × cpu:cpu",
    ):
        assert told in text, told
    assert "train.learning_rate = 0.01" in text and "Goodput" in text and "restart" in text
    assert page.count("data:image/png;base64,") == 2 and 'alt="step-00000020-old"' not in page
    # nothing is fetched
    assert not re.search(r'(src|href)="(?!data:|#)', page) and "<script" not in page


def test_a_single_validation_is_one_column_and_the_goodput_is_that_of_the_whole_run(tmp_path):
    a_run(tmp_path)
    whole = json.loads((tmp_path / "goodput.json").read_text())["goodput"]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text(
        "".join(line for line in lines if '"step": 20, "split": "val"' not in line)
    )
    page = write_run_page(tmp_path, ending="done").read_text()
    assert page.count(">step 40<") == 1
    assert f"goodput<b>{100 * whole:.1f} %</b>" in page and "goodput<b>90.0 %</b>" not in page


def test_a_term_has_one_colour_on_both_paths_and_a_path_one_kind_of_line():
    looks = _looks(
        [f"{path}/{term}" for path in ("expression", "head") for term in ("velocity", "keyframes")]
    )
    assert len(set(looks.values())) == len(looks)
    assert (
        looks["head/velocity"][0] == looks["expression/velocity"][0] != looks["head/keyframes"][0]
    )
    assert (
        looks["head/velocity"][1] == looks["head/keyframes"][1] != looks["expression/velocity"][1]
    )


def test_a_run_that_left_next_to_nothing_has_a_page_too(tmp_path):
    page = write_run_page(tmp_path, ending="stopped before the first step").read_text()
    assert "nothing logged" in page and "stopped before the first step" in page


def test_curves_are_thinned_without_losing_their_ends_and_undefined_values_are_gaps(tmp_path):
    entries = [
        {"step": n, "split": "train", "loss": None if n == 3 else float(n)} for n in range(1, 5001)
    ]
    steps, values = curve(entries, "train", "loss")
    assert len(steps) <= MAX_POINTS and np.isnan(values[0])
    assert steps[-1] > 4990 and np.nanmax(np.abs(steps[1:] - values[1:])) == 0
    few, value = curve(entries[:5], "train", "loss")
    np.testing.assert_array_equal(few, [1, 2, 3, 4, 5])
    assert np.isnan(value[2]) and np.isfinite(value[[0, 1, 3, 4]]).all()
    assert len(curve(entries, "val", "loss")[0]) == 0


def test_the_picture_is_the_same_for_the_same_run_and_names_every_term(tmp_path):
    entries = a_run(tmp_path)
    svg = draw_curves(entries)
    assert svg == draw_curves(entries) and svg.startswith(b"<?xml")
    assert terms(entries) == ["head/velocity"] and b"terms of the loss" in svg
    assert draw_curves(entries, form="png").startswith(b"\x89PNG")


def test_a_name_of_any_bytes_is_text_on_the_page(tmp_path):
    workdir = tmp_path / os.fsdecode(b"<script>alert(1)</script> \xe9 &".replace(b"/", b"|"))
    workdir.mkdir()
    a_run(workdir)
    config = json.loads((workdir / "config.json").read_text())
    page = write_run_page(workdir, ending=f"stopped in {workdir}").read_text(encoding="utf-8")
    assert "<script>" not in page and "\\xe9 &amp;" in page
    (workdir / "config.json").write_text(json.dumps(config | {"name": workdir.name + "</title>"}))
    page = write_run_page(workdir, ending="ended").read_text(encoding="utf-8")
    assert "<script>" not in page and page.count("</title>") == 1 and "&lt;script&gt;" in page


def test_the_lines_of_a_run_that_goes_on_are_read_in_order_without_the_one_being_written(tmp_path):
    entries = a_run(tmp_path)
    assert read_entries(tmp_path / "metrics.jsonl") == entries
    assert read_entries(tmp_path / "none.jsonl") == []
    (tmp_path / "odd.jsonl").write_text(
        '[1]\n{"step": 2}\n{"step": 3, "split": "train", "loss": null}\n'
    )
    assert read_entries(tmp_path / "odd.jsonl") == [{"step": 3, "split": "train", "loss": None}]


def test_a_logarithmic_axis_has_numbers_and_no_formulas(tmp_path):
    wide, narrow = (
        [
            {"step": n, "split": "train", "loss": 1.0, "learning_rate": 2.0 * ratio**n}
            for n in range(4)
        ]
        for ratio in (0.1, 0.9)
    )
    for entries, numbers in ((wide, (">0.01<", ">0.1<", ">1<")), (narrow, (">2<",))):
        svg = draw_curves(entries).decode()
        assert "mathdefault" not in svg and "$" not in svg
        assert all(number in svg for number in numbers), numbers
