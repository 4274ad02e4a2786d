"""`ksdiff-jax animate` over many recordings: folders, lists, manifest, restart, several hosts."""

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax import locks
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli.animate_manifest import Manifest
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.motion.clip import MotionClip
from tests.animate.fake_system import CONFIG, STATISTICS
from tests.conftest import REPOSITORY
from tests.started import Started


def recordings_in(folder, count, *, seconds=0.2):
    """Short recordings with different sound, every third one in a subfolder."""
    paths = []
    for number in range(count):
        path = folder / ("sub" if number % 3 == 2 else "") / f"clip{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        time_s = np.arange(round(16_000 * seconds)) / 16_000
        sound = 0.3 * np.sin(2 * np.pi * (110 + number) * time_s)
        write_wav(path, sound.astype(np.float32))
        paths.append(path)
    return paths


def lines_of(manifest):
    return [json.loads(line) for line in manifest.read_text().splitlines()]


@pytest.fixture
def files_below(tmp_path):
    """Names below the output folder."""

    def names(out="out"):
        folder = tmp_path / out
        return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())

    return names


def test_a_folder_gives_its_tree_of_results_and_a_manifest_and_the_same_again_does_nothing(
    animate, tmp_path, files_below
):
    paths = recordings_in(tmp_path / "in", 4)
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    (tmp_path / "in" / "notes.txt").write_text("not a recording")
    status, out, err, _ = animate(tmp_path / "in", "--formats", "npz")
    wanted = ["clip0.motion.npz", "clip1.motion.npz", "clip3.motion.npz", "sub/clip2.motion.npz"]
    assert files_below() == [*wanted[:3], "manifest.jsonl", wanted[3]]
    assert status == 2 and len(err) == 1 and "bad.wav" in err[0]
    assert out[0] == "5 recordings, 0 done before, 5 to do"
    assert out[-1].startswith(f"not animated: {tmp_path}/in/bad.wav")
    header, *lines = lines_of(tmp_path / "out" / "manifest.jsonl")
    assert header["work"]["seed"] == 0 and len(header["work"]["checkpoint"]) == 64
    by_path = {line["input"]: line for line in lines}
    assert set(by_path) == {*map(str, paths), str(tmp_path / "in" / "bad.wav")}
    for path in paths:
        line = by_path[str(path)]
        assert line["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        (output,) = line["outputs"]
        content = (tmp_path / "out" / output["file"]).read_bytes()
        assert output["sha256"] == hashlib.sha256(content).hexdigest()
        assert output["bytes"] == len(content)

    single = animate(paths[2], "--formats", "npz", out="single")
    assert single[0] == 0
    many = MotionClip.load(tmp_path / "out" / "sub" / "clip2.motion.npz")
    alone = MotionClip.load(tmp_path / "single" / "clip2.motion.npz")
    assert np.array_equal(many.coefficients, alone.coefficients) and many.meta == alone.meta

    (tmp_path / "in" / "bad.wav").unlink()
    before = [(tmp_path / "out" / name).stat().st_mtime_ns for name in files_below()]
    status, out, err, _ = animate(tmp_path / "in", "--formats", "npz")
    assert (status, err, out[0]) == (0, [], "4 recordings, 4 done before, 0 to do")
    assert before == [(tmp_path / "out" / name).stat().st_mtime_ns for name in files_below()]


def test_only_what_has_changed_is_made_again(animate, tmp_path, files_below):
    paths = recordings_in(tmp_path / "in", 5)
    listed = tmp_path / "files.txt"
    listed.write_text("# all\n\n" + "\n".join(map(str, paths)))
    arguments = ("--from-list", listed, "--formats", "npz")
    assert animate(*arguments)[0] == 0
    write_wav(paths[0], np.full(4000, 0.1, np.float32))  # another sound
    os.utime(paths[1], (1, 1))  # only its time
    paths[2].with_suffix(".lab").write_text("0.0 0.1 hello\n")  # a transcript appeared
    (tmp_path / "out" / "clip3.motion.npz").unlink()  # a result is missing
    with (tmp_path / "out" / "manifest.jsonl").open("a") as file:
        file.write('{"input": "half a li')  # a process was killed while it wrote
    (tmp_path / "out" / ".clip3.motion.ab12cd_9.npz").write_text("of a killed process")
    (tmp_path / "out" / ".other.motion.ab12cd_9.npz").write_text("not of this list")
    status, out, _, _ = animate(*arguments)
    assert status == 0 and out[0] == "5 recordings, 2 done before, 3 to do"
    lines = lines_of(tmp_path / "out" / "manifest.jsonl")  # every line is complete again
    assert [line["name"] for line in lines[-3:]] == ["clip0", "clip2", "clip3"]
    assert ".clip3.motion.ab12cd_9.npz" not in files_below()
    assert ".other.motion.ab12cd_9.npz" in files_below()
    listed.write_text(f"{tmp_path}/in/other/clip0.wav\n" + listed.read_text())
    shutil.copytree(tmp_path / "in" / "sub", tmp_path / "in" / "other")
    (tmp_path / "in" / "other" / "clip2.wav").rename(tmp_path / "in" / "other" / "clip0.wav")
    assert animate(*arguments)[1][0] == "6 recordings, 5 done before, 1 to do"
    assert "clip0-2.motion.npz" in files_below()  # the name of the earlier one stays


def test_results_of_another_checkpoint_or_options_are_refused_unless_overwritten(animate, tmp_path):
    recordings_in(tmp_path / "in", 1)
    arguments = (tmp_path / "in", "--formats", "npz")
    assert animate(*arguments)[0] == 0
    before = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    params = {"scale": np.full((), 2.0, np.float32)}
    other = save_pretrained(tmp_path / "two", config=CONFIG, params=params, space=STATISTICS)
    for options, what in (
        (("--seed", "1"), "results of another seed (0; this command has 1)"),
        (("--steps", "3"), "results of another steps (10; this command has 3)"),
        ((), "results of another checkpoint ("),
    ):
        which = {} if options else {"checkpoint": other}
        status, _, err, _ = animate(*arguments, *options, **which)
        assert status == 2 and len(err) == 1 and what in err[0] and "--overwrite" in err[0]
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == before
    assert animate(*arguments, "--seed", "1", "--overwrite")[0] == 0
    header, *lines = lines_of(tmp_path / "out" / "manifest.jsonl")
    assert header["work"]["seed"] == 1 and len(lines) == 1


def test_two_writers_of_one_folder_are_refused(animate, tmp_path, monkeypatch):
    recordings_in(tmp_path / "in", 2)
    monkeypatch.setattr("ksdiff_jax.cli.animate_manifest.PATIENCE_S", 0)
    arguments = (tmp_path / "in", "--formats", "npz")
    assert animate(*arguments)[0] == 0
    with (tmp_path / "out" / "manifest.jsonl").open("ab") as file:
        assert locks.take_at_once(file)
        for options in ((), ("--hosts", "2", "--host-index", "0")):
            status, _, err, _ = animate(*arguments, *options)
            assert status == 2 and len(err) == 1 and "writing into this folder" in err[0]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.jsonl").write_text("my notes\n")
    status, _, err, _ = animate(*arguments, out="mine")
    assert status == 2 and "without the mark" in err[0]
    assert (tmp_path / "mine" / "manifest.jsonl").read_text() == "my notes\n"


def test_hosts_share_the_work_and_another_number_of_hosts_continues_it(
    animate, tmp_path, files_below
):
    recordings_in(tmp_path / "in", 5)
    arguments = (tmp_path / "in", "--formats", "npz")
    status, out, _, _ = animate(*arguments, "--hosts", "2", "--host-index", "1")
    assert status == 0 and out[0] == "2 recordings (host 1 of 2), 0 done before, 2 to do"
    status, out, _, _ = animate(*arguments)
    assert status == 0 and out[0] == "5 recordings, 2 done before, 3 to do"
    assert len(files_below()) == 5 + 2 and "manifest.1-of-2.jsonl" in files_below()
    status, _, err, _ = animate(*arguments, "--hosts", "2", "--host-index", "2")
    assert status == 2 and "numbered from 0" in err[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to animate"),
        (["IN/*.wav"], "no file matches this pattern"),
        (["--from-list", "IN/none.txt"], "none.txt: cannot be read"),
        (["--from-list", "IN/empty.txt"], "names no recording"),
        (["IN", "--batch-size", "0"], "--batch-size 0"),
        (["IN", "--hosts", "2"], "need both"),
    ],
)
def test_wrong_arguments_are_one_line_and_status_2(animate, tmp_path, arguments, said):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.txt").write_text("# nothing\n")
    given = [argument.replace("IN", str(tmp_path / "in")) for argument in arguments]
    status, _, err, files = animate(*given)
    assert status == 2 and len(err) == 1 and said in err[0] and files == []


def killed_twice_and_finished(folder, count, *, first_s, timeout_s):
    """Animate `count` short recordings in three processes, the first two of which get SIGKILL in
    the middle; return the lines of the manifest at each end.
    """
    params = {"scale": np.ones((), np.float32)}
    save_pretrained(folder / "checkpoint", config=CONFIG, params=params, space=STATISTICS)
    recordings_in(folder / "in", count, seconds=first_s)
    command = [sys.executable, "-m", "tests.cli.many_run", "animate", str(folder / "in")]
    command += ["--out", str(folder / "out"), "--formats", "npz", "--device", "cpu"]
    command += ["--checkpoint", str(folder / "checkpoint")]
    manifest, ends = folder / "out" / "manifest.jsonl", []
    for stop_at in (count // 3, 2 * count // 3, None):
        with Started(command, cwd=REPOSITORY) as process:
            until = time.monotonic() + timeout_s
            while process.poll() is None and time.monotonic() < until:
                lines = manifest.read_bytes().count(b"\n") if manifest.exists() else 0
                if stop_at is not None and lines > stop_at:
                    process.kill()
                time.sleep(0.02)
            ends.append((process.wait(), manifest.read_bytes().count(b"\n") - 1))
    return ends


def check_complete(folder, count):
    """Every recording is once in the manifest, with the results that are there, and nothing else
    is there.
    """
    _, *lines = lines_of(folder / "out" / "manifest.jsonl")
    inputs = [line["input"] for line in lines]
    assert len(inputs) == len(set(inputs)) == count
    named = {output["file"] for line in lines for output in line["outputs"]}
    below = {p.relative_to(folder / "out").as_posix() for p in (folder / "out").rglob("*.*")}
    assert named | {"manifest.jsonl"} == below and len(named) == count
    for line in lines[:: max(1, count // 100)]:
        content = (folder / "out" / line["outputs"][0]["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == line["outputs"][0]["sha256"]


@pytest.mark.slow
def test_killed_twice_every_recording_is_animated_once(tmp_path):
    ends = killed_twice_and_finished(tmp_path, 60, first_s=0.2, timeout_s=300)
    assert [status for status, _ in ends] == [-9, -9, 0]
    assert 20 <= ends[0][1] < ends[1][1] < ends[2][1] == 60
    check_complete(tmp_path, 60)


@pytest.mark.long
def test_2000_recordings_killed_twice_are_animated_once(tmp_path):
    ends = killed_twice_and_finished(tmp_path, 2000, first_s=0.5, timeout_s=3600)
    assert [status for status, _ in ends] == [-9, -9, 0] and ends[2][1] == 2000
    check_complete(tmp_path, 2000)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device that is always full")
def test_a_full_disk_ends_with_one_line(tmp_path):
    with Path("/dev/full").open("ab", buffering=0) as file:
        manifest = Manifest(tmp_path / "manifest.jsonl", file, {})
        with pytest.raises(InputError, match=r"manifest.jsonl: cannot write \(No space left"):
            manifest.add({"input": "a", "name": "a"})
