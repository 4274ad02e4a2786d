import dataclasses
import itertools

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.ablations import (
    ABLATIONS,
    FULL,
    PAPER_TABLE_3,
    ablated,
    ablations_of,
    changes_nothing,
)
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import load_config, override


def test_each_row_changes_one_field_and_the_full_model_none():
    config = dataclasses.replace(Config(), name="mine")
    assert ablated(config, FULL) == dataclasses.replace(config, name="mine, full model")
    for row, changes in ABLATIONS.items():
        assert len(changes) == (row != FULL)
        assert dataclasses.replace(ablated(config, row), name="mine") == override(config, changes)
    assert ablated(config, FULL, seed=3).train.seed == 3


def test_the_changed_fields_are_those_that_config_calls_ablations():
    from pathlib import Path

    from ksdiff_jax.models.ksdiff import config

    lines = Path(config.__file__).read_text().splitlines()
    # A comment stands behind its field, or above it where it is long.
    commented = [
        (following if line.lstrip().startswith("#") else line, line)
        for line, following in itertools.pairwise(lines)
        if "the ablation" in line
    ]
    fields = {line.split(":")[0].strip() for line, _ in commented}
    assert fields == {name.rsplit(".", 1)[1] for changes in ABLATIONS.values() for name in changes}
    for row in ABLATIONS.keys() - {FULL}:
        assert len([said for _, said in commented if f'the ablation "{row}"' in said]) == 1


def test_the_papers_table_has_the_same_rows_with_all_figures():
    assert PAPER_TABLE_3.keys() == ABLATIONS.keys()
    assert {len(row) for row in PAPER_TABLE_3.values()} == {5}


def test_diffspeaker_is_a_row_that_keeps_what_the_configuration_adds_to_the_paper():
    demo = load_config("demo")
    row = ablated(demo, "DiffSpeaker")
    assert list(ablations_of(demo).rows) == [*ABLATIONS, "DiffSpeaker"]
    assert ablations_of(demo).paper["DiffSpeaker"] == {"LSE-C": 0.702, "LSE-D": 9.916, "LVE": 4.926}
    model = row.model
    assert not (model.keyframes.enabled or model.transcript.enabled or model.generator.dual_path)
    assert not model.speech_paths.refine and row.loss.spectral == 0
    assert (model.generator.layers, model.heads, model.ffn_ratio) == (1, 4, 2)
    assert (row.loss.lip_gap, model.encoder) == (demo.loss.lip_gap, demo.model.encoder)
    assert (row.data, row.train) == (demo.data, demo.train)
    # no clip of its training is without speech, so its samples must not be guided away from none
    assert (model.diffusion.condition_drop_probability, row.sample.guidance) == (0.0, 1.0)


def test_the_preset_diffspeaker_is_the_row_of_the_papers_configuration():
    preset = load_config("diffspeaker")
    row = override(ablated(load_config("paper"), "DiffSpeaker"), {"model.encoder.finetune": True})
    assert dataclasses.replace(row, name="diffspeaker") == preset
    assert changes_nothing(preset, "DiffSpeaker")
    assert not changes_nothing(load_config("paper"), "DiffSpeaker")


def test_an_unknown_row_is_named():
    with pytest.raises(InputError, match="no ablation 'w/o sound': need one of full model"):
        ablated(Config(), "w/o sound")


def test_a_model_that_guides_its_head_apart_has_every_row():
    config = load_config("whisper_demo")
    assert config.sample.head_guidance == 3.0
    assert ablated(config, "w/o dual-path diff").sample.head_guidance is None
    assert all(ablated(config, row) for row in ablations_of(config).rows)
