"""Streams of a small model: equal to recordings, whatever the chunks, and never changed later."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.stream import StreamState
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME
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
