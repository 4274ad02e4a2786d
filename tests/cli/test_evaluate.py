import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.config import Config
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.models.pretrained import save_pretrained
from tests.evaluate.pretend import STILL, talking_clip


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A checkpoint without weights worth loading, for the controls do not sample it, and a small
    data set.
    """
    folder = tmp_path_factory.mktemp("evaluate")
    save_pretrained(
        folder / "checkpoint",
        config=Config(),
        params={"a": np.zeros(1, np.float32)},
        space=STILL,
    )
    clips = [talking_clip(number) for number in range(2)]
    write_dataset(folder / "data", {"train": clips, "test": clips}, licence="none", made_by="test")
    return ["--checkpoint", str(folder / "checkpoint"), "--data", str(folder / "data")]


def test_the_truth_as_a_control_reaches_its_targets_and_leaves_metrics_and_a_plot(
    scene, tmp_path, capsys
):
    assert main(["evaluate", *scene, "--control", "truth", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("jaw_correlation ") and line.endswith("yes") for line in lines)
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["targets"]["lve_ratio"]["reached"] is True
    assert content["control"] == "truth"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "openings.png"]


def test_a_still_face_as_a_control_misses_its_targets(scene, capsys):
    assert main(["evaluate", *scene, "--control", "still", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["targets"]["jaw_correlation"]["reached"] is False
    assert content["targets"]["lve_ratio"]["reached"] is False
    assert content["targets"]["keyframe_head_f1"]["reached"] is False


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--split", "nowhere"], "no split 'nowhere'"),
        (["--clips", "0"], "need 1 or more"),
        (["--metrics", "lps"], "invalid choice"),
        (["--checkpoint", "no/such/folder"], "no checkpoint"),
        (["--data", "no/such/folder"], "no data set here"),
        (["--space", "flame"], "leave --space out"),
    ],
)
def test_each_mistake_is_one_line_with_status_two(scene, arguments, says, capsys):
    assert main(["evaluate", *scene, "--control", "still", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1
