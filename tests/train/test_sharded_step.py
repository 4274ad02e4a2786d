"""Loss and gradients on eight fake devices against one, and what the devices say to each other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MESHES = ("8x1x1", "2x4x1", "2x2x2")
BYTES = 4  # of a float32


def run(name, *meshes):
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.sharded_step", name, *meshes],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def assert_equal_to_one_device(result):
    assert result["loss_error"] < 1e-5
    worst = max(result["gradient_errors"], key=result["gradient_errors"].get)
    assert result["gradient_errors"][worst] < 1e-4, worst


@pytest.fixture(scope="module")
def toy():
    return run("toy", *MESHES)


@pytest.mark.parametrize("mesh", MESHES)
def test_loss_and_gradients_equal_those_of_one_device(mesh, toy):
    assert_equal_to_one_device(toy[mesh])


@pytest.mark.slow
def test_all_gradients_of_ksdiff_equal_those_of_one_device_on_three_axes():
    result = run("ksdiff", "2x2x2")["2x2x2"]
    assert len(result["gradient_errors"]) > 80
    assert_equal_to_one_device(result)


def test_data_parallelism_sums_the_gradient_once_and_sends_nothing_else(toy):
    traffic = toy["8x1x1"]["traffic"]
    assert traffic.keys() == {"all-reduce"}
    # Every parameter once, the loss and the number of valid frames.
    assert traffic["all-reduce"]["payload_bytes"] == BYTES * (toy["parameters"] + 2)
    assert traffic["all-reduce"]["sent_bytes"] == 2 * 7 / 8 * BYTES * (toy["parameters"] + 2)


def test_fully_sharded_parameters_are_gathered_once_and_their_gradient_summed_once(toy):
    traffic = toy["2x4x1"]["traffic"]
    assert traffic.keys() <= {"all-reduce", "all-gather", "reduce-scatter"}
    bias = 64  # lies whole on every device
    assert traffic["all-gather"]["payload_bytes"] == BYTES * (toy["parameters"] - bias)
    # Besides, the loss, the number of valid frames, and twice two squared norms of split matrices.
    assert traffic["all-reduce"]["payload_bytes"] == BYTES * (toy["parameters"] + 2 + 4)


def test_spectra_are_computed_where_their_clips_lie(toy):
    assert toy["spectrum"].keys() == {"all-reduce"}
    assert toy["spectrum"]["all-reduce"]["payload_bytes"] <= 2 * BYTES  # the number of valid frames
