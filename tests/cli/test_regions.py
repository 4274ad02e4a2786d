import json
import shutil

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.ownership import purpose_of
from tests.data.clips import make_clip
from tests.data.regions.test_changes import acted


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Six clips with the actions of the built-in corpus."""
    folder = tmp_path_factory.mktemp("regions") / "corpus"
    clips = [acted(number) for number in range(6)]
    write_dataset(folder, {"train": clips}, licence="none", made_by="test")
    return folder


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """Data sets of the bfm space: originals, and twice the same clips with other numbers moved."""
    folder = tmp_path_factory.mktemp("bfm")
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(40, 64)).astype(np.float32)
    for name, moved in (("own", ()), ("lips", (3, 5)), ("eyes", (7,)), ("still", ())):
        changed = motion.copy()
        changed[:, list(moved)] = 0.0
        clips = [make_clip(number, space="bfm", expression=changed) for number in range(2)]
        write_dataset(folder / name, {"train": clips}, licence="none", made_by="test")
    return folder


def test_the_command_writes_the_table_and_a_picture_and_prints_what_to_paste(
    shards, tmp_path, capsys
):
    command = ["regions", str(shards), "--lip", "4", "--eye", "3", "--out", str(tmp_path)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    content = json.loads((tmp_path / "regions.json").read_text())
    chosen = content["regions"]
    assert len(chosen["lip"]) == 4 and len(chosen["eye"]) <= 3
    assert sorted(k for numbers in chosen.values() for k in numbers) == list(range(53))
    pasted = next(line for line in lines if line.startswith("--model.regions.lip"))
    assert pasted.split() == [
        *("--model.regions.lip", ",".join(map(str, chosen["lip"]))),
        *("--model.regions.eye", ",".join(map(str, chosen["eye"]))),
        *("--model.regions.space", "builtin"),
    ]
    assert any("agreement of two halves of the clips: Jaccard" in line for line in lines)
    assert content["statistic"] == "max" and content["data"]["clips"] == 6
    assert len(content["data"]["digest"]) == 64 and len(content["ratios"]["eye"]) == 53
    for name in ("regions.json", "regions.png"):
        assert purpose_of(tmp_path / name) == "regions"


def test_pairs_that_a_user_brings_need_no_face(deep, tmp_path, capsys):
    command = ["regions", str(deep / "own"), "--lip", "2", "--eye", "1", "--out", str(tmp_path)]
    neutral = ["--neutral-lips", str(deep / "lips"), "--neutral-eyes", str(deep / "eyes")]
    assert main([*command, *neutral, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content["regions"]["lip"]) == {3, 5} and content["regions"]["eye"] == [7]
    assert content["pairs"]["lip"] == {"given": 2} and content["space"] == "bfm"
    options = ["--quiet", "--clips", "1", "--statistic", "mean"]
    assert main([*command, *neutral, *options]) == 0  # in the place of its own files
    again = json.loads((tmp_path / "regions.json").read_text())
    assert again["statistic"] == "mean" and again["agreement_of_halves"] == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--lip", "0"], "region lip: got 0 dimensions, need 1 or more"),
        (["--lip", "60"], "are 68 dimensions, the motion space has 64"),
        (
            [],
            "of the bfm space: no face is available to close lips and eyes on; give --neutral-lips",
        ),
        (["--neutral-lips", "{deep}/lips"], "to close eyes on; give --neutral-eyes"),
        (["--neutral-lips", "{deep}/still", "--neutral-eyes", "{deep}/eyes"], "region lip: no dim"),
        (["--neutral-lips", "{shards}"], "of the builtin space, those of the originals bfm"),
        (["--clips", "0"], "--clips 0: need 1 or more"),
        (["--split", "test"], "no split 'test'"),
        (["--landmarks", "x.npz"], "--landmarks x.npz: name the --face that it belongs to"),
        (["--statistic", "median"], "invalid choice: 'median'"),
    ],
)
def test_each_mistake_is_one_line_with_status_two(shards, deep, tmp_path, arguments, says, capsys):
    given = [argument.format(shards=shards, deep=deep) for argument in arguments]
    assert main(["regions", str(deep / "own"), "--out", str(tmp_path / "out"), *given]) == 2
    assert not (tmp_path / "out").exists()
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1


def test_nothing_is_written_into_an_input_or_over_a_strangers_file(shards, tmp_path, capsys):
    copy = shutil.copytree(shards, tmp_path / "copy")
    assert main(["regions", str(copy), "--out", str(copy), "--overwrite"]) == 2
    assert "would write into the input" in capsys.readouterr().err
    (tmp_path / "regions.png").write_text("mine")
    assert main(["regions", str(copy), "--out", str(tmp_path)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "regions.png").read_text() == "mine"
