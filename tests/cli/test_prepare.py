"""`ksdiff-jax prepare`: from a coefficient file and its sound to a verified data set, and the
printed report.
"""

import json
import wave

import numpy as np
import pytest

from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.prepare import run
from ksdiff_jax.data.prepare.pool import finish
from ksdiff_jax.data.shards import ShardReader


@pytest.fixture
def in_this_process(monkeypatch):
    """Sources are processed here, without the seconds that a worker process takes to start."""

    def finish_all(tasks, settings, ledger, *, processes, work):
        return (finish(key, source, settings, ledger, work=work) for key, source in tasks)

    monkeypatch.setattr(run, "finish_all", finish_all)


def prepare(capsys, *arguments):
    status = main(["prepare", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_real_coefficients_become_a_data_set_that_verifies(shared_data, tmp_path, capsys):
    source = shared_data / "coeffs" / "styletalk_reagan_clip1.mat"
    options = (
        "--audio",
        shared_data / "audio",
        "--coefficient-fps",
        30,
        "--out",
        tmp_path / "s",
        "--processes",
        1,
    )
    status, said, errors = prepare(capsys, source, *options)
    assert status == 0, errors
    assert "train" in said and "val and test empty" in said
    assert main(["inspect", "--verify", str(tmp_path / "s")]) == 0
    capsys.readouterr()
    status, said, _ = prepare(capsys, source, *options, "--json", "--licence", "public domain")
    result = json.loads(said)
    assert status == 0 and result["sources_finished_before"] == 1 and result["space"] == "bfm"
    assert json.loads((tmp_path / "s" / "dataset.json").read_text())["licence"] == "public domain"


def test_what_was_cut_is_told_and_reported(in_this_process, tmp_path, capsys):
    """100 frames at 25 a second, 4 s, beside 5 s of sound."""
    rng = np.random.default_rng(0)
    arrays = {"exp": rng.normal(size=(100, 50)), "pose": rng.normal(scale=0.1, size=(100, 6))}
    np.savez(tmp_path / "a.npz", **arrays, shape=np.zeros(100), cam=np.ones((100, 3)))
    write_wav(tmp_path / "a.wav", rng.uniform(-0.3, 0.3, 80_000).astype(np.float32))
    arguments = (tmp_path / "a.npz", "--out", tmp_path / "s", "--processes", 1)
    status, said, errors = prepare(capsys, *arguments)
    assert status == 0, errors
    assert (
        "1 sources cut to what sound and motion share" in said
        and "of sound 0.00 s and 1.00 s" in said
    )
    report = json.loads((tmp_path / "s" / "report.json").read_text())
    assert report["cut"]["sound_tail_s"] == 1.0 == report["outcomes"][0]["cut"]["sound_tail_s"]
    assert set(report["outcomes"][0]["cut"].values()) == {0, 1.0}


def test_a_channel_is_taken_where_one_is_asked_for_and_repairs_are_reported(
    in_this_process, tmp_path, capsys
):
    """Two people on two channels: both are mixed and that is told, or one is taken."""
    rng = np.random.default_rng(0)
    arrays = {"exp": rng.normal(size=(100, 50)), "pose": rng.normal(scale=0.1, size=(100, 6))}
    np.savez(tmp_path / "a.npz", **arrays, shape=np.zeros(100), cam=np.ones((100, 3)))
    voices = (rng.uniform(-0.3, 0.3, (64_000, 2)) * np.array([1.0, 0.8]) * 32767).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(voices.tobytes())
    cues = [f"{k}\n00:00:0{k},000 --> 00:00:0{k},500\nOne.\n" for k in range(4)]
    (tmp_path / "a.srt").write_text("\n".join([*cues, "4\n00:00:0x --> 00:00:05\nTwo.\n"]))
    arguments = (tmp_path / "a.npz", "--out", tmp_path / "s", "--processes", 1, "--verbose")
    status, said, errors = prepare(capsys, *arguments)
    assert status == 0, errors
    notes = json.loads((tmp_path / "s" / "report.json").read_text())["outcomes"][0]["notes"]
    assert (
        len(notes) == 2
        and "2 channels of different sounds are mixed" in notes[0]
        and "a.srt" in notes[1]
    )
    assert all(note in said + errors for note in notes) and "1 sources with repairs" in said
    status, said, errors = prepare(capsys, *arguments, "--channel", 2)
    assert status == 0, errors
    notes = json.loads((tmp_path / "s" / "report.json").read_text())["outcomes"][0]["notes"]
    assert not any("mixed" in note for note in notes)
    np.testing.assert_allclose(ShardReader(tmp_path / "s", "train")[0].audio, voices[:, 1], atol=2)
    status, _, errors = prepare(capsys, *arguments, "--audio-stream", 2)
    assert status == 2 and "sound track 2 was requested; the file has 1" in errors


def test_nothing_usable_is_exit_status_2_and_keeps_the_work_folder(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.npz").write_bytes(b"not a zip")
    status, _, errors = prepare(
        capsys, tmp_path / "in", "--out", tmp_path / "out", "--processes", 1
    )
    assert status == 2 and len(errors.splitlines()) == 1 and "none of 1 sources is usable" in errors
    assert (tmp_path / "out.work").is_dir() and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--held-out", "0.6"), "--held-out is 0.6"),
        (("--min-s", "5", "--max-s", "2"), "need 0 < min <= max"),
        (("--processes", "0"), "--processes is 0"),
        (("--coefficient-fps", "-1"), "--coefficient-fps is -1"),
        (("--", "--flink_master=x"), "choose a --runner other than local"),
        (
            ("--face", "f.npz", "--coefficients", "nowhere"),
            "--coefficients nowhere: no such folder",
        ),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, options, message):
    (tmp_path / "a.npz").write_bytes(b"")
    status, _, errors = prepare(capsys, tmp_path, "--out", tmp_path / "out", *options)
    assert status == 2 and message in errors and len(errors.splitlines()) == 1


def test_a_missing_tracker_is_said_once_before_any_work(tmp_path, capsys):
    (tmp_path / "a.mp4").write_bytes(b"")
    status, _, errors = prepare(
        capsys, tmp_path, "--out", tmp_path / "out", "--tracker", tmp_path / "python"
    )
    assert status == 2 and "make tracker" in errors and not (tmp_path / "out.work").exists()


def test_pictures_of_what_is_not_tracked_or_of_an_odd_size_are_refused(tmp_path, capsys):
    (tmp_path / "a.npz").write_bytes(b"")
    for given, message in (
        (("--pictures", 64), "a.npz: its face is not tracked; give videos alone"),
        (("--pictures", 100), "pictures of 100 pixels: need 32 to 512, a multiple of 8"),
    ):
        status, _, errors = prepare(capsys, tmp_path / "a.npz", "--out", tmp_path / "out", *given)
        assert status == 2 and message in errors and len(errors.splitlines()) == 1
        assert not (tmp_path / "out").exists()
