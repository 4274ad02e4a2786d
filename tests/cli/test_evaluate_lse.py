"""LSE-C and LSE-D in `ksdiff-jax evaluate`: empty with the reason, or of the motion beside the
truth.
"""

import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.data.tracking.tracker import tracker_python
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.syncnet.folder import convert_syncnet
from tests.cli.test_evaluate import scene  # noqa: F401
from tests.evaluate.pretend import talking_clip
from tests.foreign.torch_writer import plain_tensors, pretend_torch, write_zipped
from tests.models.syncnet.random_weights import random_weights


def test_without_weights_the_columns_are_empty_with_the_reason_and_the_rest_is_measured(
    scene,  # noqa: F811
    capsys,
):
    assert main(["evaluate", *scene, "--control", "still", "--metrics", "head", "lse"]) == 0
    printed = capsys.readouterr().out
    assert "LSE-C, LSE-D: left empty, need the weights of SyncNet" in printed
    assert "lse_" not in printed
    assert "head_" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--metrics", "lse"], "--metrics lse: needs the weights of SyncNet"),
        (["--metrics", "head", "--syncnet", "x"], "--metrics leaves out the group lse"),
        (["--metrics", "head", "lse", "--syncnet", "absent"], "absent: not a converted syncnet"),
        (["--discriminate", "--syncnet", "x"], "--syncnet: not used with --discriminate"),
        (["--guidance", "1", "2", "--syncnet", "x"], "--syncnet: not used for a table"),
    ],
)
def test_weights_that_are_not_used_not_given_or_not_there_are_one_line(
    scene,  # noqa: F811
    arguments,
    says,
    capsys,
):
    assert main(["evaluate", *scene, *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1


@pytest.mark.slow  # 36 pictures are drawn and embedded by the whole network
def test_a_still_face_and_the_truth_go_through_one_renderer_and_network(
    scene,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
):
    pretend_torch(monkeypatch)
    source = write_zipped(tmp_path / "a.model", *plain_tensors(random_weights()))
    converted = convert_syncnet(source, tmp_path / "net")
    clips = [talking_clip(0, frames=18), talking_clip(1, frames=5)]  # the second has no window
    splits = {"train": clips, "test": clips}
    write_dataset(tmp_path / "data", splits, licence="none", made_by="test")
    given = ["--metrics", "lse", "--syncnet", str(tmp_path / "net"), "--control", "still", "--json"]
    assert main(["evaluate", *scene[:2], "--data", str(tmp_path / "data"), *given]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["lse"]["source_sha256"] == converted.source_sha256
    assert "built-in head" in content["lse"]["pictures"]
    # random weights do not find the truth in step, so nothing of them is printed as LSE
    assert "0 clips of 35 frames or more, need 5" in content["empty"]["LSE-C"]
    assert not [name for name in content["figures"] if name.startswith("lse")]

    for least in ("LEAST_IN_STEP", "LEAST_CLIPS"):  # to compute the figures
        monkeypatch.setattr(f"ksdiff_jax.evaluate.lse.{least}", 0)
    assert main(["evaluate", *scene[:2], "--data", str(tmp_path / "data"), *given]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["lse_clips"] == 1
    assert figures["lse_d"] != figures["lse_d_truth"]
    assert np.isfinite([figures[f"lse_{name}"] for name in ("d", "c", "d_truth", "c_truth")]).all()


@pytest.mark.slow  # tracks a filmed face, and embeds some of its pictures by the whole network
def test_a_filmed_face_goes_through_tracker_and_network(
    scene,  # noqa: F811
    shared_data,
    tmp_path,
    monkeypatch,
    capsys,
):
    try:
        tracker_python()
    except InputError as error:
        pytest.skip(str(error))
    pretend_torch(monkeypatch)
    source = write_zipped(tmp_path / "a.model", *plain_tensors(random_weights()))
    convert_syncnet(source, tmp_path / "net")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mpg").symlink_to(shared_data / "video" / "grid_bbaf2n.mpg")
    (tmp_path / "real" / "b.mpg").write_bytes(b"not a video")
    clips = {"train": [talking_clip(0, frames=6)], "test": [talking_clip(0, frames=6)]}
    write_dataset(tmp_path / "data", clips, licence="none", made_by="test")
    monkeypatch.setattr("ksdiff_jax.evaluate.filmed_crops.LONGEST_FRAMES", 12)
    given = ["--metrics", "lse", "--syncnet", str(tmp_path / "net"), "--control", "still", "--json"]
    command = ["evaluate", *scene[:2], "--data", str(tmp_path / "data"), *given]
    command += ["--real", str(tmp_path / "real")]
    assert main(command) == 0
    content = json.loads(capsys.readouterr().out)
    filmed = content["lse"]["filmed"]
    assert [name.rpartition("/")[2] for name in filmed["videos"]] == ["a"]
    assert len(filmed["not_measured"]) == 1 and "need 5" in filmed["empty"]
    assert not [name for name in content["figures"] if name.startswith("lse")]

    for least in ("LEAST_IN_STEP", "LEAST_CLIPS"):  # to compute the figures
        monkeypatch.setattr(f"ksdiff_jax.evaluate.lse.{least}", 0)
    assert main(command) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["lse_filmed_clips"] == 1
    assert figures["lse_d_filmed"] > 0 and np.isfinite(figures["lse_c_filmed"])
