"""`ksdiff-jax bench encoder`: equality with torch, and consistency of its figures."""

import json
import os
import sys

import pytest

from ksdiff_jax.bench import encoder as bench_encoder
from ksdiff_jax.cli.main import main

# The command keeps its process to a few cores; the tests after it are to have all of theirs.
pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="cores can be chosen on Linux only"
)


@pytest.fixture(autouse=True)
def all_cores_again():
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def run(capsys, *arguments):
    status = main(["bench", "encoder", "--size", "tiny", "--repeats", "1", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_tiny_encoder_agrees_with_torch_and_its_parts_add_up(capsys):
    pytest.importorskip("torch")
    status, out, _ = run(capsys)
    report = json.loads(out)
    assert status == 0 and report["parity_error"] < 2e-5
    assert sum(report["parts_s"].values()) == pytest.approx(report["ours_s"], abs=1e-3)
    assert report["ratio"] == pytest.approx(report["ours_s"] / report["torch_s"], rel=0.05)
    assert "parity error" in report["summary"]


def test_a_tiny_whisper_agrees_with_torch_and_is_faster_at_its_own_length(capsys):
    pytest.importorskip("torch")
    status, out, _ = run(capsys, "--architecture", "whisper")
    report = json.loads(out)
    assert status == 0 and report["parity_error"] < 2e-5
    assert report["own_length_over_padded"] < 1.0 and report["parameters"] == 8_209_920


@pytest.mark.parametrize("architecture", ["wavlm", "whisper"])
def test_without_torch_one_line_says_what_to_install(architecture, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    status, _, error = run(capsys, "--architecture", architecture)
    assert status == 2 and error.count("\n") == 1 and "pip install 'ksdiff-jax[parity]'" in error


@pytest.mark.parametrize("size", bench_encoder.SIZES)
@pytest.mark.parametrize("architecture", bench_encoder.CLASSES)
def test_every_size_of_every_architecture_is_one_that_transformers_knows(size, architecture):
    transformers = pytest.importorskip("transformers")
    name = bench_encoder.CLASSES[architecture]
    config = getattr(transformers, f"{name}Config")(**bench_encoder.SIZES[size])
    assert config.hidden_size == {"tiny": 32, "base": 768, "large": 1024}[size]
