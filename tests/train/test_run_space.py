"""A run keeps its motion space, and starts only from weights of the same space."""

import json

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.pretrained import load_pretrained, read_pretrained, save_pretrained
from ksdiff_jax.motion.space import BUILTIN, FLAME
from ksdiff_jax.overrides import override
from ksdiff_jax.train.run_space import check_run_space, keep_run_space

ONE = np.ones(BUILTIN.width)


def checkpoint(folder, *, space=BUILTIN, data=""):
    params = {"a": np.zeros(1, np.float32)}
    space = space.with_statistics(ONE, ONE)
    return save_pretrained(
        folder, config=Config(), params=params, space=space, extra={"data": data}
    )


def of_earlier_version(folder):
    """The checkpoint as a version wrote it that named no space."""
    from ksdiff_jax.models import pretrained

    manifest = json.loads((folder / "config.json").read_text())
    del manifest["space"]
    manifest["digest"] = pretrained._manifest_digest(manifest)
    (folder / "config.json").write_text(json.dumps(manifest))
    return folder


def test_a_run_goes_on_in_its_own_space_only(tmp_path):
    keep_run_space(tmp_path, BUILTIN)
    check_run_space(Config(), tmp_path, "flame")  # nothing was trained yet
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    check_run_space(Config(), tmp_path, "builtin")
    with pytest.raises(
        InputError, match="the run is of the builtin space, its data now of the fla"
    ):
        check_run_space(Config(), tmp_path, "flame")
    (tmp_path / "space.json").unlink()  # a run of an earlier version
    check_run_space(Config(), tmp_path, "flame")


def test_a_new_run_starts_from_weights_of_its_data_s_space_only(tmp_path):
    source = checkpoint(tmp_path / "flame", space=FLAME)
    config = override(Config(), {"train.init_from": str(source)})
    check_run_space(config, tmp_path / "run", "flame")
    with pytest.raises(InputError, match="weights are of the flame space, the data of the builtin"):
        check_run_space(config, tmp_path / "run", "builtin")
    of_earlier_version(source)
    with pytest.raises(InputError, match=r"state it with --data\.space flame"):
        check_run_space(config, tmp_path / "run", "flame")
    check_run_space(override(config, {"data.space": "flame"}), tmp_path / "run", "flame")


def test_a_checkpoint_names_its_space_and_an_earlier_one_shows_it_or_needs_the_name(tmp_path):
    assert load_pretrained(checkpoint(tmp_path / "new", space=FLAME)).space.name == "flame"
    made = "3 clips, 0.1 h (ksdiff-jax corpus --clips 3)"
    shown = of_earlier_version(checkpoint(tmp_path / "shown", data=made))
    assert load_pretrained(shown).space.name == "builtin"
    hidden = of_earlier_version(checkpoint(tmp_path / "hidden", data="3 clips (my own)"))
    assert read_pretrained(hidden).space.name == ""
    assert load_pretrained(hidden, space="flame").space.name == "flame"
    with pytest.raises(InputError, match=r"earlier version, and nothing in it shows .* --space"):
        load_pretrained(hidden)
    with pytest.raises(InputError, match="leave --space out"):
        load_pretrained(shown, space="flame")


def test_the_shipped_checkpoint_is_of_the_built_in_head():
    assert read_pretrained("demo").space.name == "builtin"
