"""`ksdiff-jax render`: the video of motion files, and one line for what cannot be drawn."""

import json

import av
import numpy as np
import pytest

from ksdiff_jax import Motion
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli.main import main
from ksdiff_jax.export.labels import label_row
from ksdiff_jax.export.picture import PictureForm
from ksdiff_jax.motion.space import BUILTIN, FLAME
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, write_words


@pytest.fixture
def motions(tmp_path):
    """Two motions of two frames: at rest, and with an open jaw."""
    paths = []
    for name, angle in (("closed", 0.0), ("open", 0.3)):
        values = np.zeros((2, BUILTIN.width), np.float32)
        values[:, BUILTIN.slice("jaw").start] = angle
        path = tmp_path / f"{name}.motion.npz"
        Motion.from_coefficients(values, fps=25).save(path)
        paths.append(path)
    return paths


@pytest.fixture
def render(capsys, tmp_path):
    """Run the command: (status, what `--json` printed, lines on stderr)."""

    def run(*words, out="a.mp4", size=("--size", "64")):
        given = ["render", *words, "--out", tmp_path / out, *size, "--json"]
        status = main(list(map(str, given)))
        captured = capsys.readouterr()
        return status, json.loads(captured.out or "null"), captured.err.splitlines()

    return run


def test_motions_stand_side_by_side_with_their_sound(render, motions, tmp_path):
    write_wav(tmp_path / "a.wav", 0.1 * np.ones(1600, np.float32))
    views = ("--view", "front", "side", "--look", "clay", "--audio", tmp_path / "a.wav")
    status, said, _ = render(*motions, *views)
    assert status == 0 and said["frames"] == 2 and said["labels"] == ["closed", "open"]
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(container.streams.audio) == 1
        (first, _) = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert first.shape == (64 + 32, 2 * 2 * 64, 3)
    closed, open_ = first[32:, :64].astype(int), first[32:, 128:192].astype(int)
    assert np.abs(closed - open_).max() > 40
    assert render(*motions, *views)[0] == 0  # a video of ours is replaced


def test_labels_without_a_background_have_a_dark_outline():
    row = label_row(["ours"], PictureForm(64, transparent=True), 1)
    seen = row[row[..., 3] > 250][:, :3]
    assert (seen.max(axis=1) < 60).sum() > 20 and (seen.min(axis=1) > 220).any()
    assert row[0, 0, 3] == 0
    plain = label_row(["ours"], PictureForm(64), 1)
    assert plain.shape == (32, 64, 3) and (plain[0, 0] == plain[-1, -1]).all()


def test_one_motion_has_no_label_and_the_tongue_moves_by_its_phones(render, motions, tmp_path):
    status, said, _ = render(motions[1], "--tongue", out="of_motion.mov", size=("--size", "256"))
    assert status == 0 and said["labels"] == [""]
    phones = (Spoken("l", 0.0, 0.08),)
    write_words(tmp_path / "open.words.json", Transcript("", ""), phones=phones)
    render(motions[1], "--tongue", out="of_phones.mov", size=("--size", "256"))
    shown = []
    for name in ("of_motion.mov", "of_phones.mov"):
        with av.open(str(tmp_path / name)) as container:
            shown.append(next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int))
    assert shown[0].shape == (256, 256, 3) and np.abs(shown[0] - shown[1]).max() > 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "63"], "--size 63: need even numbers"),
        (["--size", "9x9x9"], "--size 9x9x9: need pixels as N or WxH"),
        (["--size", "5000"], "size: got 5000 x 5000 pixels"),
        (["--size", "64", "--view", "back"], "back"),
        (["--size", "64", "--look", "oil"], "oil"),
        (["--size", "64", "--labels", "a", "b"], "--labels: got a, b for 1 motions"),
        (["--size", "64", "--transparent"], "needs a file named .mov"),
        (["--size", "64", "--audio", "absent.wav"], "absent.wav"),
        (["--size", "64", "--face", "absent.npz"], "absent.npz"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_no_file(render, motions, tmp_path, words, said):
    status, _, err = render(motions[0], *words, size=())
    assert status == 2 and len(err) == 1 and said in err[0], err
    assert not (tmp_path / "a.mp4").exists()


def test_other_files_and_spaces_are_refused_and_nothing_is_replaced(render, motions, tmp_path):
    status, _, err = render(motions[0], out="a.gif")
    assert status == 2 and ".mp4, .mov, .webm" in err[0]
    (tmp_path / "a.mp4").write_text("mine")
    status, _, err = render(motions[0])
    assert status == 2 and len(err) == 1 and (tmp_path / "a.mp4").read_text() == "mine"
    status, _, err = render(tmp_path / "absent.motion.npz", out="b.mp4")
    assert status == 2 and len(err) == 1 and "absent.motion.npz" in err[0]
    flame = Motion.from_coefficients(np.zeros((2, FLAME.width)), fps=25, space="flame")
    flame.save(tmp_path / "flame.motion.npz")
    status, _, err = render(tmp_path / "flame.motion.npz", out="b.mp4")
    assert status == 2 and len(err) == 1 and "flame" in err[0] and "--face" in err[0]
    np.savez(tmp_path / "deca.npz", exp=np.zeros(3), pose=np.zeros(3), shape=np.zeros(3))
    status, _, err = render(tmp_path / "deca.npz", out="b.mp4")
    assert status == 2 and len(err) == 1 and "DECA" in err[0]
    assert not (tmp_path / "b.mp4").exists()
