"""The UNet of the published size takes a training step at batch 1 in the memory of one machine."""

import json
import subprocess
import sys

import numpy as np
import pytest

MOST_GIB = 20


@pytest.mark.long
def test_a_training_step_of_the_published_size_fits_the_memory():
    command = [sys.executable, "-m", "tests.models.fd2talk.frames.paper_step"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["parameters"] == pytest.approx(455.6e6, rel=1e-3)
    assert np.isfinite(found["loss"]) and found["skipped"] == 0
    assert 0 < found["moved"] <= 1.01e-4  # one step of Adam at its rate
    assert found["peak_gib"] < MOST_GIB
