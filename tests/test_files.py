"""Several processes and one folder; folders that are swapped."""

import contextlib
import json
import math
import os
import threading
import time
from pathlib import Path

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import (
    cache_folder,
    make_folder,
    one_at_a_time,
    replacing,
    replacing_folder,
    set_home,
    write_json,
)


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
def test_a_folder_that_is_being_replaced_is_whole_whenever_that_is_interrupted(
    tmp_path, monkeypatch, moves
):
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
    with (
        pytest.raises(InputError, match="thesis: a file is in the way"),
        replacing_folder(tmp_path / "thesis"),
    ):
        pass
    assert (tmp_path / "thesis").read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["x" * 251 + ".wav", "[a]*?.json", os.fsdecode(b"\xff" * 250) + ".npz", "é" * 127 + "a"]
)
def test_a_name_of_any_bytes_and_length_is_replaced_and_leaves_nothing_behind(tmp_path, name):
    for text in ("first", "second"):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text(text)
        with replacing_folder(tmp_path / "in" / name) as folder:
            (folder / "weights").write_text(text)
    assert (
        (tmp_path / name).read_text()
        == (tmp_path / "in" / name / "weights").read_text()
        == "second"
    )
    assert [path.name for path in (tmp_path / "in").iterdir()] == [name]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in", name])


@pytest.mark.parametrize("name", ["plain", "[a]", "x" * 250])
def test_a_folder_of_any_name_is_put_back(tmp_path, name):
    target = folder_with(tmp_path / name, "old")
    with pytest.raises(KeyboardInterrupt), replacing_folder(target):
        target.replace(folder_with(tmp_path / f".{name[:200]}.old.x", "") / "folder")
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), replacing_folder(target):
        raise KeyboardInterrupt
    assert (target / "weights").read_text() == "old"


def test_a_file_that_its_owner_has_closed_to_others_stays_closed_when_it_is_replaced(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {})
    path.chmod(0o600)
    write_json(path, {"again": True})
    assert path.stat().st_mode & 0o777 == 0o600 and json.loads(path.read_text()) == {"again": True}


def test_json_that_this_package_alone_reads_may_hold_an_infinite_number(tmp_path):
    write_json(tmp_path / "a.json", {"clip_norm": math.inf}, strict=False)
    write_json(tmp_path / "b.json", {"figure": math.inf})
    assert json.loads((tmp_path / "a.json").read_text()) == {"clip_norm": math.inf}
    assert json.loads((tmp_path / "b.json").read_text()) == {"figure": None}


@pytest.fixture
def bare_user(tmp_path, monkeypatch):
    """A user without a home and without an entry in the list of users; temporary files lie in
    `tmp_path`.
    """

    def nobody(number):
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"ksdiff-jax-{os.getuid()}"


def test_the_cache_is_where_the_user_wants_it_or_at_home(bare_user, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert cache_folder() == home / ".cache" / "ksdiff-jax"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine" / "ksdiff-jax"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # counts as none, by the specification
    assert cache_folder() == home / ".cache" / "ksdiff-jax"


@pytest.mark.parametrize("home", [None, "", "relative", "/nonexistent/x", "/dev/null"])
def test_a_user_without_a_home_has_a_cache_in_the_folder_of_temporary_files(
    bare_user, monkeypatch, home
):
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert cache_folder() == bare_user
    assert bare_user.stat().st_mode & 0o777 == 0o700


def test_a_user_without_a_home_gets_one_and_another_keeps_theirs(bare_user, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    set_home()
    assert os.environ["HOME"] == str(tmp_path)
    monkeypatch.setenv("HOME", "/nonexistent/x")
    set_home()
    assert os.environ["HOME"] == str(bare_user)
    assert cache_folder() == bare_user / ".cache" / "ksdiff-jax"


def test_a_cache_that_is_a_file_is_passed_over(bare_user, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() == bare_user
    assert (tmp_path / "file").read_text() == "precious"


def test_a_temporary_cache_that_others_can_write_is_refused(bare_user, tmp_path):
    bare_user.mkdir()
    bare_user.chmod(0o777)
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        cache_folder()
    bare_user.rmdir()
    (tmp_path / "theirs").mkdir(mode=0o700)
    bare_user.symlink_to(tmp_path / "theirs")
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        cache_folder()


def test_a_lock_that_cannot_be_opened_lets_all_in(tmp_path):
    (tmp_path / ".lock").mkdir()  # as unusable as a file of another user's, for every user
    with one_at_a_time(tmp_path):
        pass


def test_an_output_folder_without_a_name_is_not_this_one():
    with pytest.raises(InputError, match="empty name"):
        make_folder("")
    assert make_folder(".") == Path()


def test_a_machine_without_a_folder_for_temporary_files_is_one_line(bare_user, monkeypatch):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    monkeypatch.setattr("os.access", lambda *arguments: False)
    with pytest.raises(InputError, match=r"no folder can be written for caches .*; set TMPDIR"):
        cache_folder()
    set_home()  # no error: what needs a home will report it
    assert "HOME" not in os.environ
