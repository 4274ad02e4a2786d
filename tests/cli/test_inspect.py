"""`ksdiff-jax inspect` names what it finds and refuses what is not sound."""

import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.motion.clip import MotionClip


def inspected(capsys, *arguments):
    status = main(["inspect", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return (json.loads(captured.out) if status == 0 else captured.err), status


def test_a_motion_file_is_described(tmp_path, capsys):
    keyframes = np.arange(50) % 25 == 0
    clip = MotionClip.from_coefficients(np.zeros((50, 59), np.float32), keyframes_head=keyframes, meta={"seed": 3})
    facts, _ = inspected(capsys, clip.save(tmp_path / "a.motion.npz"))
    assert (facts["kind"], facts["frames"], facts["seconds"], facts["seed"]) == ("motion", 50, 2.0, 3)
    assert facts["keyframes_head"] == "2 (1.00 per second)"


def test_a_checkpoint_is_described_and_a_corrupt_one_named(checkpoint, capsys):
    facts, _ = inspected(capsys, checkpoint, "--verify")
    assert facts["kind"] == "checkpoint" and facts["parameters"] == 1 and facts["verified"]
    weights = checkpoint / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    error, status = inspected(capsys, checkpoint)
    assert status == 2 and "'scale' is corrupt" in error


@pytest.mark.parametrize("name", ["nothing", "."])
def test_what_is_nothing_of_ours_is_one_line(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    error, status = inspected(capsys, name)
    assert status == 2 and error.count("\n") == 1


def test_text_output_has_a_line_per_fact(tmp_path, capsys):
    clip = MotionClip.from_coefficients(np.zeros((5, 59), np.float32))
    assert main(["inspect", str(clip.save(tmp_path / "a.motion.npz"))]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["kind", "motion"]
