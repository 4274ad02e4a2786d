"""The same run on one device and on eight fake ones, in a process that has eight."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.train.loop import train
from tests.train.test_loop import entries
from tests.train.toy import ToySystem, open_toy, toy_config

REPOSITORY = Path(__file__).parents[2]
# Whole runs; loss and gradients of one step on the same meshes are in test_sharded_step.py, in
# every run.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def eight_devices():
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.sharded_run"],
        cwd=REPOSITORY,
        env=os.environ
        | {"JAX_PLATFORMS": "cpu", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("one")
    train(
        toy_config(steps=8, log_every=1, validate_every=5, checkpoint_every=5),
        workdir,
        build_system=ToySystem,
        open_data=open_toy,
    )
    return {split: [e["loss"] for e in entries(workdir, split)] for split in ("train", "val")}


@pytest.mark.parametrize("mesh", ["8x1x1", "2x4x1"])
def test_losses_on_eight_devices_equal_those_on_one(mesh, eight_devices, one_device):
    np.testing.assert_allclose(eight_devices[mesh]["train"], one_device["train"][:5], rtol=1e-5)
    np.testing.assert_allclose(eight_devices[mesh]["val"][0], one_device["val"][0], rtol=1e-5)


def test_parameters_and_moments_are_spread_as_the_rules_say(eight_devices):
    whole = [16, 64]
    assert eight_devices["8x1x1"]["shard"] == whole
    assert eight_devices["2x4x1"]["shard"] == [16 // 4, 64]
    assert (
        eight_devices["4x1x2"]["shard"] == eight_devices["4x1x2"]["moment_shard"] == [16, 64 // 2]
    )


def test_a_checkpoint_goes_on_on_another_mesh(eight_devices, one_device):
    np.testing.assert_allclose(eight_devices["4x1x2"]["train"], one_device["train"][:8], rtol=1e-5)


def test_samples_are_measured_on_one_device_which_several_would_divide_badly(eight_devices):
    assert all(
        run["evaluated_on"] == [1] * len(run["evaluated_on"]) for run in eight_devices.values()
    )
    assert eight_devices["2x4x1"]["evaluated_on"]
