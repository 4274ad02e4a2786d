"""glTF files in front of independent readers: Khronos's validator, and three.js in Chromium without
a window. Both come from npm (`make web`); without them these tests are skipped.
"""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from ksdiff_jax.export.endings import ENDINGS
from ksdiff_jax.export.take import Take
from ksdiff_jax.export.writers import write_take
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BUILTIN

DARK = 200 / (3 * 255)  # darker than skin and lips: the inside of the mouth
# The mouth in a picture of 512 pixels, and the least number of dark ones in an open one. The
# dressed head of `glb` has shoulders, so that its mouth is smaller in the picture.
MOUTH = {
    "glb": (slice(150, 200), slice(225, 295)),
    "glb-exact": (slice(250, 350), slice(206, 306)),
}
DARK_PIXELS = {"glb": 150, "glb-exact": 500}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A head that opens its mouth for a second and closes it, in every glTF format."""
    numbers = np.zeros((25, BUILTIN.width))
    numbers[:, BUILTIN.slice("jaw").start] = 0.25 * np.sin(np.pi * np.arange(25) / 24)
    numbers[:, BUILTIN.slice("rotation").start + 1] = np.linspace(0, 0.1, 25)
    take = Take(MotionClip.from_coefficients(numbers, fps=25.0), 25, "talk")
    folder = tmp_path_factory.mktemp("gltf")
    return {
        kind: write_take(folder / f"talk{ENDINGS[kind]}", take, kind)
        for kind in ("glb", "glb-exact", "vrm")
    }


def test_khronoss_validator_finds_neither_errors_nor_warnings(node, files):
    reports = node("validate.mjs", *files.values())
    assert len(reports) == len(files)
    for path, found in reports.items():
        assert (found["numErrors"], found["numWarnings"]) == (0, 0), (path, found["messages"])


def test_the_validator_sees_a_fault(node, files, tmp_path):
    data = files["glb"].read_bytes()
    (tmp_path / "a.glb").write_bytes(data.replace(b'"metallicFactor":0', b'"metallicFactor":2'))
    (found,) = node("validate.mjs", tmp_path / "a.glb").values()
    assert found["numErrors"] > 0


@pytest.mark.parametrize("kind", ["glb", "glb-exact"])
def test_the_lips_open_in_a_browser(node, files, tmp_path, kind):
    played = node("play.mjs", files[kind], tmp_path, 0.0, 0.48)
    assert played["faults"] == []
    assert played["shown"][0]["duration"] == pytest.approx(24 / 25)
    closed, open_ = (
        matplotlib.image.imread(tmp_path / f"{number}.png")[..., :3] for number in (0, 1)
    )
    assert closed.shape == open_.shape == (512, 512, 3)
    dark = [int((shot[MOUTH[kind]].mean(axis=2) < DARK).sum()) for shot in (closed, open_)]
    assert dark[0] < 50 and dark[1] > DARK_PIXELS[kind], dark
    assert (np.abs(closed - open_).max(axis=2) > 0.1).mean() > 0.01  # the head turned too
