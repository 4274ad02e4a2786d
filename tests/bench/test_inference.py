"""`bench all` and `bench stream`: rows, table, and what is counted."""

import argparse
import dataclasses
import hashlib
import json

import numpy as np
import pytest

from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME
from ksdiff_jax.bench import inference
from ksdiff_jax.bench.durations import measure as compilations
from ksdiff_jax.bench.edited import changes
from ksdiff_jax.bench.inference import Goal, Row, chosen, rows
from ksdiff_jax.bench.keyframes import thresholds_for
from ksdiff_jax.bench.live_stream import measured
from ksdiff_jax.bench.long_speech import drift
from ksdiff_jax.bench.many_files import checked
from ksdiff_jax.bench.streaming import percentiles
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import SHIPPED
from ksdiff_jax.models.ksdiff.keyframe_decoding import DecodedKeyframes
from ksdiff_jax.models.pretrained import read_manifest
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.overrides import load_config


def arguments(*, long=False):
    return argparse.Namespace(checkpoint=None, steps=None, repeats=1, long=long, only=None)


def test_a_row_that_fails_is_a_line_and_the_others_are_measured(monkeypatch, capsys):
    def fails():
        raise RuntimeError("no")

    found = {
        "slow": Row("a", lambda: {"s": 9.0}, (Goal("seconds", "s", 8),)),
        "broken": Row("b", fails, (Goal("seconds", "s", 8),)),
        "fast": Row("c", lambda: {"fps": 26.0}, (Goal("a second", "fps", 25, at_least=True),)),
        "plain": Row("d", lambda: {"s": 1}),
    }
    monkeypatch.setattr(inference, "rows", lambda args: found)
    document = inference.measure(arguments())
    assert [line["figure"] for line in document["rows"]] == list(found)
    assert document["rows"][1]["error"] == "RuntimeError: no"
    assert capsys.readouterr().err.splitlines()[2:] == [
        "| slow: seconds | a | 9 | ≤ 8 | no |",
        "| broken | b | RuntimeError: no | | |",
        "| fast: a second | c | 26 | ≥ 25 | yes |",
        "| plain | d | s 1 | | |",
    ]


def test_long_rows_are_measured_on_request_only():
    short, long = rows(arguments()), rows(arguments(long=True))
    assert {"offline", "load", "decode", "render", "stream", "new process"} < short.keys()
    assert long.keys() - short.keys() == {"first call ever", "three hours", "many files"}


def test_the_paper_rows_have_the_sampler_of_the_shipped_checkpoint_and_of_its_configuration():
    chosen = dict(zip(("sampler", "steps", "spacing"), inference.SAMPLER, strict=True))
    shipped = read_manifest(SHIPPED / "whisper_demo")["config"]["sample"]
    trained = dataclasses.asdict(load_config("whisper_demo").sample)
    assert shipped.items() >= chosen.items() and trained.items() >= chosen.items()


def test_chosen_rows_keep_their_order_and_an_unknown_one_is_refused():
    found = rows(arguments())
    assert list(chosen(found, ["edits", "load"])) == ["load", "edits"]
    assert chosen(found, None) == found
    with pytest.raises(InputError, match=r"--only many: no such row; there are offline, .*edits"):
        chosen(found, ["many"])


@pytest.mark.long
def test_random_durations_compile_no_more_programs_than_there_are_buckets():
    found = compilations(durations=6, longest_frames=150)
    assert 2 <= found["compilations"] <= 3 and found["durations"] > 3  # 64, 128, 192 frames


def test_the_change_of_an_edit_is_in_percent_of_the_deviation():
    base = np.tile(np.array([[-1.0, 0.0], [1.0, 0.0]], np.float32), (50, 1))
    edited, at = base.copy(), np.arange(100) == 30
    edited[30, 0] += 0.5
    assert changes(base, edited, at)["outside"] == 0 < changes(base, edited, at)["inside"]
    edited[60, 0] += 0.02
    assert changes(base, edited, at)["outside"] == pytest.approx(2)
    edited[60, 1] += 0.02  # of a coefficient that never moved
    assert changes(base, edited, at)["outside"] == np.inf


def test_drift_is_in_deviations_of_a_difference():
    noise = np.random.default_rng(0).normal(size=(18, 8))
    assert drift(noise) < 4
    noise[-1] += 20
    assert drift(noise) > 10
    assert drift(np.ones((18, 8))) == 0


@pytest.mark.parametrize("fault", ["", "twice", "missing", "changed", "other"])
def test_a_manifest_is_checked_against_the_files(tmp_path, fault):
    given, out = tmp_path / "in", tmp_path / "out"
    given.mkdir()
    out.mkdir()
    lines = [{"schema": "x"}]
    for name in "ab":
        (given / f"{name}.wav").write_text(name)
        (out / f"{name}.npz").write_text(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        output = {"file": f"{name}.npz", "sha256": digest}
        lines.append({"input": str(given / f"{name}.wav"), "outputs": [output]})
    lines += lines[-1:] if fault == "twice" else []
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if fault == "missing":
        (out / "a.npz").unlink()
    elif fault:
        (out / {"changed": "a.npz", "other": "c.npz", "twice": "b.npz"}[fault]).write_text("b")
    found = checked(given, out)
    assert found == {"once": fault != "twice", "complete": fault in ("", "twice")}


def test_the_thresholds_give_about_one_keyframe_a_second():
    draw = np.random.default_rng(0)
    probabilities = {"head": draw.random((1, 500)), "expression": draw.random((1, 500)) ** 4}

    def decode(thresholds):
        return {
            track: DecodedKeyframes(probabilities[track] > value, probabilities[track], 1)
            for track, value in thresholds.items()
        }

    found = thresholds_for(decode, tuple(probabilities), seconds=20.0)
    for track, value in found.items():
        assert 0.8 <= (probabilities[track] > value).sum() / 20 <= 1.2
    assert found["head"] > found["expression"]


def test_percentiles_are_in_milliseconds():
    found = percentiles([0.001, 0.002, 0.003])
    assert found["p50_ms"] == 2 and found["longest_ms"] == 3
    assert found["p95_ms"] == pytest.approx(2.9)


class FakeStream:
    """Returns a part of four frames for every 160 ms of sound, 240 ms after its first sample."""

    look_ahead_ms = 200

    def __init__(self, wrong_by_chunk):
        self._given, self._frames, self._wrong = 0, 0, wrong_by_chunk

    def push(self, chunk):
        self._given += len(chunk)
        parts = []
        while self._given >= FRAME * (self._frames + 6):
            parts.append(self._part(4, level=len(chunk) if self._wrong else 0.0))
        return parts

    def finish(self):
        return [self._part(self._given // FRAME - self._frames, level=0.0)]

    def _part(self, frames, *, level):
        motion = Motion.from_coefficients(np.full((frames, MOTION_DIMS), level / 1e6, np.float32))
        times_s = (self._frames + np.arange(frames)) / 25
        self._frames += frames
        return dataclasses.replace(motion, timestamps=times_s)


@pytest.mark.parametrize("wrong_by_chunk", [False, True])
def test_the_figures_of_a_stream(wrong_by_chunk):
    speech = np.zeros(16_000, np.float32)
    found = measured(lambda: FakeStream(wrong_by_chunk), speech)
    assert found["same_frames"] is not wrong_by_chunk
    assert found["first_frame_ms"]["sound"] == 240 and found["first_frame_ms"]["total"] >= 240
    assert found["delay_ms"]["longest"] >= found["delay_ms"]["p50"] >= 240
