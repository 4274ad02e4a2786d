"""Several processes and one folder; folders that change places."""

import contextlib
import threading
import time
from pathlib import Path

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import one_at_a_time, replacing_folder


def test_one_after_the_other_is_let_through_also_after_an_error(tmp_path):
    inside, most = [], []

    def work():
        with one_at_a_time(tmp_path / "cache"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    try:
        with one_at_a_time(tmp_path / "cache"):
            raise KeyError
    except KeyError:
        pass
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5  # a lock is the opened file's, so threads are let through like processes


def folder_with(path, text):
    path.mkdir()
    (path / "weights").write_text(text)
    return path


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_folder_that_is_being_replaced_is_whole_whenever_that_is_interrupted(tmp_path, monkeypatch, moves):
    target, done, replace = folder_with(tmp_path / "pretrained", "old"), [], Path.replace

    def interrupted(self, to):
        if len(done) == moves:
            done.append(None)
            raise KeyboardInterrupt
        done.append(None)
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", interrupted)
    with contextlib.suppress(KeyboardInterrupt), replacing_folder(target) as folder:
        (folder / "weights").write_text("new")
    assert (target / "weights").read_text() == ("new" if moves == 2 else "old")
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_a_killed_process_had_moved_away_is_put_back(tmp_path):
    (tmp_path / ".pretrained.old.x").mkdir()
    folder_with(tmp_path / ".pretrained.old.x" / "folder", "old")
    with contextlib.suppress(KeyboardInterrupt), replacing_folder(tmp_path / "pretrained"):
        raise KeyboardInterrupt
    assert (tmp_path / "pretrained" / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "pretrained"]


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path):
    (tmp_path / "thesis").write_text("precious")
    with pytest.raises(InputError, match="thesis: a file is in the way"), replacing_folder(tmp_path / "thesis"):
        pass
    assert (tmp_path / "thesis").read_text() == "precious"
