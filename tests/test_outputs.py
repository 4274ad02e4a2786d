"""The caller's files are never overwritten: the rule, and every writer that follows it."""

import os
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.data.shards import dataset_info, write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.outputs import (
    check_apart,
    check_output,
    check_output_folder,
    stored_alike,
    write_document,
    writing,
)
from ksdiff_jax.ownership import CHECKPOINT, DATA_SET, ENCODER, purpose_of
from tests.animate.fake_system import CONFIG, STATISTICS
from tests.data.clips import make_clip
from tests.test_ownership import WRITERS, motion, text_file, words


@pytest.mark.parametrize("purpose", WRITERS)
def test_every_writer_replaces_its_own_file_and_nobody_elses(tmp_path, purpose):
    name, write = WRITERS[purpose]
    path = write(tmp_path / name)
    write(path)  # a rerun
    path.write_bytes(b"the caller's own")
    with pytest.raises(InputError, match=r"without the mark of ksdiff-jax is there; .*--overwrite"):
        write(path)
    assert path.read_bytes() == b"the caller's own"
    write(path, overwrite=True)
    assert purpose_of(path) == purpose and list(tmp_path.iterdir()) == [path]


def test_a_file_of_another_purpose_is_not_replaced(tmp_path):
    path = WRITERS["sheet"][1](tmp_path / "a.png")
    with pytest.raises(InputError, match=r"another purpose \(sheet\)"):
        WRITERS["plot"][1](path)
    words(tmp_path / "metrics.json")
    with pytest.raises(InputError, match=r"another purpose \(words\)"):
        WRITERS["metrics"][1](tmp_path / "metrics.json")


def test_an_empty_file_stays(tmp_path):
    (tmp_path / "a.motion.npz").touch()
    with pytest.raises(InputError, match="an empty file is there"):
        motion().save(tmp_path / "a.motion.npz")


def linked(folder, speech):
    (folder / "link.mp4").symlink_to(speech)
    return folder / "link.mp4"


def hard_linked(folder, speech):
    os.link(speech, folder / "hard.mp4")
    return folder / "hard.mp4"


def behind_a_linked_folder(folder, speech):
    (folder / "elsewhere").symlink_to(folder, target_is_directory=True)
    return folder / "elsewhere" / speech.name


SPELLINGS = {
    "the same": lambda folder, speech: speech,
    "by way of a folder and back": lambda folder, speech: folder / "sub" / ".." / speech.name,
    "a dot": lambda folder, speech: f"{folder}/./{speech.name}",
    "two slashes": lambda folder, speech: f"{folder}//{speech.name}",
    "relative": lambda folder, speech: os.path.relpath(speech),
    "a link": linked,
    "a hard link": hard_linked,
    "a linked folder": behind_a_linked_folder,
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_output_that_is_an_input_is_refused_under_every_name(tmp_path, spelling, overwrite):
    (tmp_path / "sub").mkdir()
    # of ours, which would be replaced were it no input
    speech = WRITERS["video"][1](tmp_path / "talk.mp4")
    output = SPELLINGS[spelling](tmp_path, speech)
    before = speech.read_bytes()
    with pytest.raises(InputError, match=r"would be overwritten.*an input is never overwritten"):
        check_output(output, "video", overwrite=overwrite, inputs=[speech])
    with pytest.raises(InputError, match="never overwritten"):
        motion_as_video(output, speech, overwrite)
    assert speech.read_bytes() == before


def motion_as_video(output, speech, overwrite):
    from ksdiff_jax.animate.motion import Motion

    Motion.from_coefficients(np.zeros((3, MOTION_DIMS), np.float32)).render(
        output, audio=speech, overwrite=overwrite
    )


def test_a_name_of_another_case_is_the_input_where_the_disk_takes_it_for_one(tmp_path, monkeypatch):
    recording, output = text_file(tmp_path / "Talk.mp4", "sound"), tmp_path / "talk.mp4"
    check_output(output, "video", inputs=[recording])  # this disk knows them apart
    real, real_same = Path.stat, Path.samefile

    def stat(self, **options):  # a disk that does not
        folded = {path.name.casefold(): path for path in tmp_path.iterdir()}
        return real(
            folded.get(self.name.casefold(), self) if self.parent == tmp_path else self, **options
        )

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(
        Path, "samefile", lambda a, b: os.path.samestat(Path(a).stat(), Path(b).stat())
    )
    assert real_same(recording, recording)
    with pytest.raises(
        InputError, match=r"talk.mp4: would be overwritten, which is the input .*Talk.mp4"
    ):
        check_output(output, "video", overwrite=True, inputs=[recording])


def test_what_lies_in_an_input_folder_is_an_input_but_a_file_of_ours_for_this_purpose_is_not(
    tmp_path,
):
    shard = text_file(tmp_path / "train.tfrecord", "clips")
    with pytest.raises(InputError, match="belongs to the input"):
        check_output(shard, "sheet", overwrite=True, inputs=[tmp_path])
    check_output(tmp_path / "new.png", "sheet", inputs=[tmp_path])
    check_output(WRITERS["sheet"][1](tmp_path / "clips.png"), "sheet", inputs=[tmp_path])


def test_folders_pipes_and_devices_are_refused_also_with_overwrite(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    for path, kind in (
        (tmp_path, "folder"),
        (tmp_path / "pipe", "pipe or device"),
        (tmp_path / "null", "device"),
    ):
        with pytest.raises(InputError, match=kind):
            check_output(path, "plot", overwrite=True)


def test_inputs_that_are_no_paths_here_are_passed_over(tmp_path):
    path = words(tmp_path / "a.words.json")
    check_output(
        path, "words", inputs=["gs://bucket/set", "openai/whisper-tiny", "a\0b", "x" * 5000, ""]
    )


def test_a_name_that_no_disk_takes_is_one_line(tmp_path):
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(InputError, match="cannot be written"):
            check_output(tmp_path / name, "words")


def test_a_link_is_followed_and_stays(tmp_path):
    target = words(tmp_path / "big disk.json")
    link = tmp_path / "a.words.json"
    link.symlink_to(target)
    write_document(link, {"schema": "ksdiff-words/1", "text": "new"})
    assert link.is_symlink() and "new" in target.read_text()
    target.write_text("the caller's own")
    with pytest.raises(InputError, match="without the mark"):
        words(link)
    assert target.read_text() == "the caller's own"


def test_a_link_that_leads_nowhere_is_refused_and_replaced_when_asked(tmp_path):
    link = tmp_path / "a.words.json"
    link.symlink_to(tmp_path / "unplugged" / "a.json")
    with pytest.raises(InputError, match=r"a link to .*unplugged.*which does not exist"):
        words(link)
    assert not (tmp_path / "unplugged").exists()
    words(link, overwrite=True)
    assert not link.is_symlink() and purpose_of(link) == "words"


def test_a_write_protected_file_of_ours_stays(tmp_path):
    path = words(tmp_path / "a.words.json")
    path.chmod(0o444)
    with pytest.raises(InputError, match="write-protected"):
        words(path)
    words(path, overwrite=True)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_while_the_work_goes_on_stays(tmp_path, monkeypatch, links):
    if not links:  # FAT, some network disks

        def no_links(*where, **how):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "a.words.json"
    with pytest.raises(InputError, match="without the mark"), writing(path, "words") as temporary:
        temporary.write_text("ours")
        path.write_text("the caller's own")
    assert path.read_text() == "the caller's own" and list(tmp_path.iterdir()) == [path]


def test_of_two_processes_that_write_the_same_the_later_one_replaces(tmp_path):
    path = tmp_path / "a.words.json"
    with writing(path, "words") as temporary:
        temporary.write_text('{"schema": "ksdiff-words/1", "text": "later"}')
        words(path)
    assert "later" in path.read_text() and list(tmp_path.iterdir()) == [path]


# Folders that are written as a whole.


def data_set(path, **options):
    write_dataset(
        path, {"train": [make_clip(1, frames=20)]}, licence="", made_by="a test", **options
    )


def checkpoint(path, **options):
    params = {"scale": np.ones((), np.float32)}
    save_pretrained(path, config=CONFIG, params=params, space=STATISTICS, **options)


FOLDERS = {"a data set": (data_set, DATA_SET), "a checkpoint": (checkpoint, CHECKPOINT)}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_of_ours_is_replaced_and_what_others_put_into_it_stays(tmp_path, kind):
    write, folder_kind = FOLDERS[kind]
    folder = tmp_path / "folder"
    write(folder)
    (folder / "notes").mkdir()
    text_file(folder / "notes" / "a.txt", "the caller's own").chmod(0o600)
    (folder / "link").symlink_to("notes")
    write(folder)
    assert folder_kind.other_names(folder) == ["link", "notes"]
    assert (folder / "link" / "a.txt").read_text() == "the caller's own" and (
        folder / "link"
    ).is_symlink()
    assert (folder / "notes" / "a.txt").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_of_somebody_else_is_refused_and_with_overwrite_only_files_of_our_names_go(
    tmp_path, kind
):
    write, folder_kind = FOLDERS[kind]
    manifest = text_file(tmp_path / folder_kind.manifest, '{"labels": []}')
    text_file(tmp_path / "thesis.txt", "years of work")
    with pytest.raises(InputError, match=f"not empty and not {kind}"):
        write(tmp_path)
    assert manifest.read_text() == '{"labels": []}' and len(list(tmp_path.iterdir())) == 2
    write(tmp_path, overwrite=True)
    assert folder_kind.owns(tmp_path) and (tmp_path / "thesis.txt").read_text() == "years of work"


def test_shards_of_the_data_set_before_go(tmp_path):
    write_dataset(
        tmp_path / "set", {"val": [make_clip(1, frames=20)]}, licence="", made_by="a test"
    )
    data_set(tmp_path / "set")
    assert set(dataset_info(tmp_path / "set").splits) == {"train"} and not list(
        (tmp_path / "set").glob("val-*")
    )


def test_a_folder_that_a_file_browser_opened_is_empty(tmp_path):
    (tmp_path / ".DS_Store").touch()
    check_output_folder(tmp_path, DATA_SET)


def test_a_linked_folder_is_written_where_it_lies(tmp_path):
    (tmp_path / "big disk").mkdir()
    (tmp_path / "set").symlink_to("big disk")
    data_set(tmp_path / "set")
    data_set(tmp_path / "set")
    assert (tmp_path / "set").is_symlink() and DATA_SET.owns(tmp_path / "big disk")


def test_a_file_or_a_link_to_nothing_is_no_place_for_a_folder(tmp_path):
    text_file(tmp_path / "thesis", "years of work")
    (tmp_path / "link").symlink_to("unplugged")
    with pytest.raises(InputError, match="a file is in the way"):
        check_output_folder(tmp_path / "thesis", ENCODER, overwrite=True)
    with pytest.raises(InputError, match="which does not exist"):
        check_output_folder(tmp_path / "link", ENCODER)


def test_a_folder_that_cannot_be_replaced_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    for folder in (".", "..", tmp_path / "here", tmp_path / "here" / "below"):
        with pytest.raises(InputError, match=r"current folder.*name a folder in it"):
            check_output_folder(folder, DATA_SET)
    check_output_folder("set", DATA_SET)
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "volume")
    (tmp_path / "volume").mkdir()
    with pytest.raises(InputError, match="another disk"):
        check_output_folder(tmp_path / "volume", DATA_SET, overwrite=True)


def test_an_output_folder_that_is_or_holds_an_input_is_refused(tmp_path):
    (tmp_path / "all" / "videos").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "all")
    inside = text_file(tmp_path / "all" / "videos" / "a.mp4", "a video")
    for folder, given in (
        ("all", "all"),
        ("link", "all"),
        ("all", "all/videos"),
        ("link", inside),
        ("all", "link"),
    ):
        with pytest.raises(InputError, match="never overwritten"):
            check_output_folder(
                tmp_path / folder, DATA_SET, overwrite=True, inputs=[tmp_path / given]
            )
    check_apart(tmp_path / "all" / "videos" / "shards", [tmp_path / "all", inside])


def test_names_are_alike_only_where_the_disk_takes_them_for_one(tmp_path, monkeypatch):
    alike = stored_alike(tmp_path / "not" / "there" / "yet")
    assert alike("A") != alike("a")
    monkeypatch.setattr(Path, "exists", lambda self: True)
    alike = stored_alike(tmp_path)
    assert alike("A\u00e9") == alike("ae\u0301") and list(tmp_path.iterdir()) == []
