"""No command overwrites its caller's files; a rerun replaces the command's earlier results."""

import hashlib
import os
import shutil

import numpy as np
import pytest

from ksdiff_jax.cli.animate_outputs import file_stems
from ksdiff_jax.cli.main import main
from ksdiff_jax.config import to_dict
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import write_json
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.ownership import purpose_of
from ksdiff_jax.train.workdir import check_workdir, open_workdir
from tests.data.clips import make_clip

WRITING = (
    *(
        "animate",
        "export",
        "corpus",
        "prepare",
        "regions",
        "train",
        "evaluate",
        "convert",
        "inspect",
    ),
)


@pytest.mark.parametrize("command", WRITING)
def test_every_command_that_writes_has_the_option_in_the_same_words(capsys, command):
    assert main([command, "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "--overwrite replace files with the results' names that ksdiff-jax did not write; never an "
        "input" in told
    )


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def nothing_loaded(monkeypatch):
    """A model that is loaded, or a recording that is read, would fail the test."""
    import ksdiff_jax.cli.animate as command

    def work(*args):
        raise AssertionError("work was begun")

    monkeypatch.setattr(command, "RecordingAnimator", work)
    monkeypatch.setattr(command, "transcript_reader", work)


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_a_recording_at_the_place_of_its_own_video_is_refused_before_any_work(
    animate, speech, tmp_path, nothing_loaded, overwrite
):
    recording = speech.rename(tmp_path / "talk.mp4")
    before = digest(recording)
    status, out, err, _ = animate(recording, *overwrite, out=".")
    assert status == 2 and out == [] and digest(recording) == before
    assert len(err) == 1 and "never overwritten" in err[0]


def test_a_recording_that_another_ones_result_would_replace_is_an_input_too(
    animate, speech, tmp_path, nothing_loaded
):
    other = shutil.copy(speech, tmp_path / "speech.mp4")  # its own results would be speech-2.mp4
    shutil.copy(speech, tmp_path / "speech-2.mp4")
    given = (speech, other, tmp_path / "speech-2.mp4")
    status, _, err, _ = animate(
        *given[:2], "--formats", "mp4", "--face", given[2], "--overwrite", out="."
    )
    assert status == 2 and len(err) == 2 and len({digest(path) for path in given}) == 1
    assert (
        f"{other}: would be overwritten" in err[0] and f"{given[2]}: would be overwritten" in err[1]
    )


def test_the_words_do_not_replace_the_transcript_that_they_come_from(
    animate, speech, tmp_path, nothing_loaded
):
    transcript = tmp_path / "speech.words.json"
    transcript.write_text('{"schema": "ksdiff-words/1", "text": "hello"}')
    status, _, err, _ = animate(
        speech, "--formats", "npz", "--transcript-file", transcript, "--overwrite", out="."
    )
    assert status == 2 and "speech.words.json" in err[0]
    assert transcript.read_text() == '{"schema": "ksdiff-words/1", "text": "hello"}'


def test_a_file_of_somebody_else_stops_one_recording_and_not_the_others(animate, speech, tmp_path):
    other = tmp_path / "other.wav"
    shutil.copy(speech, other)
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "speech.motion.npz"
    mine.write_text("the caller's own")
    status, out, err, files = animate(speech, other, "--formats", "npz")
    assert (
        status == 2
        and files == ["other.motion.npz", "speech.motion.npz"]
        and mine.read_text() == "the caller's own"
    )
    assert len(err) == 1 and str(mine) in err[0] and "--overwrite" in err[0]
    assert out[-1] == f"1 of 2 recordings animated; not animated: {speech}"
    assert animate(speech, other, "--formats", "npz", "--overwrite")[0] == 0
    assert purpose_of(mine) == "motion"
    assert animate(speech, other, "--formats", "npz")[0] == 0  # all are ours now


def test_words_of_somebody_else_are_in_the_way_only_where_words_are_written(
    animate, speech, tmp_path
):
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "speech.words.json"
    mine.write_text('{"transcript": "of another tool"}')
    assert animate(speech, "--formats", "npz")[0] == 0
    speech.with_suffix(".lab").write_text("0.1 0.4 hello\n")
    status, out, err, _ = animate(speech, "--formats", "npz")
    assert status == 2 and str(mine) in err[0] and not any("s of speech" in line for line in out)
    assert mine.read_text() == '{"transcript": "of another tool"}'
    assert (
        animate(speech, "--formats", "npz", "--overwrite")[0] == 0 and purpose_of(mine) == "words"
    )


def test_nothing_is_left_where_all_is_refused(animate, speech, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "speech.motion.npz").write_text("the caller's own")
    assert animate(speech, "--formats", "npz")[3] == ["speech.motion.npz"]


def test_names_that_differ_in_case_are_numbered_where_the_disk_does_not_know_them_apart(
    tmp_path, monkeypatch
):
    from ksdiff_jax.cli import animate_outputs

    assert file_stems(["A.wav", "a.wav"], folder=tmp_path) == ["A", "a"]
    monkeypatch.setattr(animate_outputs, "stored_alike", lambda folder: str.casefold)
    assert file_stems(["A.wav", "a.wav", "b.wav"], folder=tmp_path) == ["A", "a-2", "b"]


def data_set(path):
    write_dataset(path, {"train": [make_clip(1, frames=20)]}, licence="", made_by="a test")
    return path


def fails(capsys, *arguments):
    """The one line of a command that ends with status 2."""
    assert main(list(map(str, arguments))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def contents(folder):
    return {path: digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_contact_sheet_takes_the_place_of_no_shard_and_no_picture_of_others(tmp_path, capsys):
    shards = data_set(tmp_path / "set")
    before = contents(shards)
    for name in ("dataset.json", "train-00000-of-00001.tfrecord", "train-00000-of-00001.index"):
        assert "belongs to the input" in fails(
            capsys, "inspect", shards, "--sheet", shards / name, "--overwrite"
        )
    assert contents(shards) == before
    picture = tmp_path / "holiday.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "without the mark" in fails(capsys, "inspect", shards, "--sheet", picture)
    for place in (tmp_path, os.devnull):
        assert "is there" in fails(capsys, "inspect", shards, "--sheet", place, "--overwrite")


def test_prepare_and_corpus_write_over_no_source(tmp_path, capsys):
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "a.mp4").write_bytes(b"a video")
    data_set(videos / "set")
    before = contents(tmp_path)
    for out in (videos, tmp_path, f"{videos}/../videos/", videos / "a.mp4"):
        line = fails(capsys, "prepare", videos, "--out", out, "--overwrite")
        assert "never overwritten" in line or "in the way" in line
    line = fails(
        capsys, "prepare", videos, "--out", tmp_path / "new", "--work", tmp_path / "new" / "work"
    )
    assert "work folder is inside --out" in line
    assert "this work folder" in fails(
        capsys, "prepare", videos, "--out", tmp_path / "n", "--work", videos / "a.mp4"
    )
    for out in (videos / "set", videos):
        arguments = (
            "--from",
            videos / "set",
            "--encoder",
            tmp_path / "encoder",
            "--out",
            out,
            "--overwrite",
        )
        assert "never overwritten" in fails(capsys, "corpus", *arguments)
    assert contents(tmp_path) == before


def test_a_dataset_json_of_another_tool_does_not_make_a_folder_ours(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "dataset.json").write_text('{"labels": []}')
    (tmp_path / "images" / "0.png").write_bytes(b"a picture")
    before = contents(tmp_path)
    assert "not a data set" in fails(capsys, "corpus", "--out", tmp_path / "images", "--clips", "3")
    assert "not a data set" in fails(
        capsys, "prepare", tmp_path, "--out", tmp_path / "images" / ".." / "images"
    )
    assert contents(tmp_path) == before


def test_convert_writes_over_no_source(tmp_path, capsys):
    source = tmp_path / "models" / "base"
    source.mkdir(parents=True)
    (source / "config.json").write_text('{"model_type": "wav2vec2"}')
    (source / "weights.safetensors").write_bytes(b"weights of somebody else")
    before = contents(tmp_path)
    for out in (source, tmp_path / "models", tmp_path):
        assert "never overwritten" in fails(
            capsys, "convert", "encoder", source, "--out", out, "--overwrite"
        )
    shutil.copytree(source, tmp_path / "other")
    assert "not an encoder" in fails(
        capsys, "convert", "encoder", source, "--out", tmp_path / "other"
    )
    assert {
        path: old for path, old in contents(tmp_path).items() if "other" not in str(path)
    } == before


def test_evaluate_refuses_before_any_work(checkpoint, tmp_path, capsys, monkeypatch):
    shards = data_set(tmp_path / "set")
    before = contents(tmp_path)
    arguments = ("evaluate", "--checkpoint", checkpoint, "--data", shards, "--split", "train")
    monkeypatch.setattr("ksdiff_jax.models.pretrained.load_pretrained", None)
    for out in (checkpoint, shards):
        assert "would write into the input" in fails(
            capsys, *arguments, "--out", out, "--overwrite"
        )
    assert contents(tmp_path) == before
    (tmp_path / "figures").mkdir()
    for name in ("metrics.json", "openings.png", "openings-real.png"):
        (tmp_path / "figures" / name).write_text("the caller's own")
        assert name in fails(capsys, *arguments, "--out", tmp_path / "figures")
        (tmp_path / "figures" / name).unlink()


# The folder of a run.


def config_of(**fields):
    config = to_dict(Config())
    from ksdiff_jax.models import config_from_dict

    for name, value in fields.items():
        part, _, field = name.partition("__")
        config[part][field] = value
    return config_from_dict(config)


FOREIGN = {
    "config.json": '{"model_type": "wav2vec2"}',
    "metrics.jsonl": '{"loss": 1}\n',
    "run.html": "<h1>mine</h1>",
    "versions.json": '{"numpy": "1.0"}',
    "wandb_id": "mine",
    "tensorboard/events": "mine",
    "samples/a.mp4": "mine",
    "pretrained/model.bin": "mine",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_with_files_of_others_under_the_names_of_a_run_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(FOREIGN[name])
    refusal = pytest.raises(InputError, match=r"which no run of ksdiff-jax wrote; .*--overwrite")
    with refusal, open_workdir(tmp_path, Config(), tell=pytest.fail):
        pass
    assert (tmp_path / name).read_text() == FOREIGN[name]
    with open_workdir(tmp_path, Config(), tell=pytest.fail, overwrite=True):
        pass
    with open_workdir(tmp_path, Config(), tell=pytest.fail):
        pass  # now it is a run's


def test_a_checkpoint_or_an_encoder_is_no_workdir(checkpoint):
    before = contents(checkpoint)
    with pytest.raises(InputError, match=r"contains config\.json"):
        check_workdir(checkpoint, Config())
    assert contents(checkpoint) == before


def test_a_folder_with_other_files_and_empty_folders_becomes_a_runs(tmp_path):
    (tmp_path / "slurm-17.out").write_text("mine")
    for name in ("checkpoints", "samples"):
        (tmp_path / name).mkdir()
    with open_workdir(tmp_path, Config(), tell=pytest.fail):
        pass
    assert (
        purpose_of(tmp_path / "versions.json") == "run"
        and (tmp_path / "slurm-17.out").read_text() == "mine"
    )


def test_a_run_that_was_begun_before_there_was_a_mark_goes_on(tmp_path):
    write_json(tmp_path / "config.json", to_dict(Config()))
    (tmp_path / "metrics.jsonl").write_text("")
    with open_workdir(tmp_path, Config(), tell=pytest.fail):
        pass


def test_a_run_writes_into_nothing_that_it_reads(tmp_path):
    shards, workdir = data_set(tmp_path / "set"), tmp_path / "run"
    with pytest.raises(InputError, match="which it reads"):
        check_workdir(shards, config_of(data__path=str(shards)), overwrite=True)
    (workdir / "pretrained").mkdir(parents=True)
    for start in (workdir, workdir / "pretrained"):
        with pytest.raises(InputError, match=r"which it reads|never overwritten"):
            check_workdir(workdir, config_of(train__init_from=str(start)))
    check_workdir(workdir, config_of(data__path="gs://bucket/set", train__init_from="demo"))


def test_an_index_of_another_program_stays(tmp_path):
    from ksdiff_jax.data.tfrecord import DataWarning, read_index

    shard = next(data_set(tmp_path / "set").glob("*.tfrecord"))
    index = shard.with_suffix(".index")
    index.write_text("0 104\n104 220\n")
    with pytest.warns(DataWarning, match="not written, as another program's file has this name"):
        assert np.array_equal(read_index(shard)[:, 0], [0])
    assert index.read_text() == "0 104\n104 220\n"
