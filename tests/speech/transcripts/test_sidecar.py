"""The file beside a recording that is its transcript."""

import os
import time
import unicodedata
import warnings

import pytest

from ksdiff_jax.speech.transcripts.sidecar import find_sidecar
from ksdiff_jax.speech.transcripts.spoken_words import TranscriptFileWarning


def found_beside(folder, speech, *names):
    for name in names:
        (folder / name).write_text("hello")
    found = find_sidecar(folder / speech)
    return None if found is None else found.name


@pytest.mark.parametrize(
    "ending", ["SRT", "Vtt", "textgrid", "TEXTGRID", "TXT", "Lab", "ass", "sbv", "lrc", "ctm"]
)
@pytest.mark.parametrize("speech", ["talk.wav", "talk.WAV", "talk.Mp4", "talk.one.m4a"])
def test_endings_count_in_any_case(ending, speech, tmp_path):
    name = f"{speech.rsplit('.', 1)[0]}.{ending}"
    assert found_beside(tmp_path, speech, name) == name


@pytest.mark.parametrize(
    "name", ["talk.mp4.srt", "talk.MP4.srt", "talk.en.srt", "talk.pt-BR.vtt", "talk.en.sdh.srt"]
)
def test_a_name_that_holds_more_is_found_where_nothing_nearer_is_there(name, tmp_path):
    assert found_beside(tmp_path, "talk.mp4", name) == name
    assert found_beside(tmp_path, "talk.mp4", "talk.txt") == "talk.txt"


@pytest.mark.parametrize(
    "name",
    ["talk2.srt", "talk.final cut.srt", "my talk.srt", "talk.en.forced.srt", "talk.words.json"],
)
def test_the_transcript_of_something_else_is_not_found(name, tmp_path):
    assert found_beside(tmp_path, "talk.mp4", name) is None


def test_of_several_languages_the_original_is_read_and_else_none(tmp_path):
    with pytest.warns(
        TranscriptFileWarning,
        match=r"several languages .*talk\.de\.srt.*talk\.en\.srt.*none is read",
    ):
        assert found_beside(tmp_path, "talk.mp4", "talk.en.srt", "talk.de.srt") is None
    assert found_beside(tmp_path, "talk.mp4", "talk.de-orig.vtt") == "talk.de-orig.vtt"


def test_of_one_language_in_several_forms_the_first_kind_is_read(tmp_path):
    assert (
        found_beside(tmp_path, "talk.mp4", "talk.en.vtt", "talk.en.srt", "talk.en-US.txt")
        == "talk.en.srt"
    )


def test_folders_empty_files_and_broken_links_are_passed_over(tmp_path):
    (tmp_path / "talk.TextGrid").mkdir()
    (tmp_path / "talk.lab").symlink_to(tmp_path / "nowhere")
    (tmp_path / "talk.srt").touch()
    with pytest.warns(TranscriptFileWarning, match=r"talk\.srt: empty"):
        assert found_beside(tmp_path, "talk.wav", "talk.txt") == "talk.txt"


def test_a_recording_is_not_its_own_transcript(tmp_path):
    assert found_beside(tmp_path, "talk.txt", "talk.txt") is None
    (tmp_path / "talk.srt").symlink_to(tmp_path / "talk.txt")
    assert find_sidecar(tmp_path / "talk.txt") is None


def test_json_and_tables_count_only_as_transcripts(tmp_path):
    (tmp_path / "talk.json").write_text('{"title": "a video"}')
    (tmp_path / "talk.csv").write_text("a,b\n1,2\n")
    assert find_sidecar(tmp_path / "talk.wav") is None
    (tmp_path / "talk.json").write_text(
        '{"text": "hi", "segments": [{"start": 0, "end": 1, "text": "hi"}]}'
    )
    assert find_sidecar(tmp_path / "talk.wav") == tmp_path / "talk.json"


def test_names_in_another_form_of_unicode_and_with_brackets_are_the_same(tmp_path):
    assert (
        found_beside(tmp_path, unicodedata.normalize("NFD", "café [x].wav"), "café [x].srt")
        == "café [x].srt"
    )


def test_no_folder_is_no_transcript(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_sidecar(tmp_path / "none" / "talk.wav") is None
        assert find_sidecar(".") is None


def test_a_folder_is_listed_once_for_all_its_recordings_until_it_changes(tmp_path, monkeypatch):
    names = [f"talk{number}" for number in range(30)]
    for name in names:
        (tmp_path / f"{name}.txt").write_text("hello")
    os.utime(tmp_path, (1e9, 1e9))  # long ago
    listed, list_folder = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or list_folder(path))
    found = [find_sidecar(tmp_path / f"{name}.wav") for name in [*names, "other"]]
    assert found == [*(tmp_path / f"{name}.txt" for name in names), None]
    assert listed == [str(tmp_path)]
    (tmp_path / "other.txt").write_text("hello")
    assert find_sidecar(tmp_path / "other.wav") == tmp_path / "other.txt"


def test_a_change_that_leaves_the_time_of_its_folder_is_seen(tmp_path):
    now = time.time()
    os.utime(tmp_path, (now, now))
    assert find_sidecar(tmp_path / "talk.wav") is None
    (tmp_path / "talk.txt").write_text("hello")
    os.utime(tmp_path, (now, now))  # as on a file system with coarse times
    assert find_sidecar(tmp_path / "talk.wav") == tmp_path / "talk.txt"
