"""Whisper's features: log-mel frames by their definition, unaffected by padding, in windows that
join, and with a bounded look-ahead.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech import load_encoder, whisper_recording
from ksdiff_jax.speech.backbone import encode
from ksdiff_jax.speech.whisper import plan_windows
from ksdiff_jax.speech.whisper_mel import decades, mirrored, normalised
from tests.speech.test_load import speechlike
from tests.speech.tiny_whisper_encoder import LAYOUT, write_folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_encoder(write_folder(tmp_path_factory.mktemp("whisper") / "model"))


def test_log_mel_frames_are_those_of_the_definition():
    audio = speechlike(0.5)
    padded = np.concatenate([audio[200:0:-1], audio, np.zeros(1_000)]).astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    librosa_module("core")  # the first import compiles, here under a lock
    import librosa

    filters = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80, fmin=0.0, fmax=8_000.0)
    rows = []
    for frame in range(50):
        spectrum = np.fft.rfft(window * padded[160 * frame : 160 * frame + 400])
        rows.append(np.log10(np.maximum(filters @ np.abs(spectrum) ** 2, 1e-10)))
    expected = (np.maximum(rows, np.max(rows) - 8.0) + 4.0) / 4.0

    @jax.jit
    def log_mel(heard):
        y = decades(mirrored(heard, silence=320), bands=80)[:, :50]
        return normalised(y, y.max(axis=(1, 2)))

    found = log_mel(jnp.asarray(audio)[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("sound", [0.0, 1.0])
def test_silence_and_clipping_are_finite(encoder, sound):
    audio = np.full(6_400, sound, np.float32)
    assert np.isfinite(encoder.chunked(audio)).all()


def test_a_recording_in_a_padded_batch_gives_what_it_gives_alone(encoder):
    """Also one longer than the positions: of 9 s, which is two windows."""
    recordings = speechlike(9.0, seed=1), speechlike(0.9, seed=2)
    batch = np.zeros((2, 16_000 * 11), np.float32)
    for row, audio in zip(batch, recordings, strict=True):
        row[: len(audio)] = audio
        row[len(audio) :] = 0.3  # of no consequence
    mask = np.arange(550) < np.array([[450], [45]])
    found = encode(encoder.params, batch, mask, config=encoder.config, dtype="float32")
    assert found.shape == (2, 550, 16)
    for row, audio in zip(np.asarray(found), recordings, strict=True):
        alone = encoder.chunked(audio)
        np.testing.assert_allclose(row[: len(alone)], alone, atol=1e-5 * np.abs(alone).max())


@pytest.mark.parametrize("longest", [300, 1500])
def test_windows_cover_every_frame_once_and_begin_where_they_begin_for_any_length(longest):
    step = longest - min(300, longest // 2)
    for frames in (1, longest - 50, longest - 49, longest, 3 * longest, 3 * longest + 7):
        covered = []
        windows = plan_windows(frames, longest=longest)
        for index, (start, keep) in enumerate(windows):
            assert start == step * index
            assert keep.start == (min(frames, start + (longest - step) // 2) if index else 0)
            assert keep.stop <= start + longest - (0 if keep.stop == frames else 50)
            covered += range(keep.start, keep.stop)
        assert covered == list(range(frames))
        assert windows[-1][0] + longest >= frames + 50


def test_windows_without_attention_and_positions_are_the_whole(encoder):
    blind = jax.tree.map(np.copy, encoder.params)
    for index in range(LAYOUT.num_layers):
        blind[f"layers_{index}"]["attention"]["output"]["kernel"][:] = 0.0
    blind["positions"][:] = 0.0
    audio = speechlike(11.0, seed=3)
    windows = dataclasses.replace(encoder, params=blind).chunked(audio)
    blind |= {"positions": np.zeros((600, 16), np.float32)}
    wide, every = dataclasses.replace(LAYOUT, positions=600), np.ones((1, 550), bool)
    whole = np.asarray(encode(blind, audio[None], every, config=wide, dtype="float32"))[0]
    np.testing.assert_allclose(windows, whole, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("seconds", [2.5, 31.3])
def test_features_that_are_computed_when_they_are_read_are_those_of_the_whole(
    encoder, monkeypatch, seconds
):
    audio = speechlike(seconds)
    whole, runs = encoder.chunked(audio), []
    encoded = whisper_recording.encode_log_mel
    monkeypatch.setattr(
        whisper_recording,
        "encode_log_mel",
        lambda *given, **options: runs.append(given) or encoded(*given, **options),
    )
    rows = encoder.rows(audio)
    assert not runs and rows.shape == whole.shape and len(rows) == len(whole)
    cuts = [slice(first, first + 150) for first in range(0, len(whole), 120)]
    for cut in cuts:
        np.testing.assert_array_equal(rows[cut], whole[cut])
    assert len(runs) == len(plan_windows(len(whole), longest=300))  # each once
    np.testing.assert_array_equal(np.asarray(rows), whole)


def test_a_sliding_window_over_everything_is_the_recording(encoder):
    """The sound ends in silence, so that its last log-mel frame is silent either way."""
    audio = np.concatenate([speechlike(1.9), np.zeros(1_600, np.float32)])
    whole = encoder.chunked(audio)
    found = encoder.sliding(audio, past_s=0.0, step_s=4.6, ahead_s=0.2)
    np.testing.assert_allclose(found, whole, atol=1e-5 * np.abs(whole).max())


def test_a_sliding_frame_depends_on_4_s_of_past_and_a_fifth_of_a_second_to_come(encoder):
    audio = speechlike(6.0, seed=4)
    audio[:320] = 1.0  # loudest, so that no later maximum counts
    before, after = audio.copy(), audio.copy()
    before[1_600:9_600] = 0.0  # frames 5 to 29
    after[320 * 200 :] = 0.5
    whole = encoder.sliding(audio)
    assert whole.shape == (300, 16)
    changed = np.abs(encoder.sliding(after) - whole).max(axis=1) > 0
    assert not changed[:190].any() and changed[190:].all()
    changed = np.abs(encoder.sliding(before) - whole).max(axis=1) > 0
    assert changed[5:220].all() and not changed[240:].any()


def test_a_sliding_form_that_does_not_fit_the_positions_is_refused(encoder, tiny_encoder):
    with pytest.raises(InputError, match="5 s at most together"):
        encoder.sliding(speechlike(1.0), past_s=6.0)
    with pytest.raises(InputError, match=r"need a step of at least 0\.02 s"):
        encoder.sliding(speechlike(1.0), step_s=0.0)
    with pytest.raises(InputError, match="a wav2vec2 has no sliding form"):
        load_encoder(tiny_encoder).sliding(speechlike(1.0))


def test_a_recording_below_one_window_is_refused(encoder):
    with pytest.raises(InputError, match=r"399 samples \(25 ms\)"):
        encoder.chunked(np.zeros(399, np.float32))
