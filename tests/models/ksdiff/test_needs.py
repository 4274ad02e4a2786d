"""What KSDiff needs: motion spaces, and settings that hold on the built-in head only."""

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.ksdiff.needs import needs_of
from ksdiff_jax.models.ksdiff.path_split import path_split
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.overrides import override


def test_the_default_configuration_trains_on_both_spaces_of_its_width():
    for space in ("builtin", "flame"):
        needs_of(Config()).check(space, what="shards")


@pytest.mark.parametrize(
    ("space", "changes", "says"),
    [
        ("bfm", {}, "of the bfm space, this system trains on builtin and flame"),
        ("flame", {"loss.lip_gap": 0.5}, "set --loss.lip_gap 0"),
        ("flame", {"sample.blinks": "drawn"}, "set --sample.blinks sampled"),
        ("flame", {"sample.lip_dims": (20, 21, 53)}, "names 2 expression directions"),
    ],
)
def test_what_does_not_fit_the_shards_is_one_line_with_what_to_do(space, changes, says):
    config = override(Config(), changes)
    if space != "bfm":
        needs_of(config).check("builtin", what="shards")
    with pytest.raises(InputError, match=says):
        needs_of(config).check(space, what="shards")


def test_the_jaw_goes_with_the_path_asked_for():
    head, expression = path_split(BUILTIN, "head"), path_split(BUILTIN, "expression")
    assert (len(head.expression), head.head[0]) == (50, 50)
    assert expression.expression[-3:] == (53, 54, 55) and expression.head[3:] == (56, 57, 58)
