"""Learning curves of the rows of a table."""

import math

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.train.report.row_curves import draw_rows, last_changes


def entries(losses, validation=()):
    lines = [{"step": i, "split": "train", "loss": loss} for i, loss in enumerate(losses, start=1)]
    return lines + [
        {"step": 4 * i, "split": "val", "loss": loss} for i, loss in enumerate(validation, start=1)
    ]


def test_changes_compare_the_last_quarters_and_validations_as_means_over_runs():
    falling = entries([9, 9, 5, 5, 2, 2, 1, 1], [8.0, 4.0])
    flat = entries([9, 9, 5, 5, 2, 2, 2, 2], [8.0, 8.0])
    assert last_changes([falling]) == {"train": -0.5, "validation": -0.5}
    assert last_changes([falling, flat]) == {"train": -0.25, "validation": -0.25}
    few = last_changes([entries([1, 2], [3.0])])
    assert math.isnan(few["train"]) and math.isnan(few["validation"])


def test_the_picture_has_a_panel_for_each_row_and_needs_a_run():
    run = entries([3.0, 2.0, 1.0], [2.0, 1.0])
    assert draw_rows({"a": [run], "b": [run, run]}).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="got no runs"):
        draw_rows({"a": []})
