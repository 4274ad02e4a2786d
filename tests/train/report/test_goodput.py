"""Buckets of time add up to the wall time, on a simulated clock, also over restarts and crashes."""

import io
import json

import jax
import pytest
from jax.sharding import AxisType

from ksdiff_jax.overrides import override
from ksdiff_jax.train.loop import Watching, train
from ksdiff_jax.train.report.goodput import TIME_BUCKETS, Goodput, read_goodput
from ksdiff_jax.train.report.progress import Progress, progress_line
from ksdiff_jax.train.report.utilisation import Utilisation, peak_flops_per_s
from tests.train.toy import ToySystem, open_toy, toy_batch, toy_config


class FakeTime:
    """A clock and a time of day that pass only when told to."""

    def __init__(self, of_day=1000.0):
        self.passed, self.of_day = 0.0, of_day

    def wait(self, seconds):
        self.passed += seconds
        self.of_day += seconds

    def goodput(self):
        start = self.passed
        return Goodput(clock=lambda: self.passed - start, now=lambda: self.of_day)


def a_process(time, workdir, *, resumed_at=0, steps=4, ended=False):
    """Set up 3 s, compile 10 s, then steps of 2 s after 0.5 s of waiting; a checkpoint of 1 s after
    every second.
    """
    goodput = time.goodput()
    time.wait(3)
    goodput.resume(workdir, step=resumed_at)
    goodput.begin()
    with goodput.spent("compile"):
        time.wait(10)
    for step in range(resumed_at + 1, resumed_at + steps + 1):
        with goodput.spent("data"):
            time.wait(0.5)
        time.wait(2)
        goodput.count_step()
        if step % 2 == 0:
            with goodput.spent("checkpoint"):
                time.wait(1)
            goodput.saved(step)
        goodput.write(workdir)
    goodput.write(workdir, ended=ended)
    return goodput


def nonzero(goodput):
    return {bucket: seconds for bucket, seconds in goodput.seconds().items() if seconds}


def test_every_second_is_in_one_bucket(tmp_path):
    time = FakeTime()
    goodput = a_process(time, tmp_path)
    assert nonzero(goodput) == {"start": 3, "compile": 10, "data": 2, "step": 8, "checkpoint": 2}
    assert sum(goodput.seconds().values()) == time.passed == 25
    assert read_goodput(tmp_path)["goodput"] == pytest.approx(8 / 25)


def test_an_inner_bucket_is_not_counted_twice():
    time = FakeTime()
    goodput = time.goodput()
    goodput.begin()
    with goodput.spent("validation"):
        time.wait(2)
        with pytest.raises(ValueError), goodput.spent("checkpoint"):
            time.wait(5)
            raise ValueError
        time.wait(1)
    time.wait(4)
    assert nonzero(goodput) == {"validation": 3, "checkpoint": 5, "step": 4}


def test_a_lap_tells_speed_and_data_wait_without_compilation_and_validation():
    time = FakeTime()
    goodput = time.goodput()
    goodput.begin()
    with goodput.spent("compile"):
        time.wait(60)
    for _ in range(4):
        with goodput.spent("data"):
            time.wait(0.5)
        time.wait(1.5)
        goodput.count_step()
    with goodput.spent("validation"):
        time.wait(100)
    assert goodput.lap() == {"steps_per_s": 4 / 8, "data_wait": 2 / 8, "goodput": 6 / 168}
    assert goodput.lap() == {"data_wait": 0.0, "goodput": 6 / 168}  # no step was finished: no speed


def test_a_resumed_run_goes_on_counting_and_a_night_between_orderly_processes_is_not_its_fault(
    tmp_path,
):
    time = FakeTime()
    a_process(time, tmp_path, ended=True)
    time.wait(8 * 3600)
    goodput = a_process(time, tmp_path, resumed_at=4, ended=True)
    assert nonzero(goodput) == {
        "start": 3,
        "restart": 3,
        "compile": 20,
        "data": 4,
        "step": 16,
        "checkpoint": 4,
    }
    assert sum(goodput.seconds().values()) == time.passed - 8 * 3600
    assert read_goodput(tmp_path)["starts"] == 2


def test_steps_after_the_last_checkpoint_of_a_killed_process_are_lost_and_so_is_the_wait(
    tmp_path,
):
    time = FakeTime()
    a_process(time, tmp_path, steps=3)  # killed after step 3; step 2 was saved
    time.wait(40)
    goodput = a_process(time, tmp_path, resumed_at=2, steps=2)
    assert nonzero(goodput) == {
        "start": 3,
        "restart": 40 + 3,
        "compile": 20,
        "data": 2.5,
        "step": 8,
        "checkpoint": 2,
        "lost": 2,
    }
    assert sum(goodput.seconds().values()) == time.passed


def test_going_back_two_checkpoints_loses_what_both_held(tmp_path):
    time = FakeTime()
    a_process(time, tmp_path, steps=5)
    assert a_process(time, tmp_path, resumed_at=2, steps=1).seconds()["lost"] == 6


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"seconds": {"step": 1}}'])
def test_a_damaged_record_starts_a_new_count(tmp_path, content):
    (tmp_path / "goodput.json").write_text(content)
    assert nonzero(a_process(FakeTime(), tmp_path))["start"] == 3


def test_a_real_run_adds_up_and_says_so_in_every_log(tmp_path):
    said = io.StringIO()

    config = toy_config(log_every=2)

    def toy_run(steps):
        progress = Progress(steps, stream=said)
        train(
            override(config, {"train.steps": steps}),
            tmp_path,
            build_system=ToySystem,
            open_data=open_toy,
            progress=progress,
            watching=Watching(step_flops=lambda system, batch: 1e6 * batch.motion.shape[0]),
        )
        return read_goodput(tmp_path)

    first = toy_run(10)
    record = toy_run(20)
    assert set(record["seconds"]) == set(TIME_BUCKETS) and record["ended"] and record["starts"] == 2
    assert sum(record["seconds"].values()) == pytest.approx(record["wall_s"])
    assert all(record["seconds"][bucket] > 0 for bucket in TIME_BUCKETS if bucket != "lost")
    assert record["seconds"]["lost"] < 1 and record["wall_s"] > first["wall_s"]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["split"] == "train"][-1]
    assert last["frames_per_s"] == pytest.approx(last["steps_per_s"] * 8 * config.data.clip_frames)
    assert last["tflops_per_s"] == pytest.approx(last["steps_per_s"] * 8e6 / 1e12)
    assert 0 < last["goodput"] < 1 and 0 <= last["data_wait"] < 1 and "mfu" not in last
    assert (
        "frames/s" in said.getvalue()
        and "TFLOP/s" in said.getvalue()
        and "goodput" in said.getvalue()
    )


def test_peaks_are_known_for_common_devices_and_nothing_is_made_up_for_others():
    assert (
        peak_flops_per_s("NVIDIA H100 80GB HBM3", "bfloat16")
        == peak_flops_per_s("NVIDIA H200", "bfloat16")
        == 989e12
    )
    assert peak_flops_per_s("NVIDIA H100 PCIe", "bfloat16") < 989e12
    assert peak_flops_per_s("NVIDIA A100-SXM4-80GB", "float32") == 156e12
    assert (
        peak_flops_per_s("TPU v5 lite", "bfloat16")
        == peak_flops_per_s("TPU v5e", "bfloat16")
        == 197e12
    )
    assert (
        peak_flops_per_s("TPU v5p", "bfloat16") == peak_flops_per_s("TPU v5", "bfloat16") == 459e12
    )
    assert (
        peak_flops_per_s("TPU v6 lite", "bfloat16") == 918e12
        and peak_flops_per_s("TPU v4", "bfloat16") == 275e12
    )
    assert (
        peak_flops_per_s("cpu", "float32") is None
        and peak_flops_per_s("NVIDIA H200", "int8") is None
    )


def test_mfu_is_work_over_what_all_devices_could_do(monkeypatch):
    monkeypatch.setattr(
        "ksdiff_jax.train.report.utilisation.peak_flops_per_s", lambda kind, dtype: 1e12
    )
    mesh = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))
    used = Utilisation(lambda batch: 2e11, mesh, dtype="float32", clip_frames=4)
    used.see(toy_batch(0))
    figures = used.figures(steps_per_s=2.0)
    assert figures == {"frames_per_s": 2 * 8 * 4, "tflops_per_s": 0.4, "mfu": pytest.approx(0.4)}
    entry = {
        "step": 5,
        "loss": 1.0,
        "steps_per_s": 2.0,
        "data_wait": 0.015,
        "goodput": 0.9,
        **figures,
    }
    assert "64 frames/s  0.4 TFLOP/s  MFU 40.0 %  left 0:02  data wait 1.5 %" in progress_line(
        entry, 10
    )
