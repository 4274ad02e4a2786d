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


def test_an_unknown_row_is_named():
    with pytest.raises(InputError, match="no ablation 'w/o sound': need one of full model"):
        ablated(Config(), "w/o sound")


def test_a_model_that_guides_its_head_apart_has_every_row():
    config = load_config("whisper_demo")
    assert config.sample.head_guidance == 3.0
    assert ablated(config, "w/o dual-path diff").sample.head_guidance is None
    assert all(ablated(config, row) for row in ablations_of(config).rows)
