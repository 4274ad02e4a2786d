"""What `ksdiff-jax evaluate` measures with, and its videos."""

import argparse
import dataclasses

import av
import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.cli import evaluate
from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.evaluate_measure import Instruments, instruments, usable_groups
from ksdiff_jax.cli.evaluate_videos import PICTURE_SIZE, write_side_by_side
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.face_points import builtin_points
from ksdiff_jax.evaluate.reference_motions import true_motions
from ksdiff_jax.face import builtin_face
from ksdiff_jax.motion.space import BUILTIN, FLAME
from tests.evaluate.pretend import talking_clip

CONSOLE = Console("evaluate")


def arguments(*given):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return parser.parse_args(["--metrics", "lips", "blinks", "pose", "head", *given])


def test_motion_of_another_space_is_measured_without_a_face_and_what_is_left_out_is_named(capsys):
    args = arguments()
    using = instruments(args, FLAME.name, CONSOLE)
    assert using == Instruments(None, None, None)
    assert "no --face FILE of it: figures of lips, lids" in capsys.readouterr().err
    assert usable_groups(args, using, CONSOLE) == ["head"]
    own = instruments(args, BUILTIN.name, CONSOLE)
    assert own.face is builtin_face() and own.points is builtin_points()


def test_a_face_of_the_data_is_used_and_one_of_another_space_refused(capsys, monkeypatch):
    face = dataclasses.replace(builtin_face(), space=FLAME.name, name="mine")
    monkeypatch.setattr("ksdiff_jax.face.load_face", lambda path: face)
    args = arguments("--face", "mine.npz")
    using = instruments(args, FLAME.name, CONSOLE)
    assert using.face is face and using.points is None
    assert "without --landmarks FILE" in capsys.readouterr().err
    assert usable_groups(args, using, CONSOLE) == ["lips", "pose", "head"]
    with pytest.raises(InputError, match=r"--face mine.npz: the coefficients are of the builtin"):
        instruments(args, BUILTIN.name, CONSOLE)


def test_a_missing_library_leaves_out_its_group_and_is_named(capsys, monkeypatch):
    def missing(name):
        raise ImportError("No module named 'librosa'")

    monkeypatch.setattr("ksdiff_jax.audio.compiled_librosa.librosa_module", missing)
    args = arguments("--metrics", "beats", "head")
    own = instruments(args, BUILTIN.name, CONSOLE)
    assert usable_groups(args, own, CONSOLE) == ["head"]
    assert "--metrics beats: left out, librosa cannot be imported" in capsys.readouterr().err


@pytest.mark.slow
def test_a_video_has_the_faces_side_by_side_and_the_sound_of_the_clip(tmp_path):
    clip = talking_clip(0, frames=12)
    tone = np.sin(2 * np.pi * 400 * np.arange(len(clip.audio)) / 16_000)
    loud = np.repeat(np.linspace(0.0, 0.9, 12), SAMPLES_PER_MOTION_FRAME)
    clip = dataclasses.replace(clip, audio=(32767 * loud * tone).astype(np.int16))
    (motion,) = true_motions([clip])
    still = np.zeros_like(motion)
    write_side_by_side(tmp_path / "a.mp4", [motion, still], clip, face=builtin_face())
    with av.open(str(tmp_path / "a.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(tmp_path / "a.mp4")) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(pictures) == 12 and pictures[0].shape == (PICTURE_SIZE, 2 * PICTURE_SIZE, 3)
    left, right = np.split(np.array(pictures, float), 2, axis=2)
    assert np.abs(np.diff(left, axis=0)).mean() > 5 * np.abs(np.diff(right, axis=0)).mean()
    # as loud as the sound, frame by frame
    found = np.abs(sound[: 12 * 1920].reshape(12, -1)).mean(axis=1)
    true = np.abs(clip.audio.reshape(12, SAMPLES_PER_MOTION_FRAME) / 32768).mean(axis=1)
    assert np.corrcoef(found, true)[0, 1] > 0.9
