import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.pretrained import save_pretrained
from tests.evaluate.pretend import STILL, talking_clip
from tests.models.sync.conftest import TINY, tiny  # noqa: F401


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


@pytest.fixture
def sync_model(tiny, tmp_path):  # noqa: F811
    """A checkpoint of a tiny lip-sync model."""
    return str(save_pretrained(tmp_path / "sync", config=TINY, params=tiny[1], space=STILL))


def test_a_lip_sync_model_judges_the_motion_of_a_checkpoint_and_alone_its_own_accuracy(
    scene, sync_model, capsys
):
    beside = ["evaluate", *scene, "--control", "still", "--metrics", "real", "--json"]
    assert main([*beside, "--sync", sync_model]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["targets"]["sync_accuracy"]["target"] == ">= 0.90"
    assert 0 <= content["figures"]["sync_confidence"] <= 1
    assert content["sync"] == sync_model

    assert main(["evaluate", "--checkpoint", sync_model, *scene[2:], "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)["figures"]
    shared = alone.keys() & content["figures"].keys()
    assert {"sync_accuracy", "sync_accuracy_all", "sync_confidence_truth"} <= shared == alone.keys()
    assert {name: content["figures"][name] for name in alone} == alone


def test_what_a_lip_sync_model_cannot_do_is_one_line_with_status_two(scene, sync_model, capsys):
    for arguments, says in (
        ([*scene, "--sync", scene[1]], "of the system ksdiff; need a lip-sync model"),
        (["--checkpoint", sync_model, *scene[2:], "--control", "still"], "a lip-sync model itself"),
        (["--checkpoint", sync_model, *scene[2:], "--real", "real"], "a lip-sync model itself"),
    ):
        assert main(["evaluate", *arguments]) == 2
        error = capsys.readouterr().err.strip()
        assert says in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--split", "nowhere"], "no split 'nowhere'"),
        (["--clips", "0"], "need 1 or more"),
        (["--real", "real", "--real-seeds", "0"], "--real-seeds 0: need 1 or more"),
        (["--real", "real", "--metrics", "lips"], "--real real: --metrics leaves out the group"),
        (["--real", "real"], "--real real: --control still has no motion for real speech"),
        (["--metrics", "real"], "name their folders with --real DIR"),
        (["--folds", "a", "b"], "--folds a b: these measure real people only"),
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
