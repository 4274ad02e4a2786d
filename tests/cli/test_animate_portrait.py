"""`animate --portrait` as it is typed: a video of a person, or one line and status 2."""

import numpy as np
import pytest
from PIL import Image

from ksdiff_jax.animate import painter
from ksdiff_jax.animate import portrait as module
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli.main import main
from ksdiff_jax.models.pretrained import DEFAULT_NAME
from ksdiff_jax.ownership import purpose_of
from tests.animate.test_portrait import Returns, noise, still, tracker


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Call with options to run the command on a picture, a recording and a motion; returns status
    and errors. The painter returns the reference, the tracker is scripted; `run.painters` are the
    options of the painters.
    """
    Image.fromarray(noise()).save(tmp_path / "me.png")
    write_wav(tmp_path / "s.wav", np.random.default_rng(0).normal(size=8000).astype(np.float32) / 9)
    still(9).save(tmp_path / "m.motion.npz")
    found = module.Portrait.open
    painters = []

    def returns(cls, checkpoint, **options):
        painters.append(options)
        return Returns()

    monkeypatch.setattr(painter.Painter, "from_pretrained", classmethod(returns))
    monkeypatch.setattr(
        module.Portrait, "open", classmethod(lambda cls, path: found(path, tracker=tracker()))
    )

    def run(*options, speech=("s.wav",)):
        names = [str(tmp_path / name) for name in speech]
        arguments = [*names, "--out", tmp_path / "out", "--portrait", tmp_path / "me.png", *options]
        status = main(["animate", *map(str, arguments)])
        return status, capsys.readouterr().err

    run.painters = painters
    return run


def test_a_picture_is_moved_by_a_motion_file(typed, tmp_path):
    assert typed("--checkpoint", "frames", "--motion", tmp_path / "m.motion.npz") == (0, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["s.mp4"]
    assert purpose_of(tmp_path / "out" / "s.mp4") == "video"


def test_the_motion_of_a_checkpoint_is_kept_beside_the_video(typed, tmp_path, monkeypatch):
    from ksdiff_jax.animate.animator import Animator

    class Sampled:
        def options(self, **options):
            assert options == {"lip_temperature": 0.5}

        def read(self, recording, **given):
            return recording

        def animate(self, utterances, *, seed, gaze, lip_temperature):
            assert (seed, gaze, lip_temperature) == (5, "none", 0.5)
            return [still(12)]

    monkeypatch.setattr(Animator, "from_pretrained", classmethod(lambda cls, *a, **k: Sampled()))
    options = ("--lip-temperature", 0.5, "--steps", 3, "--sampler", "unipc", "--guidance", 2)
    options += ("--autoencoder", "coder")
    status, errors = typed("--checkpoint", "frames", "--seed", 5, *options)
    assert (status, errors) == (0, "")
    (given,) = typed.painters
    assert given == {
        "seed": 5,
        "autoencoder": "coder",
        "steps": 3,
        "sampler": "unipc",
        "spacing": None,
        "guidance": 2.0,
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["s.motion.npz", "s.mp4"]
    assert len(Motion.load(tmp_path / "out" / "s.motion.npz")) == 12


def test_one_bad_recording_does_not_stop_the_others(typed, tmp_path):
    (tmp_path / "t.wav").write_bytes(b"no sound")
    given = ("--checkpoint", "frames", "--motion", tmp_path / "m.motion.npz")
    status, errors = typed(*given, speech=("t.wav", "s.wav"))
    assert status == 2 and "t.wav" in errors
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["s.mp4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "needs a system that paints frames; name its checkpoint with --checkpoint"),
        (("--checkpoint", "f", "--samples", 2), "--samples is of no use"),
        (("--checkpoint", "f", "--pose", "x"), "--pose is of no use"),
        (("--checkpoint", "f", "--fps", 30), "--fps is of no use"),
        (("--checkpoint", "f", "--lip-strength", 1.2), "--lip-strength is of no use"),
        (("--checkpoint", "f", "--formats", "glb", "mp4"), "--formats glb: --portrait writes mp4"),
        (("--checkpoint", "f", "--motion", "m.motion.npz", "--style", "x"), "--style is of a"),
        (("--checkpoint", "f", "--motion", "m.motion.npz", "--channel", 2), "--channel is of a"),
        (("--checkpoint", "f", "--motion", "other.npz"), "flame space: this frames system paints"),
    ],
)
def test_what_does_not_fit_is_one_line(typed, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    still(9, space="flame").save(tmp_path / "other.npz")
    status, errors = typed(*options)
    assert status == 2 and message in errors and len(errors.splitlines()) == 1
    assert not list(tmp_path.glob("out/*"))


def test_a_motion_checkpoint_and_a_motion_without_portrait_are_refused(tmp_path, capsys):
    write_wav(tmp_path / "s.wav", np.zeros(800, np.float32))
    given = ["animate", str(tmp_path / "s.wav"), "--out", str(tmp_path / "out")]
    assert main([*given, "--portrait", "me.png", "--checkpoint", DEFAULT_NAME]) == 2
    assert "its system, ksdiff, generates motion and paints no frames" in capsys.readouterr().err
    assert main([*given, "--motion", "runs/me"]) == 2
    assert "--motion runs/me: the motion of a portrait" in capsys.readouterr().err
    assert main([*given, "--frame-noise", "own"]) == 2
    assert "--frame-noise own: of painted frames" in capsys.readouterr().err


@pytest.mark.parametrize(("noise", "shared"), [("shared", True), ("own", False)])
def test_the_noise_of_frames_is_chosen(typed, tmp_path, noise, shared):
    given = ("--checkpoint", "frames", "--motion", tmp_path / "m.motion.npz")
    assert typed(*given, "--frame-noise", noise) == (0, "")
    assert typed.painters[0]["shared_noise"] is shared
