"""Streams of a small model: equal to recordings, whatever the chunks, and never changed later."""

import contextlib
import dataclasses
import io
import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.stream import StreamState
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME
from ksdiff_jax.cli import animate_stream
from ksdiff_jax.cli.animate_stream import computed_ahead, pcm_chunks
from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.main import main
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.pretrained import Pretrained
from ksdiff_jax.overrides import override
from tests.animate.fake_system import STATISTICS
from tests.models.ksdiff.conftest import TINY

CONFIG = override(
    TINY,
    {
        "model.width": "8",
        "model.keyframes.layers": "1",
        "model.speech_paths.groups": "4",
        "model.speech_paths.dilations": "4",
        "model.transcript.enabled": "false",
        "model.generator.dual_path": "false",
        "model.causal.probability": "0.5",
        "model.regression.enabled": "true",
        "sample.causal_regression_weight": "0.5",
        "sample.causal_regression_gain": "2.0",
        "sample.causal_guidance": "1.5",
        "sample.steps": "2",
    },
)
DRAW = np.random.default_rng(0)
SOUND = (DRAW.normal(size=20_000) * 3000).astype(np.int16)


@pytest.fixture(scope="module")
def animator(tmp_path_factory):
    system = build_system(CONFIG, STATISTICS)
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    params = jax.tree.map(
        lambda leaf: jnp.asarray(DRAW.normal(size=leaf.shape) * 0.3, jnp.float32), shapes
    )
    folder = tmp_path_factory.mktemp("model")
    return Animator(Pretrained(CONFIG, params, STATISTICS, "0" * 64, folder), system=system)


def streamed(animator, size, sound=SOUND, **options):
    chunks = [sound[at : at + size] for at in range(0, len(sound), size)]
    return list(animator.stream(chunks, **options))


def joined(parts):
    return np.concatenate([part.coefficients for part in parts])


def test_a_stream_is_the_causal_recording_bit_for_bit_in_chunks_of_any_length(animator):
    whole = animator(SOUND, sample_rate_hz=16_000, causal=True)
    parts = streamed(animator, 320)
    np.testing.assert_array_equal(joined(parts), whole.coefficients)
    np.testing.assert_array_equal(joined(streamed(animator, 16_000)), whole.coefficients)
    times = np.concatenate([part.timestamps for part in parts])
    np.testing.assert_allclose(times, np.arange(len(whole)) / 25)
    assert np.abs(joined(streamed(animator, 16_000, seed=1)) - whole.coefficients).max() > 1e-4


def test_a_stream_has_its_own_guidance_and_share_of_the_regression(animator):
    part = SOUND[: 4 * FRAME]
    plain = animator(part, sample_rate_hz=16_000)
    others = {"causal_regression_weight": 0.0, "causal_regression_gain": 1.0}
    own = joined(streamed(animator, FRAME, part))
    assert np.abs(own - joined(streamed(animator, FRAME, part, **others))).max() > 1e-3
    plainly = joined(streamed(animator, FRAME, part, causal_guidance=1.0))
    assert np.abs(own - plainly).max() > 1e-3
    np.testing.assert_array_equal(joined(streamed(animator, FRAME, part, guidance=1.0)), plainly)
    others |= {"causal_guidance": 3.0}
    unchanged = animator(part, sample_rate_hz=16_000, **others)
    np.testing.assert_array_equal(unchanged.coefficients, plain.coefficients)


def test_frames_depend_on_no_sound_beyond_the_look_ahead(animator):
    changed = SOUND.copy()
    changed[9 * FRAME :] = 0  # the first block reads 6 frames, the second 10
    one, other = joined(streamed(animator, FRAME)), joined(streamed(animator, FRAME, changed))
    np.testing.assert_array_equal(one[:4], other[:4])
    assert (one[4:8] != other[4:8]).any()


def test_a_saved_stream_continues_bit_for_bit_and_not_with_another_seed(animator, tmp_path):
    begun = animator.stream()
    parts = begun.push(SOUND[:9_001])
    file = begun.state.save(tmp_path / "a.npz")
    again = animator.stream(state=StreamState.load(file))
    parts += again.push(SOUND[9_001:]) + again.finish()
    np.testing.assert_array_equal(joined(parts), joined(streamed(animator, 320)))
    with pytest.raises(InputError, match="seed is 1, the state was saved with 0"):
        animator.stream(seed=1, state=StreamState.load(file))
    (tmp_path / "b.npz").write_bytes(b"no")
    with pytest.raises(InputError, match="not the state of a stream"):
        StreamState.load(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (np.full(3, np.nan, np.float32), "sample 0 .*NaN or infinite"),
        (np.zeros((4, 2), np.float32), r"shape \(4, 2\), need \(samples,\)"),
        (np.zeros(4), "float64, need float32"),
    ],
)
def test_a_chunk_that_cannot_be_used_is_named(animator, chunk, message):
    with pytest.raises(InputError, match=message):
        animator.stream().push(chunk)


def test_streams_without_sound_and_with_impossible_settings_are_refused(animator):
    with pytest.raises(InputError, match="ended before the first sample"):
        list(animator.stream([np.zeros(0, np.int16)]))
    with pytest.raises(InputError, match="sample_rate_hz: got 0"):
        animator.stream(sample_rate_hz=0)
    with pytest.raises(InputError, match="look_ahead_ms: got 50"):
        animator.stream(look_ahead_ms=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dataclasses.is_dataclass(animator.stream(look_ahead_ms=40).state)


def test_zero_samples_change_nothing(animator):
    stream = animator.stream()
    assert stream.push(np.zeros(0, np.float32)) == []
    parts = stream.push(SOUND[:9_000]) + stream.push(SOUND[:0]) + stream.push(SOUND[9_000:])
    np.testing.assert_array_equal(
        joined(parts + stream.finish()), joined(streamed(animator, 20_000))
    )
    with pytest.raises(InputError, match="it has ended"):
        stream.push(SOUND)


@pytest.fixture
def given(animator, monkeypatch, tmp_path):
    """The command's model is the small one; call this with what is on standard input."""

    def standard_input(data):
        (tmp_path / "speech.raw").write_bytes(data)
        file = stack.enter_context((tmp_path / "speech.raw").open("rb"))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))

    monkeypatch.setattr(animate_stream, "_animator", lambda args: animator)
    with contextlib.ExitStack() as stack:
        yield standard_input


@pytest.mark.parametrize("form", ["s16le", "f32le"])
def test_the_command_prints_the_frames_of_the_stream(animator, given, capsys, form):
    sound = SOUND if form == "s16le" else (SOUND / 32768).astype(np.float32)
    given(sound.tobytes() + b"x")
    assert main(["animate", "--stream", "-", "--sample-format", form, "--seed", "3"]) == 0
    printed = capsys.readouterr()
    about, *lines = map(json.loads, printed.out.splitlines())
    assert about["schema"] == "ksdiff-frames/1" and about["fps"] == 25
    assert [line["frame"] for line in lines] == list(range(31)) and lines[30]["time_s"] == 1.2
    names = ("exp", "global_orient", "jaw_pose", "cam")
    values = np.float32([[value for name in names for value in line[name]] for line in lines])
    np.testing.assert_array_equal(values, joined(streamed(animator, 320, sound, seed=3)))
    assert "ended within a sample" in printed.err


def test_the_frames_before_a_nan_are_printed(given, capsys):
    sound = np.zeros(30_000, np.float32)
    sound[25_000] = np.nan
    given(sound.tobytes())
    assert main(["animate", "--stream", "-", "--sample-format", "f32le"]) == 2
    printed = capsys.readouterr()
    assert "sample 25,000 (1.562 s) is NaN" in printed.err and printed.err.count("\n") <= 2
    assert len(printed.out.splitlines()) == 1 + round(24 * 1024 / FRAME)  # a read is 1,024


def test_a_sample_may_be_spread_over_two_reads():
    reads = iter([b"\x01", b"\x00\x02\x00\x03", b"\x00", b""])
    chunks = list(pcm_chunks(lambda: next(reads), "s16le", Console("animate")))
    assert [chunk.tolist() for chunk in chunks] == [[], [1, 2], [3]]


def test_an_error_is_raised_after_the_parts_before_it():
    def parts():
        yield from "abc"
        raise InputError("no more")

    ahead, got = computed_ahead(parts()), []
    with pytest.raises(InputError, match="no more"):
        for part in ahead:
            got.append(part)
    assert got == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stream", "a.wav"], "need -, standard input"),
        (["--stream", "-", "--formats", "npz"], "--formats: not for live speech"),
        (["--stream", "-", "--json"], "--json: not for live speech"),
        (["--stream", "-", "--port", "9"], "--port: an option of --send"),
        (["--stream", "-", "--send", "vmc", "livelink", "--port", "9"], "port: got one for vmc"),
        (["--stream", "-"], "ended before the first sample"),
        (["a.wav", "--out", "out", "--send", "vmc"], "--send: for --stream only"),
        (["a.wav"], "required: --out"),
    ],
)
def test_a_mistake_with_live_speech_is_one_line(given, capsys, options, message):
    given(b"")
    assert main(["animate", *options]) == 2
    assert message in capsys.readouterr().err
