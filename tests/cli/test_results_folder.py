"""The folder of results: made where it is missing, never left behind empty."""

import pytest

from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError


def test_a_new_folder_is_kept_with_results_and_removed_without_and_an_old_one_stays(tmp_path):
    with results_folder(tmp_path / "full") as folder:
        (folder / "a").write_text("a")
    assert (tmp_path / "full" / "a").is_file()
    old = tmp_path / "old"
    old.mkdir()
    for name in (old, tmp_path / "new"):
        with pytest.raises(InputError), results_folder(name):
            assert name.is_dir()
            raise InputError("refused")
    assert old.is_dir() and not (tmp_path / "new").exists()
