"""Our encoders against transformers' own, every layout, every hidden state, float32."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-parity brings it")

from ksdiff_jax.speech.front_end import frame_count  # noqa: E402
from ksdiff_jax.speech.hugging_face import convert_weights, read_weights  # noqa: E402
from ksdiff_jax.speech.hugging_face_config import read_config  # noqa: E402
from ksdiff_jax.speech.pretrained import PretrainedEncoder  # noqa: E402
from ksdiff_jax.speech.relative_positions import relative_buckets  # noqa: E402
from ksdiff_jax.tree import nested  # noqa: E402
from tests.speech.originals import LAYOUTS, build, save  # noqa: E402

pytestmark = pytest.mark.parity
TOLERANCE = 2e-5  # of the largest value of the state


def sound(samples: int, *, batch: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, samples)).astype(np.float32)


def ours(folder):
    config = read_config(folder)
    return config, nested(convert_weights(read_weights(folder), config, source=str(folder))[0])


def compare(theirs, states, *, tolerance: float) -> None:
    assert len(states.hidden) == len(theirs.hidden_states)
    pairs = [
        (theirs.last_hidden_state, states.last),
        *zip(theirs.hidden_states, states.hidden, strict=True),
    ]
    for reference, found in pairs:
        reference = reference.numpy()
        assert found.shape == reference.shape
        assert np.abs(np.asarray(found) - reference).max() <= tolerance * np.abs(reference).max()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_hidden_state_equals_the_originals(layout, tmp_path):
    model = build(layout)
    config, params = ours(save(model, tmp_path))
    encoder = PretrainedEncoder(config)
    states = jax.jit(
        lambda audio: encoder.apply({"params": params}, audio, method=PretrainedEncoder.states)
    )
    for samples in (400, 5_123, 80_000):
        audio = sound(samples, batch=2, seed=samples)
        with torch.no_grad():
            theirs = model(torch.from_numpy(audio), output_hidden_states=True)
        found = states(audio)
        assert found.last.shape[1] == frame_count(samples, config)
        compare(theirs, found, tolerance=TOLERANCE)


@pytest.mark.parametrize("layout", ["wav2vec2 large", "hubert large", "wavlm large"])
def test_an_attention_mask_means_what_it_means_there(layout, tmp_path):
    model = build(layout)
    config, params = ours(save(model, tmp_path))
    audio, lengths = sound(12_000, batch=2), np.array([12_000, 7_300])
    audio[1, lengths[1] :] = 0.0
    mask = np.arange(12_000) < lengths[:, None]
    with torch.no_grad():
        theirs = model(
            torch.from_numpy(audio), attention_mask=torch.from_numpy(mask.astype(np.int64))
        )
    encoder = PretrainedEncoder(config)
    heard, valid_samples = jax.numpy.asarray(audio), jax.numpy.asarray(lengths)
    found = encoder.apply(
        {"params": params}, heard, valid_samples=valid_samples, method=PretrainedEncoder.states
    )
    for row, length in enumerate(lengths):
        valid = frame_count(int(length), config)
        reference = theirs.last_hidden_state[row, :valid].numpy()
        difference = np.abs(np.asarray(found.last[row, :valid]) - reference).max()
        assert difference <= TOLERANCE * np.abs(reference).max()


def test_relative_buckets_are_the_originals():
    from transformers.models.wavlm.modeling_wavlm import WavLMAttention

    attention = WavLMAttention(8, 2, num_buckets=320, max_distance=800)
    positions = torch.arange(1200)
    theirs = attention._relative_positions_bucket(positions[None, :] - positions[:, None]).numpy()
    np.testing.assert_array_equal(relative_buckets(1200, buckets=320, max_distance=800), theirs)


@pytest.mark.parametrize("layout", ["wav2vec2 large", "wav2vec2 base"])
def test_normalised_input_is_what_the_feature_extractor_gives(layout, tmp_path):
    from transformers import Wav2Vec2FeatureExtractor

    from ksdiff_jax.speech.pretrained import normalise

    audio = 0.05 * sound(9_000)[0] + 0.02
    theirs = Wav2Vec2FeatureExtractor(do_normalize=True)(audio, sampling_rate=16_000).input_values[
        0
    ]
    np.testing.assert_allclose(
        np.asarray(normalise(jax.numpy.asarray(audio)[None])[0]), theirs, atol=2e-5
    )


FULL_SIZES = {
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}


@pytest.mark.parametrize("layout", ["wav2vec2 base", "hubert large", "wavlm large"])
def test_full_size_models_with_random_weights_are_equal(layout, tmp_path):
    own = FULL_SIZES[layout.split()[1]]
    positions = {"num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16}
    model = build(layout, conv_dim=(512,) * 7, **own, **positions)
    config, params = ours(save(model, tmp_path))
    encoder = PretrainedEncoder(config)
    audio = sound(24_000)
    with torch.no_grad():
        theirs = model(torch.from_numpy(audio), output_hidden_states=True)
    run = jax.jit(
        lambda params, heard: encoder.apply(
            {"params": params}, heard, method=PretrainedEncoder.states
        )
    )
    compare(theirs, run(params, audio), tolerance=1e-4)
