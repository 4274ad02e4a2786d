"""`ksdiff-jax bench device`: it runs on a bare machine, measures what its lines state, and
continues after a failure.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.bench import device
from ksdiff_jax.bench.device import FIGURES, Figure, measure
from ksdiff_jax.bench.line import has_numbers
from ksdiff_jax.bench.workload import full_size, made_up_params, small_size
from ksdiff_jax.cli.main import main
from ksdiff_jax.tree import named_leaves

ROOT = Path(__file__).parents[2]


def on_a_bare_machine(*arguments: str) -> list[dict]:
    command = [sys.executable, "-m", "tests.bench.bare_machine", *arguments]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_all_it_imports_is_there_where_jax_flax_optax_and_numpy_are():
    only = ("hardware", "train-demo", "sample", "attention")
    lines = on_a_bare_machine(
        "--trace", "bench", "device", "--small", "--repeats", "1", "--only", *only
    )
    assert {line["figure"] for line in lines} == set(only)
    for line in lines:
        if line["figure"] == "hardware":
            assert "error" not in line
        else:
            assert line["error"].startswith("OnlyTraced"), line["error"]


@pytest.mark.long
def test_every_figure_is_measured_at_the_small_size(tmp_path):
    out = tmp_path / "device.jsonl"
    options = ("--small", "--repeats", "2", "--time-limit", "3000", "--out", str(out))
    lines = on_a_bare_machine("bench", "device", *options)
    header, *written = [json.loads(line) for line in out.read_text().splitlines()]
    assert written == lines and header["schema"] == "ksdiff-bench/1" and header["complete"]
    assert {line["figure"] for line in lines} == set(FIGURES)
    assert not [line for line in lines if "error" in line]
    assert all(line["device"] == "cpu" and line["jax"] for line in lines)
    for line in lines:
        if "ms_fastest" in line:
            assert 0 < line["ms_fastest"] <= line["ms"] <= line["ms_slowest"]
    # One device against itself: the same program, the same numbers.
    agreement = {
        line["work"].split(": ")[1]: line for line in lines if line["figure"] == "agreement"
    }
    assert agreement["loss and gradients, precision highest"]["gradient_relative_error"] == 0
    assert agreement["sample, precision highest"]["differing_keyframes"] == 0
    assert all(
        line["finite"] and line["total_ms"] > 0
        for line in lines
        if line["figure"].startswith("sample")
    )
    # bfloat16 rounds to 2^-9; a wrong attention would be off by about 1.
    assert all(line["plain_error"] < 0.02 for line in lines if line["figure"] == "attention")
    assert all(line["cudnn"] == "skipped: CPU" for line in lines if line["figure"] == "attention")


def parts_of(monkeypatch, **figures):
    """The lines of figures whose parts are given."""
    monkeypatch.setattr(device, "FIGURES", {name: Figure(name, name) for name in figures})
    monkeypatch.setattr(device.Figure, "parts", lambda self, size, repeats: figures[self.module]())
    return lambda **options: list(measure(small_size(), names=tuple(figures), repeats=1, **options))


def fails(message="first line\nsecond line"):
    raise RuntimeError(message)


def test_what_fails_is_a_line_with_an_error_and_the_next_is_measured(monkeypatch):
    run = parts_of(
        monkeypatch,
        broken=fails,
        half=lambda: [("bad", fails), ("good", lambda: {"ms": 1.5})],
    )
    broken, bad, good = run(limit_s=60.0)
    assert broken["figure"] == "broken" and broken["error"] == "RuntimeError: first line"
    assert bad["work"] == "bad" and bad["error"] == "RuntimeError: first line" and "ms" not in bad
    assert good["ms"] == 1.5 and "error" not in good
    assert has_numbers([bad, good]) and not has_numbers([broken, bad])


def test_nothing_is_begun_after_the_time_limit(monkeypatch):
    now = [0.0]

    def takes(seconds):
        now[0] += seconds
        return {"ms": 1000 * seconds}

    run = parts_of(
        monkeypatch,
        one=lambda: [("a", lambda: takes(9.0)), ("b", lambda: takes(2.0)), ("c", fails)],
    )
    a, b, c = run(limit_s=10.0, clock=lambda: now[0])
    assert a["ms"] == 9000 and a["at_s"] == 9 and b["ms"] == 2000 and b["at_s"] == 11
    assert "limit of 10 s" in c["skipped"] and "error" not in c


def test_every_figure_lists_its_parts_at_both_sizes():
    for size in (small_size(), full_size()):
        works = [work for figure in FIGURES.values() for work, _ in figure.parts(size, repeats=1)]
        assert len(works) == len(set(works))
    assert any("32 clips of 10 s" in work for work in works) and any(
        "1 clip of 53 s" in work for work in works
    )


def test_the_command_lists_its_figures(capsys):
    assert main(["bench", "device", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FIGURES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "train", "trains"], "trains: no such figure; there are hardware"),
        (["--time-limit", "0"], "need more than 0 seconds"),
        (["--device", "cpu"], "add --small"),
        (["--small", "--repeats", "0"], "need at least 1"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(options, message, capsys):
    assert main(["bench", "device", *options]) == 2
    assert message in capsys.readouterr().err


def test_the_lines_are_written_as_they_were_printed_and_replace_only_their_own_kind(
    tmp_path, capsys
):
    out, theirs = tmp_path / "device.jsonl", tmp_path / "notes.jsonl"
    theirs.write_text('{"note": 1}\n{"note": 2}\n')
    command = ["bench", "device", "--small", "--repeats", "1", "--only", "hardware", "--out"]
    assert main([*command, str(theirs)]) == 2 and theirs.read_text().count("note") == 2
    assert "without the mark" in capsys.readouterr().err
    for _ in range(2):  # a rerun replaces its own
        assert main([*command, str(out)]) == 0
        header, *lines = out.read_text().splitlines()
        assert lines == capsys.readouterr().out.splitlines() and json.loads(header)["small"] is True
    assert {path.name for path in tmp_path.iterdir()} == {"device.jsonl", "notes.jsonl"}


def test_where_nothing_can_be_measured_the_status_is_1(monkeypatch, capsys):
    monkeypatch.setattr(device.Figure, "parts", lambda self, size, repeats: [("work", fails)])
    assert main(["bench", "device", "--small", "--only", "train"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "RuntimeError: first line"


def test_made_up_parameters_hide_nothing():
    params = named_leaves(made_up_params(small_size().demo))
    for name, leaf in params.items():
        assert np.abs(leaf).max() > 0 and leaf.dtype == np.float32, name
    kernel = params["generators_head/clean/kernel"]  # zero where training starts
    assert 0.5 < kernel.std() * np.sqrt(len(kernel)) < 1.5


@pytest.mark.parametrize(
    "options",
    [
        ["--only", "hardware"],
        ["--small"],
        ["--out", "a.jsonl"],
        ["--time-limit", "9"],
        ["--autotune"],
        ["--no-autotune"],
    ],
)
def test_other_benchmarks_refuse_its_options(options, capsys):
    assert main(["bench", "animate", *options]) == 2
    error = capsys.readouterr().err
    assert f"{options[0]} is an option of bench " in error and "not of bench animate" in error


def test_a_file_that_the_time_limit_cut_short_is_marked_as_such(tmp_path):
    out = tmp_path / "device.jsonl"
    options = [
        "--small",
        "--device",
        "cpu",
        "--only",
        "hardware",
        "--time-limit",
        "1e-9",
        "--out",
        str(out),
    ]
    assert main(["bench", "device", *options]) == 1  # nothing measured
    assert json.loads(out.read_text().splitlines()[0])["complete"] is False
