"""Our Whisper against transformers' own: log-mel frames, every hidden state, weights of every
file.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-parity brings it")

from ksdiff_jax.speech import load_encoder  # noqa: E402
from ksdiff_jax.speech.whisper import WhisperEncoder  # noqa: E402
from ksdiff_jax.speech.whisper_mel import decades, mirrored, normalised  # noqa: E402
from tests.speech.test_parity import sound  # noqa: E402

pytestmark = pytest.mark.parity
TINY = {
    "d_model": 24,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 16,
    "vocab_size": 8,
    "max_target_positions": 4,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "decoder_start_token_id": 0,
}


def original(kind: str = "WhisperModel", **changes):
    """A torch model with random weights, also in its norms and biases."""
    import transformers

    config = transformers.WhisperConfig(**{**TINY, **changes}, attn_implementation="eager")
    torch.manual_seed(0)
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(0.2 * torch.randn_like(tensor))
    return model


def original_mel(audio: np.ndarray, *, bands: int, seconds: int = 30) -> np.ndarray:
    """Frames (bands, 100 seconds) of sound that is padded with silence."""
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=seconds)
    return extractor(audio, sampling_rate=16_000).input_features[0]


@pytest.mark.parametrize("bands", [80, 128])
def test_log_mel_frames_equal_the_originals(bands):
    level = np.geomspace(1e-4, 0.3, 160_000)
    audio = (level * sound(160_000)[0]).astype(np.float32)

    @jax.jit
    def ours(heard):
        y = decades(mirrored(heard, silence=20 * 16_000), bands=bands)[:, :3000]
        return normalised(y, y.max(axis=(1, 2)))

    theirs = original_mel(audio, bands=bands).T
    np.testing.assert_allclose(np.asarray(ours(audio[None]))[0], theirs, atol=2e-4)


@pytest.mark.parametrize("bands", [80, 128])
def test_every_hidden_state_of_30_s_equals_the_originals(bands, tmp_path):
    model = original(num_mel_bins=bands)
    model.save_pretrained(tmp_path)
    encoder = load_encoder(tmp_path)
    mel = original_mel(0.1 * sound(300_000)[0], bands=bands)[None].astype(np.float32)
    with torch.no_grad():
        theirs = model.encoder(torch.from_numpy(mel), output_hidden_states=True)
    states = jax.jit(
        lambda params, mel: WhisperEncoder(encoder.config).apply(
            {"params": params}, mel, method=WhisperEncoder.states
        )
    )(encoder.params, jnp.asarray(mel.transpose(0, 2, 1)))
    assert len(theirs.hidden_states) == len(states.hidden) == 4
    for reference, found in [
        *zip(theirs.hidden_states[:-1], states.hidden[:-1], strict=True),
        (theirs.last_hidden_state, states.hidden[-1]),  # both after the norm
        (theirs.last_hidden_state, states.last),
    ]:
        reference = reference.numpy()
        assert np.abs(np.asarray(found) - reference).max() <= 2e-5 * np.abs(reference).max()


@pytest.mark.parametrize("seconds", [2, 7])
def test_a_recording_and_its_second_of_silence_is_the_original_of_that_length(seconds, tmp_path):
    """The original takes one length only; here it has positions for the recording's."""
    whole = original()
    whole.save_pretrained(tmp_path)
    audio = 0.1 * sound(seconds * 16_000)[0]
    found = load_encoder(tmp_path).chunked(audio)
    short = original(max_source_positions=50 * (seconds + 1))
    weights = whole.state_dict()
    key = "encoder.embed_positions.weight"
    weights[key] = weights[key][: 50 * (seconds + 1)]
    short.load_state_dict(weights)
    mel = original_mel(audio, bands=80, seconds=seconds + 1)[None].astype(np.float32)
    with torch.no_grad():
        reference = short.encoder(torch.from_numpy(mel)).last_hidden_state[0].numpy()
    np.testing.assert_allclose(found, reference[: 50 * seconds], atol=5e-4)


@pytest.mark.parametrize(
    "kind", ["WhisperForConditionalGeneration", "WhisperForAudioClassification", "encoder"]
)
def test_the_encoder_is_found_in_every_model_that_has_one(kind, tmp_path):
    model = original("WhisperModel")
    model.save_pretrained(tmp_path / "model")
    expected = load_encoder(tmp_path / "model")
    if kind == "encoder":
        other = model.encoder
    else:
        other = original(kind)
        encoder = other.model.encoder if hasattr(other, "model") else other.encoder
        encoder.load_state_dict(model.encoder.state_dict())
    other.save_pretrained(tmp_path / "other")
    assert load_encoder(tmp_path / "other").digest == expected.digest


def test_a_full_size_model_with_random_weights_is_equal(tmp_path):
    sizes = {"d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8}
    model = original(**sizes, encoder_ffn_dim=2048)
    model.save_pretrained(tmp_path)
    encoder = load_encoder(tmp_path)
    mel = original_mel(0.1 * sound(480_000)[0], bands=80)[None].astype(np.float32)
    with torch.no_grad():
        reference = model.encoder(torch.from_numpy(mel)).last_hidden_state.numpy()
    states = WhisperEncoder(encoder.config).apply(
        {"params": encoder.params},
        jnp.asarray(mel.transpose(0, 2, 1)),
        method=WhisperEncoder.states,
    )
    assert np.abs(np.asarray(states.last) - reference).max() <= 1e-4 * np.abs(reference).max()
