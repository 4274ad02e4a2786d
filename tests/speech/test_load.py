"""Features of recordings: unaffected by padding, at the right frames, with chunks that join."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech import load_encoder
from ksdiff_jax.speech.front_end import frame_count, hop_samples, receptive_field
from ksdiff_jax.speech.pretrained import PretrainedEncoder
from ksdiff_jax.speech.wav2vec2_recording import _chunks
from tests.tiny_encoder import LAYOUT, write_tiny_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_encoder(write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", seed=0))


def speechlike(seconds: float, *, seed: int = 0) -> np.ndarray:
    """Bursts of low-passed noise, four a second, with an offset."""
    random = np.random.default_rng(seed)
    samples = int(16_000 * seconds)
    noise = np.convolve(random.normal(size=samples), np.hanning(24) / 12, mode="same")
    level = np.interp(
        np.arange(samples),
        np.linspace(0, samples, int(4 * seconds) + 2),
        random.random(int(4 * seconds) + 2),
    )
    return (0.2 * level**2 * noise + 0.01).astype(np.float32)


def test_the_usual_layout_hears_400_samples_every_320():
    assert receptive_field(LAYOUT) == 400 and hop_samples(LAYOUT) == 320
    assert [frame_count(samples, LAYOUT) for samples in (399, 400, 719, 720, 160_000)] == [
        0,
        1,
        1,
        2,
        499,
    ]


def test_there_is_a_frame_for_every_320_samples_and_it_is_centred_on_them(encoder):
    audio = 1e-3 * np.random.default_rng(0).normal(size=6400).astype(np.float32)
    assert encoder(audio[None]).shape == (1, 20, LAYOUT.hidden_size)

    # The front end alone is local: a click within the 320 samples of frame 10 changes it, one 400
    # away does not.
    @jax.jit
    def local_features(padded):
        return PretrainedEncoder(LAYOUT).apply(
            {"params": encoder.params}, padded, method=lambda module, heard: module.front_end(heard)
        )[0]

    def front_end(sound):
        return np.asarray(local_features(jnp.pad(jnp.asarray(sound)[None], ((0, 0), (40, 40)))))

    clicked = audio.copy()
    clicked[10 * 320 + 160] += 1.0
    heard = np.abs(front_end(clicked) - front_end(audio)).max(axis=-1)
    assert heard.argmax() == 10 and len(heard) == 20


@pytest.mark.parametrize("seconds", [0.5, 1.9, 3.3])
def test_padding_to_a_bucket_is_unheard(encoder, seconds):
    audio = speechlike(seconds)
    alone = np.asarray(encoder(audio[None]))[0]
    bucketed = encoder.chunked(audio)
    assert bucketed.shape == alone.shape
    np.testing.assert_allclose(bucketed, alone, atol=2e-5 * np.abs(alone).max())


def test_a_recording_in_a_padded_batch_gives_what_it_gives_alone(encoder):
    short, long = speechlike(0.9, seed=1), speechlike(1.7, seed=2)
    batch = np.zeros((2, len(long)), np.float32)
    batch[0, : len(short)], batch[1] = short, long
    mask = np.arange(len(long) // 320) < np.array([[len(short) // 320], [len(long) // 320]])
    hear = jax.jit(PretrainedEncoder(LAYOUT).apply)
    found = np.asarray(hear({"params": encoder.params}, jnp.asarray(batch), jnp.asarray(mask)))
    for row, audio in enumerate((short, long)):
        alone = np.asarray(encoder(audio[None]))[0]
        np.testing.assert_allclose(found[row, : len(alone)], alone, atol=2e-5 * np.abs(alone).max())


def test_chunks_cover_every_frame_once_and_have_one_length():
    for frames in (100, 101, 150, 333, 1000):
        covered = []
        for start, keep in _chunks(frames, chunk=100, margin=20):
            assert 0 <= start <= frames - 100
            assert keep.start - start >= (20 if start else 0)
            assert start + 100 - keep.stop >= (20 if keep.stop < frames else 0)
            covered += range(keep.start, keep.stop)
        assert covered == list(range(frames))


def test_a_long_recording_in_chunks_is_the_whole_but_for_the_attention(encoder):
    """Norms over the whole recording stay exact; random attention, which takes in everything,
    differs by 14 %.
    """
    audio = speechlike(20.0, seed=3)
    whole = np.asarray(encoder(audio[None]))[0]
    chunked = encoder.chunked(audio, chunk_s=8.0, overlap_s=4.0)
    assert chunked.shape == whole.shape
    error = np.abs(chunked - whole).max(axis=-1) / np.abs(whole).max()
    assert 0.0 < error.max() < 0.2

    blind = jax.tree.map(np.copy, encoder.params)
    for index in range(LAYOUT.num_layers):
        blind[f"layers_{index}"]["attention"]["output"]["kernel"][:] = 0.0
    local = type(encoder)(LAYOUT, blind, "", "")
    exact = np.asarray(local(audio[None]))[0]
    np.testing.assert_allclose(
        local.chunked(audio, chunk_s=8.0, overlap_s=4.0), exact, atol=1e-4 * np.abs(exact).max()
    )


def test_overlap_must_be_less_than_a_chunk(encoder):
    with pytest.raises(InputError, match="need less overlap than chunk"):
        encoder.chunked(speechlike(1.0), chunk_s=2.0, overlap_s=2.0)
