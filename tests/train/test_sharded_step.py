"""Loss and gradients on eight fake devices against one, and what the devices say to each other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MESHES = ("8x1x1", "2x4x1", "2x2x2")
BYTES = 4  # of a float32


def run(names, *meshes):
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.sharded_step", names, *meshes],
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {"JAX_PLATFORMS": "cpu", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
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
def results(once):
    """Of both small systems, by one process for the whole run of the tests."""
    return once("sharded-step", lambda: run("toy,looped", *MESHES))


@pytest.fixture(params=["toy", "looped"])
def result(request, results):
    return results[request.param]


@pytest.mark.parametrize("mesh", MESHES)
def test_loss_and_gradients_equal_those_of_one_device(mesh, result):
    assert_equal_to_one_device(result[mesh])


@pytest.mark.parametrize(
    "system",
    [
        pytest.param("ksdiff", marks=pytest.mark.slow),
        pytest.param("ksdiff_looped", marks=pytest.mark.long),
    ],
)
def test_all_gradients_of_ksdiff_equal_those_of_one_device_on_three_axes(system):
    result = run(system, "2x2x2")[system]["2x2x2"]
    assert len(result["gradient_errors"]) > 80
    assert_equal_to_one_device(result)


def test_data_parallelism_sums_the_gradient_once_and_sends_nothing_else(result):
    traffic = result["8x1x1"]["traffic"]
    assert traffic.keys() == {"all-reduce"}
    # Every parameter once, the loss and the number of valid frames.
    assert traffic["all-reduce"]["payload_bytes"] == BYTES * (result["parameters"] + 2)
    sent = 2 * 7 / 8 * BYTES * (result["parameters"] + 2)
    # rounded each
    assert traffic["all-reduce"]["sent_bytes"] == pytest.approx(
        sent, abs=traffic["all-reduce"]["count"]
    )


# Biases lie whole on every device: 64 numbers at the end, 16 and 8 in each layer of the loop.
@pytest.mark.parametrize(
    ("system", "matrices", "biases"), [("toy", 2, 64), ("looped", 2 * 3 + 1, 64 + 3 * (16 + 8))]
)
def test_fully_sharded_parameters_are_gathered_once_and_their_gradient_summed_once(
    system, matrices, biases, results
):
    result = results[system]
    traffic = result["2x4x1"]["traffic"]
    assert traffic.keys() <= {"all-reduce", "all-gather", "reduce-scatter"}
    assert traffic["all-gather"]["payload_bytes"] == BYTES * (result["parameters"] - biases)
    # Besides, the loss, the number of valid frames, and twice the squared norms of split matrices.
    assert traffic["all-reduce"]["payload_bytes"] == BYTES * (
        result["parameters"] + 2 + 2 * matrices
    )


def test_spectra_are_computed_where_their_clips_lie(results):
    assert results["spectrum"].keys() == {"all-reduce"}
    # the number of valid frames
    assert results["spectrum"]["all-reduce"]["payload_bytes"] <= 2 * BYTES
