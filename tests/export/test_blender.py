"""The script for Blender, run by Blender itself (its module bpy, in an environment of its own)."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.cli.main import main
from ksdiff_jax.export import blender_script
from ksdiff_jax.export.writers import write_take
from ksdiff_jax.face.arkit import ARKIT_NAMES
from tests.conftest import REPOSITORY
from tests.export.takes import known_take

BLENDER = REPOSITORY / ".venv-blender"
TO_BLENDER = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up, the face towards -y


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A take of 12 frames, its files and the script."""
    folder, take = tmp_path_factory.mktemp("blender"), known_take(seconds=0.4, fps=30.0)
    paths = {kind: write_take(folder / f"talk.{kind}", take, kind) for kind in ("glb",)}
    paths["csv"] = write_take(folder / "talk.csv", take, "livelink")
    paths["script"] = folder / "ksdiff_face.py"
    assert main(["export", "--blender-script", str(paths["script"])]) == 0
    return take, paths


def test_the_script_is_written_alone_and_replaces_only_its_own(written, tmp_path, capsys):
    _, paths = written
    assert paths["script"].read_text() == Path(blender_script.__file__).read_text()
    assert main(["export", "--blender-script", str(paths["script"])]) == 0
    (tmp_path / "mine.py").write_text("print()\n")
    assert main(["export", "--blender-script", str(tmp_path / "mine.py")]) == 2
    assert "without the mark" in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "print()\n"


def test_the_script_reads_the_same_motion_from_both_files(written):
    take, paths = written
    for kind in ("csv", "glb"):
        found = blender_script.read_motion(str(paths[kind]))
        assert found["fps"] == 30 and list(found["weights"]) != []
        np.testing.assert_allclose(found["times"], take.times_s, atol=1e-6)
        weights = np.stack([found["weights"][name] for name in ARKIT_NAMES], axis=1)
        np.testing.assert_allclose(weights, take.arkit, atol=1e-6)
        head = Rotation.from_quat(np.roll(found["head"], -1, axis=1))
        assert (head.inv() * take.head).magnitude().max() < 1e-5
    assert sorted(blender_script.ARKIT) == sorted(ARKIT_NAMES)


@pytest.mark.long
def test_blender_shows_the_motion_on_rigs(written):
    take, paths = written
    python = BLENDER / "bin" / "python"
    if not (BLENDER / "installed").exists():
        pytest.skip("needs Blender's module: `make blender`")
    scene = Path(__file__).parent / "blender_scene.py"
    command = [python, scene, paths["script"], paths["csv"], paths["glb"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "SHOWN" in done.stdout, done.stderr[-2000:]
    shown = json.loads(done.stdout.rpartition("SHOWN")[2])
    for part in ("imported", "csv_frames"):
        weights = [[row["weights"][name] for name in ARKIT_NAMES] for row in shown[part]]
        np.testing.assert_allclose(weights, take.arkit, atol=1e-5)
    turns = Rotation.from_quat(np.roll([row["turn"] for row in shown["csv_frames"]], -1, axis=1))
    wanted = Rotation.from_matrix(TO_BLENDER @ take.head.as_matrix() @ TO_BLENDER.T)
    assert (turns.inv() * wanted).magnitude().max() < 1e-4
    assert shown["csv"]["missing"] == [] and shown["csv"]["head"].endswith("head")
    assert (shown["csv_rate"], shown["csv_end"]) == (30, 12)

    assert len(shown["odd"]["missing"]) == 49 and "jawOpen" not in shown["odd"]["missing"]
    assert shown["odd_rate"] == 50
    for key, name in (("JAWOPEN", "jawOpen"), ("mouthSmile_L", "mouthSmileLeft")):
        values = [row["weights"][key] for row in shown["odd_frames"]]
        column = take.arkit[:, ARKIT_NAMES.index(name)]
        times = np.arange(12) / 50
        np.testing.assert_allclose(values, np.interp(times, take.times_s, column), atol=1e-4)
    assert len({row["weights"]["unrelated"] for row in shown["odd_frames"]}) == 1
    assert shown["odd_turn"] != [1, 0, 0, 0]
    assert shown["statuses"] == [2, 2] and shown["menu"]
    assert "no mesh of the scene has a shape key" in done.stderr
