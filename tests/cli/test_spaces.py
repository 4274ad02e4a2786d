"""Commands that refuse to mix motion spaces: one line that names what to do, and status 2."""

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.motion.space import BUILTIN, FLAME
from tests.data.clips import earlier_dataset, make_clip

# One step, so that a refusal that is missing ends the test soon.
SMALL = ["--model.width", "16", "--model.heads", "2", "--train.steps", "1"]


@pytest.fixture
def refusal(capsys):
    """Run a command that must be refused; return its one line on standard error."""

    def run(*arguments):
        assert main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        return line

    return run


def shards_of(folder, space):
    clips = [make_clip(number, space=space) for number in range(2)]
    splits = {"train": clips, "val": clips[:1], "test": clips}
    write_dataset(folder, splits, licence="", made_by="a test")
    return folder


def checkpoint_of(folder, space):
    one = np.ones(space.width, np.float32)
    params = {"a": np.zeros(1, np.float32)}  # the controls of `evaluate` do not sample
    statistics = space.with_statistics(one, one)
    return save_pretrained(folder, config=Config(), params=params, space=statistics)


def train(shards, workdir, *options):
    return ("train", "demo", "--data.path", shards, "--workdir", workdir, *SMALL, *options)


def evaluate(checkpoint, shards, *options):
    given = ("--checkpoint", checkpoint, "--data", shards, "--control", "still")
    return ("evaluate", *given, "--metrics", "keyframes", *options)


def test_training_with_a_lip_gap_of_the_built_in_head_refuses_flame_shards(tmp_path, refusal):
    shards, run = shards_of(tmp_path / "shards", "flame"), tmp_path / "run"
    line = refusal(*train(shards, run, "--loss.lip_gap", "0.5"))
    assert f"{shards}: its coefficients are of the flame space" in line
    assert line.endswith("set --loss.lip_gap 0")
    # What the line names is what is missing: the next refusal is another one.
    line = refusal(*train(shards, run, "--loss.lip_gap", "0"))
    assert "loss.lip_gap" not in line and "--sample.lip_dims 53,54,55" in line
    jaw = ("--sample.lip_dims", "53,54,55")
    line = refusal(*train(shards, run, "--loss.lip_gap", "0", *jaw, "--train.samples_every", "5"))
    assert line.endswith("set --train.samples_every 0")
    assert not run.exists()


@pytest.mark.parametrize(("own", "other"), [(BUILTIN, FLAME), (FLAME, BUILTIN)])
def test_evaluation_refuses_a_checkpoint_of_another_space_than_the_data(
    tmp_path, refusal, capsys, own, other
):
    checkpoint = checkpoint_of(tmp_path / "checkpoint", own)
    line = refusal(*evaluate(checkpoint, shards_of(tmp_path / "other", other.name)))
    assert f"coefficients are of the {other.name} space" in line and own.name in line
    assert line.endswith("name data or a checkpoint of the other space")
    assert main([*map(str, evaluate(checkpoint, shards_of(tmp_path / "own", own.name)))]) == 0


def test_shards_of_an_earlier_version_need_the_name_of_their_space(tmp_path, refusal, capsys):
    shards = earlier_dataset(tmp_path / "shards", make_clip(0))
    line = refusal(*train(shards, tmp_path / "run"))
    assert "written by an earlier version" in line
    assert "name them with --data.space builtin or flame" in line
    line = refusal(*train(shards, tmp_path / "run", "--data.space", "flame"))
    assert "its coefficients are of the flame space, loss.lip_gap" in line
    checkpoint = checkpoint_of(tmp_path / "checkpoint", BUILTIN)
    line = refusal(*evaluate(checkpoint, shards))
    assert "written by an earlier version" in line
    assert "name them with --space builtin or flame" in line
    assert main([*map(str, evaluate(checkpoint, shards, "--space", "builtin"))]) == 0
