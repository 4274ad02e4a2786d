"""`ksdiff-jax export` and `send`: files at their places, and one line for what cannot be done."""

import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.export.take import Take
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BUILTIN, SPACES


@pytest.fixture
def motion(tmp_path, monkeypatch):
    """A motion file, whose weights are not solved for."""

    def weights(take):
        return np.full((len(take.motion), 52), 0.25, np.float32)

    monkeypatch.setattr(Take, "_solved", property(weights))
    numbers = np.zeros((10, BUILTIN.width))
    return MotionClip.from_coefficients(numbers, fps=25.0).save(tmp_path / "talk.motion.npz")


def run(capsys, *words):
    status = main(list(map(str, words)))
    captured = capsys.readouterr()
    return status, captured.out, captured.err.splitlines()


def test_several_formats_go_into_a_folder_and_one_into_a_file(capsys, motion, tmp_path):
    status, out, _ = run(
        *(capsys, "export", motion, "--format", "livelink", "arkit", "azure"),
        *("--out", tmp_path / "o", "--fps", "50", "--json"),
    )
    names = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert status == 0 and names == ["talk.arkit.json", "talk.azure.json", "talk.csv"]
    assert json.loads(out)["results"][0]["frames"] == 20
    assert len((tmp_path / "o" / "talk.csv").read_text().splitlines()) == 21
    status, _, _ = run(
        capsys, "export", motion, "--format", "a2f", "--out", tmp_path / "frames.csv"
    )
    assert status == 0 and (tmp_path / "frames.csv").read_text().startswith(",timeCode,")
    status, _, _ = run(
        capsys, "export", motion, "--format", "livelink", "--out", tmp_path / "take.csv"
    )
    assert status == 0 and (tmp_path / "take.csv").read_text().startswith("Timecode,")
    status, _, _ = run(capsys, "export", motion, "--format", "livelink", "--out", tmp_path / "new")
    assert status == 0 and (tmp_path / "new" / "talk.csv").is_file()


def test_words_beside_the_motion_go_with_it(capsys, motion, tmp_path):
    spoken = [{"text": "hi", "start_s": 0.1, "end_s": 0.3}]
    content = {"schema": "ksdiff-words/1", "unit": "word", "spoken": spoken}
    (tmp_path / "talk.words.json").write_text(json.dumps(content))
    status, _, _ = run(capsys, "export", motion, "--format", "words", "--out", tmp_path / "o")
    assert status == 0 and 'text = "hi"' in (tmp_path / "o" / "talk.words.TextGrid").read_text()


def test_a_file_of_the_caller_is_kept_and_nothing_else_is_written(capsys, motion, tmp_path):
    (tmp_path / "talk.csv").write_text("mine")
    status, _, err = run(
        capsys, "export", motion, "--format", "arkit", "livelink", "--out", tmp_path
    )
    assert status == 2 and len(err) == 1 and "without the mark" in err[0]
    assert (tmp_path / "talk.csv").read_text() == "mine"
    assert not (tmp_path / "talk.arkit.json").exists()


@pytest.mark.parametrize(
    "keys, tool",
    [
        (("exp", "pose", "shape"), "DECA"),
        (("betas", "expression", "jaw_pose"), "SMPL-X"),
        (("expr", "static_offset"), "VHAP"),
        (("exp", "jaw"), "none of the tools that are recognised (VHAP, SMPL-X, EMOTE"),
    ],
)
def test_a_motion_file_of_another_tool_is_named(capsys, tmp_path, keys, tool):
    np.savez(tmp_path / "other.npz", **{key: np.zeros(3) for key in keys})
    status, _, err = run(
        capsys, "export", tmp_path / "other.npz", "--format", "arkit", "--out", tmp_path / "o"
    )
    assert status == 2 and len(err) == 1
    assert f"a motion file of {tool}" in err[0] and "prepare" in err[0]
    assert not (tmp_path / "o").exists()


def test_several_results_are_not_put_into_a_folder_named_as_a_file(capsys, motion, tmp_path):
    out = tmp_path / "single.csv"
    for formats in (("livelink", "arkit"), ("arkit",)):
        status, _, err = run(capsys, "export", motion, "--format", *formats, "--out", out)
        assert status == 2 and len(err) == 1 and "single.csv: named as a file" in err[0]
        assert not out.exists()
    assert run(capsys, "export", motion, "--format", "livelink", "--out", out)[0] == 0
    assert out.is_file()


@pytest.mark.parametrize(
    "space, said",
    [("", "--space builtin or flame"), ("bfm", "no face of it can be posed here; only the .npz")],
)
def test_a_motion_that_no_face_shows_is_named_with_what_helps(capsys, tmp_path, space, said):
    path = tmp_path / "of.motion.npz"
    MotionClip.from_coefficients(
        np.zeros((2, SPACES[space or "builtin"].width)), space=space or "builtin"
    ).save(path)
    if not space:
        forget_space(path)
    for command in (
        ("export", path, "--format", "livelink", "--out", tmp_path / "o"),
        ("send", path, "--to", "livelink"),
        ("render", path, "--out", tmp_path / "a.mp4"),
    ):
        status, _, err = run(capsys, *command)
        assert status == 2 and len(err) == 1 and str(path) in err[0] and said in err[0], err
        assert "--face" not in err[0]
    assert not (tmp_path / "o").exists()


def forget_space(path):
    """Write a motion file as earlier versions did."""
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(str(arrays["meta"][()]))
    del meta["space"]
    np.savez(path, **arrays | {"meta": np.array(json.dumps(meta))})


def test_a_recording_of_live_link_is_named(capsys, tmp_path):
    (tmp_path / "take.csv").write_text("Timecode,BlendShapeCount,EyeBlinkLeft\n")
    status, _, err = run(
        capsys, "export", tmp_path / "take.csv", "--format", "arkit", "--out", tmp_path / "o"
    )
    assert status == 2 and "a recording of Live Link Face" in err[0]


def test_a_frame_rate_of_nothing_is_refused(capsys, motion, tmp_path):
    status, _, err = run(
        capsys, "export", motion, "--format", "arkit", "--out", tmp_path / "o", "--fps", "0"
    )
    assert status == 2 and "--fps" in err[0] and "24, 25, 30, 50, 60" in err[0]
