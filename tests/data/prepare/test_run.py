"""Many sources: what is stored, what is processed again, what a killed process loses, and what is
written.
"""

import json
import multiprocessing
import os
import signal
import time

import pytest

from ksdiff_jax.data.prepare.ledger import Ledger, source_key
from ksdiff_jax.data.prepare.run import (
    Finished,
    check_out,
    finish_sources,
    local_runner,
    report_of,
    write_prepared,
)
from ksdiff_jax.data.prepare.source import Cut, Settings, Source
from ksdiff_jax.data.prepare.work import outcome_of
from ksdiff_jax.data.shards import ShardReader, dataset_info, verify_shards
from ksdiff_jax.errors import InputError
from tests.data.prepare.fakes import callers, calls, fake_work
from tests.promised import BOUND_S
from tests.started import needs_proc, outlasting

SETTINGS = Settings()


def sources_named(folder, *names, speakers=None):
    for name in names:
        (folder / f"{name}.mp4").write_bytes(name.encode())
    owners = speakers or [name.split("-")[0] for name in names]
    return [
        Source(name, video=str(folder / f"{name}.mp4"), speaker_id=owner)
        for name, owner in zip(names, owners, strict=True)
    ]


def finish(sources, folder, *, processes=2, runner=None):
    runner = runner or local_runner(processes=processes, work=fake_work)
    return finish_sources(sources, SETTINGS, Ledger(str(folder / "work")), runner=runner)


def in_this_process(tasks, settings, ledger):
    from ksdiff_jax.data.prepare.pool import finish

    return (finish(key, source, settings, ledger, work=fake_work) for key, source in tasks)


def test_every_way_to_fail_is_a_rejection_with_its_reason():
    reasons = {
        name: outcome_of(Source(name), SETTINGS, work=fake_work).rejections[0]
        for name in ("rejected", "unreadable", "crash")
    }
    assert [item.reason for item in reasons.values()] == ["no_face", "unreadable", "failed"]
    assert "ZeroDivisionError: one over zero (fakes.py, line" in reasons["crash"].detail


def test_sources_become_shards_and_a_report(tmp_path):
    sources = sources_named(tmp_path, "ann-1-tail", "ann-2", "bob-rejected", "bob-broken", "cem-1")
    finished = finish(sources, tmp_path, runner=in_this_process)
    info, report = write_prepared(tmp_path / "out", finished, licence="mine", made_by="test")
    verify_shards(tmp_path / "out")
    assert info.space == "builtin" and info.licence == "mine"
    assert {split: len(ShardReader(tmp_path / "out", split)) for split in info.splits} == {
        "train": 3
    }
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert {reason: item["count"] for reason, item in report["rejected"].items()} == {
        "failed": 1,
        "no_face": 1,
        "too_short": 1,
    }
    assert report["splits"]["train"]["speakers"] == ["ann", "cem"]
    assert report["clips"] == 3 and report["hours"] == pytest.approx(3 * 1.6 / 3600)


def test_finished_sources_are_not_done_again_unless_a_file_has_changed(tmp_path):
    sources = sources_named(tmp_path, "a", "b", "c-rejected")
    finish(sources, tmp_path, runner=in_this_process)
    os.utime(sources[1].video, (1, 1))
    again = finish(sources, tmp_path, runner=in_this_process)
    assert again.kept == 2
    assert [calls(tmp_path / f"{source.source_id}.mp4") for source in sources] == [1, 2, 1]
    # and neither does a damaged file of the work folder count as finished
    path = Ledger(str(tmp_path / "work")).path(source_key(sources[0], SETTINGS))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(bytes(data))
    assert finish(sources, tmp_path, runner=in_this_process).kept == 2


def test_settings_that_matter_are_part_of_the_key_and_the_trackers_place_is_not(tmp_path):
    (source,) = sources_named(tmp_path, "a")
    key = source_key(source, SETTINGS)
    assert (
        len(
            {
                key,
                source_key(source, Settings(max_s=5.0)),
                source_key(source, Settings(stretch=True)),
            }
        )
        == 3
    )
    assert source_key(source, Settings(tracker_python="/elsewhere/python")) == key


def test_a_source_whose_transcript_changes_is_done_again(tmp_path):
    (source,) = sources_named(tmp_path, "a")
    keys = [source_key(source, SETTINGS)]
    for words in ("hello", "hello again"):
        (tmp_path / "a.TextGrid").write_text(words)
        keys.append(source_key(source, SETTINGS))
    (tmp_path / "b.srt").write_text("another's")
    assert len(set(keys)) == 3 and source_key(source, SETTINGS) == keys[-1]


def test_a_killed_process_costs_its_source_only(tmp_path):
    sources = sources_named(tmp_path, "a", "b-killed", "c")
    started = time.monotonic()
    finished = finish(sources, tmp_path)
    assert time.monotonic() - started < 5 * BOUND_S
    assert [len(entry.clip_seconds) for entry in finished.entries] == [1, 0, 1]
    (rejection,) = finished.entries[1].rejections
    assert rejection.reason == "failed" and "died 2 times" in rejection.detail
    assert calls(tmp_path / "b-killed.mp4") == 2


def _finish_slowly(folder, names):
    finish(sources_named_again(folder, names), folder, processes=1)


def sources_named_again(folder, names):
    return [Source(name, video=str(folder / f"{name}.mp4"), speaker_id=name) for name in names]


@needs_proc
def test_a_run_that_was_killed_goes_on_where_it_stopped_and_its_processes_end(tmp_path):
    names = ["a", "b", "c-forever"]
    sources_named(tmp_path, *names)
    run = multiprocessing.get_context("spawn").Process(
        target=_finish_slowly, args=(tmp_path, names)
    )
    run.start()
    deadline = time.monotonic() + 5 * BOUND_S
    while not calls(tmp_path / "c-forever.mp4") and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    workers = callers(tmp_path / "c-forever.mp4")
    left = outlasting(workers, patience_s=BOUND_S)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert workers and not left  # not even those in the middle of a source
    again = finish(sources_named_again(tmp_path, names[:2]), tmp_path, runner=in_this_process)
    assert again.kept == 2
    assert calls(tmp_path / "a.mp4") == calls(tmp_path / "b.mp4") == 1


def test_nothing_usable_is_one_line_with_the_counts_per_reason(tmp_path):
    finished = finish(
        sources_named(tmp_path, "a-rejected", "b-crash"), tmp_path, runner=in_this_process
    )
    with pytest.raises(
        InputError, match=r"none of 2 sources is usable \(1 no_face, 1 failed\).*work"
    ):
        write_prepared(tmp_path / "out", finished)
    assert not (tmp_path / "out").exists()


def test_coefficients_of_two_spaces_are_refused(tmp_path):
    finished = finish(sources_named(tmp_path, "a", "b-bfm"), tmp_path, runner=in_this_process)
    with pytest.raises(InputError, match="1 in bfm space and 1 in builtin space"):
        write_prepared(tmp_path / "out", finished)
    only = finish(sources_named(tmp_path, "b-bfm"), tmp_path, runner=in_this_process)
    write_prepared(tmp_path / "out", only)
    assert dataset_info(tmp_path / "out").space == "bfm"


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not empty and not a data set"):
        check_out(tmp_path)


def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch):
    import errno
    from pathlib import Path

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="cannot write \\(No space left on device"):
        finish([Source("a", speaker_id="a")], tmp_path, runner=in_this_process)


def test_what_failed_unexpectedly_is_tried_again_by_the_next_run(tmp_path):
    sources = sources_named(tmp_path, "a", "b-crash")
    finish(sources, tmp_path, runner=in_this_process)
    assert finish(sources, tmp_path, runner=in_this_process).kept == 1
    assert (calls(tmp_path / "a.mp4"), calls(tmp_path / "b-crash.mp4")) == (1, 2)


def test_what_was_cut_is_kept_with_the_source_and_counted(tmp_path):
    source, cut = (
        Source("a", video="a.mp4"),
        Cut(motion_head_s=0.5, sound_tail_s=0.25, stretch=0.96),
    )
    ledger = Ledger(str(tmp_path / "work"))
    ledger.keep("key", source, fake_work(Source("a"), SETTINGS)._replace(cut=cut), work_s=1.0)
    entry = ledger.find("key")
    assert entry.cut == cut
    report = report_of(
        Finished((source, source), ("key",) * 2, (entry, entry), 0, ledger),
        {"a": "train"},
        made_by="test",
    )
    assert report["cut"] == {
        "sources": 2,
        "motion_head_s": 1.0,
        "motion_tail_s": 0.0,
        "sound_head_s": 0.0,
        "sound_tail_s": 0.5,
        "stretched_sources": 2,
    }
