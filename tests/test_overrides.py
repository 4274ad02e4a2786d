"""Configurations by name, and fields that are groups."""

import json
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax import overrides
from ksdiff_jax.cli.main import main
from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import from_dict, load_config, override

ROOT = Path(__file__).parents[1]
MINE = (
    "from ksdiff_jax.models.ksdiff.config import Config\n\n"
    "def config():\n    return Config(name='mine')\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder, away from the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_configs_of_a_checkout_are_the_folder_beside_the_package():
    assert overrides.OWN_CONFIGS == ROOT / "configs"


@pytest.mark.parametrize("name", ["demo", "paper", "paper_bf16", "whisper_demo"])
def test_a_shipped_config_is_found_by_its_name_from_any_folder(name, folder):
    assert load_config(name) == load_config(ROOT / "configs" / f"{name}.py")


def test_a_config_of_the_working_folder_goes_before_the_shipped_one_of_its_name(folder):
    (folder / "configs").mkdir()
    (folder / "configs" / "demo.py").write_text(MINE)
    assert load_config("demo").name == "mine"
    assert load_config("paper").name == "paper"


def test_a_path_goes_before_both(folder):
    (folder / "configs").mkdir()
    (folder / "configs" / "demo.py").write_text("1 / 0")
    (folder / "demo.py").write_text(MINE)
    assert load_config("demo.py").name == "mine"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_something_else_of_a_configs_name_does_not_hide_it(kind, folder):
    (folder / "demo").mkdir() if kind == "folder" else (folder / "demo").write_text("")
    assert load_config("demo").name == "demo"


@pytest.mark.parametrize(
    "name", ["notes.txt", "nothing", "nothing.py", "", ".", "a" * 300, "a\0b", "configs"]
)
def test_a_name_that_no_config_has_is_answered_with_those_that_are_known(name, folder):
    (folder / "notes.txt").write_text(MINE)
    (folder / "configs").mkdir()
    (folder / "configs" / "mine.py").write_text(MINE)
    known = ", ".join(sorted(["mine", *(path.stem for path in (ROOT / "configs").glob("*.py"))]))
    with pytest.raises(InputError, match=rf"need a \.py file, or one of {known}$"):
        load_config(name)


def test_inspect_knows_a_config_by_its_name(folder, monkeypatch, capsys):
    monkeypatch.setattr("ksdiff_jax.cli.inspect._shapes", lambda config: {"encoder": np.zeros(3)})
    assert main(["inspect", "paper_bf16"]) == 0
    kind, name, *_ = capsys.readouterr().out.splitlines()
    assert (kind.split(), name.split()) == (["kind", "config"], ["name", "paper_bf16"])
    assert main(["inspect", "paper_bf32"]) == 2
    assert "nor a shipped checkpoint or config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--sample.steps", "5000"], "sample.steps 5000: need 1 to 1000, model.diffusion.steps"),
        (["--model.width", "33"], "model.width 33: need a multiple of twice the heads"),
        (["--model.vae.width", "8"], "unknown config field 'model.vae.width'; did you mean "),
        (["--train.learning-rate", "0"], "train.learning_rate 0.0: need a number above 0"),
    ],
)
def test_train_refuses_a_bad_field_in_one_line_before_it_makes_a_folder(
    arguments, line, folder, capsys
):
    assert main(["train", "demo", *arguments]) == 2
    said = capsys.readouterr().err
    assert line in said and len(said.splitlines()) == 1
    assert not list(folder.iterdir())


def test_a_config_file_that_asks_for_the_impossible_is_one_line_that_names_the_file(folder):
    (folder / "odd.py").write_text(
        MINE.replace("name='mine'", "model=ModelConfig(width=33)").replace(
            "import Config", "import Config, ModelConfig"
        )
    )
    with pytest.raises(InputError, match=r"^odd.py: model.width 33: need a multiple of twice"):
        load_config("odd.py")
    (folder / "none.py").write_text("def config():\n    return {}\n")
    with pytest.raises(InputError, match=r"^none.py: config\(\) returned dict, need the Config of"):
        load_config("none.py")


def test_groups_in_a_tuple_are_fields_by_name_with_commas_between_the_groups():
    folder = "my shards, b"
    text = f'weight=0.6 name=corpus, path="{folder}" weight=.4 head_weight=0'
    config = override(Config(), {"data.sources": text, "model.jaw_path": "expression"})
    made, mine = config.data.sources
    assert (made.path, made.weight, made.label, made.head_weight) == ("", 0.6, "corpus", 1)
    assert (mine.path, mine.weight, mine.label, mine.head_weight) == (
        "my shards, b",
        0.4,
        "my shards, b",
        0,
    )
    assert from_dict(Config, json.loads(json.dumps(to_dict(config)))) == config
    assert override(config, {"data.sources": ""}).data.sources == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path=a/x, path=b/x", "two are named 'x'; give each its own"),
        ("wieght=3", "did you mean 'data.sources.weight'"),
        ("real", "got 'real', need field=value"),
        ("path=a,", "an item between commas is empty"),
        ("path='a", "No closing quotation"),
        ("weight=-1", "data.sources.weight -1.0: need a finite number"),
    ],
)
def test_groups_that_cannot_be_read_are_one_line(text, says):
    with pytest.raises(InputError, match=says):
        override(Config(), {"data.sources": text})


def test_one_folder_and_several_sources_exclude_each_other():
    with pytest.raises(InputError, match="need one of them"):
        override(Config(), {"data.sources": "path=b", "data.path": "a"})
