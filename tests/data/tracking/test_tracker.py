import subprocess
import sys

import numpy as np
import pytest

from ksdiff_jax.data.tracking import tracker
from ksdiff_jax.data.tracking.tracker import Tracker, TrackerDied, tracker_python
from ksdiff_jax.errors import InputError

# What the worker speaks, with no face found in any picture; a picture of height 1 kills it.
STUB = """
import os, struct, sys, time
read, write = os.fdopen(0, "rb"), os.fdopen(1, "wb")
write.write(struct.pack("<I", 1)); write.flush()
while header := read.read(9):
    kind, height, width = struct.unpack("<cII", header)
    if kind == b"R":
        continue
    read.read(3 * height * width)
    if height == 1:
        sys.exit(7)
    if height == 2:
        time.sleep(60)
    write.write(struct.pack("<I", 0)); write.flush()
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    (tmp_path / "worker.py").write_text(STUB)
    monkeypatch.setattr(tracker, "WORKER", tmp_path / "worker.py")


def test_without_a_tracker_the_way_to_one_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("KSDIFF_TRACKER_PYTHON", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracker, "__file__", str(tmp_path / "a" / "b" / "c" / "tracker.py"))
    with pytest.raises(InputError, match=r"pip install -r .*a/b/c/requirements\.txt` installs it"):
        tracker_python()
    (tmp_path / "Makefile").touch()
    with pytest.raises(InputError, match="`make tracker` installs it"):
        tracker_python()
    with pytest.raises(InputError, match="no tracker's Python"):
        tracker_python(str(tmp_path / "python"))


def test_the_environment_is_found_in_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("KSDIFF_TRACKER_PYTHON", raising=False)
    monkeypatch.chdir(tmp_path)
    python = tmp_path / ".venv-tracker" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert tracker_python() == str(python)


def test_pictures_without_a_face_have_none(stub):
    with Tracker(sys.executable) as eyes:
        assert eyes.faces(np.zeros((8, 8, 3), np.uint8)) == []
        eyes.forget()
        assert eyes.landmarks(np.zeros((8, 8, 3), np.uint8)) is None


def test_a_tracker_that_dies_is_noticed(stub):
    with Tracker(sys.executable) as eyes, pytest.raises(TrackerDied, match="exit status 7"):
        eyes.landmarks(np.zeros((1, 8, 3), np.uint8))


def test_a_tracker_that_hangs_is_noticed(stub, monkeypatch):
    monkeypatch.setattr(tracker, "ANSWER_S", 0.2)
    with Tracker(sys.executable) as eyes, pytest.raises(TrackerDied, match="no answer"):
        eyes.landmarks(np.zeros((2, 8, 3), np.uint8))


def test_a_python_without_mediapipe_is_said():
    has_it = (
        subprocess.run(
            [sys.executable, "-c", "import mediapipe"], capture_output=True, check=False
        ).returncode
        == 0
    )
    if has_it:
        pytest.skip("this Python has mediapipe")
    with pytest.raises(InputError, match="make tracker"):
        Tracker(sys.executable)
