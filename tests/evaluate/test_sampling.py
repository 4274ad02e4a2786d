import jax
import numpy as np
import pytest

from ksdiff_jax.evaluate import sampling
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.models.speech_encoder import encoder_params, with_encoder
from ksdiff_jax.overrides import override
from tests.evaluate.pretend import OPEN_RAD, STILL, LoudnessSystem


def tone(frames: int, loudness: float) -> sampling.Utterance:
    samples = loudness / 2 * np.where(np.arange(640 * frames) % 2, 1.0, -1.0)
    return sampling.utterance(
        samples.astype(np.float32), prosody=np.zeros((2 * frames, 2), np.float32)
    )


def predictions(utterances, **options):
    system = LoudnessSystem()
    params = system.init(jax.random.key(0))
    return sampling.predict(system, params, STILL, utterances, options=SampleConfig(), **options)


def test_every_clip_gets_its_own_motion_in_order_whatever_its_bucket():
    loudness = [0.1, 0.2, 0.3, 0.4, 0.5]
    lengths = [70, 20, 200, 70, 64]
    found = predictions([tone(t, x) for t, x in zip(lengths, loudness, strict=True)])
    assert [p.motion.shape for p in found] == [(1, t, 59) for t in lengths]
    for prediction, x in zip(found, loudness, strict=True):
        assert prediction.motion[0, :, 53] == pytest.approx(
            np.full(prediction.motion.shape[1], OPEN_RAD * x), abs=1e-6
        )


def test_the_other_clips_do_not_change_a_clips_noise():
    alone = predictions([tone(60, 0.5)])[0]
    together = predictions([tone(60, 0.5), tone(60, 0.2), tone(50, 0.1)])[0]
    assert np.array_equal(alone.motion, together.motion)


def test_samples_and_seeds_differ_and_a_seed_repeats():
    first, again, other = (
        predictions([tone(60, 0.5)], samples=2, seed=s)[0].motion for s in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_buckets_hold_their_clips_and_grow_by_the_longest():
    assert sampling.bucket_frames(1) == 64
    assert sampling.bucket_frames(64) == 64
    assert sampling.bucket_frames(65) == 128
    assert sampling.bucket_frames(1025) == 2048


def test_padding_is_zero_and_masked_and_sound_beyond_the_motion_is_cut():
    spoken = sampling.utterance(
        np.ones(1000, np.float32), frames=1, prosody=np.ones((2, 2), np.float32)
    )
    speech = sampling.pad_speech([spoken], frames=4, max_tokens=8)
    assert speech.audio.shape == (1, 2560)
    assert speech.audio[0, :640].all()
    assert not speech.audio[0, 640:].any()
    assert speech.mask.tolist() == [[True, False, False, False]]
    assert speech.prosody.shape == (1, 8, 2)
    assert speech.token_mask.sum() == 2


def test_a_pretrained_encoder_hears_each_clip_once_at_its_own_length_and_features_are_padded(
    tiny_encoder,
):
    system = LoudnessSystem()
    found = {"model.encoder.kind": "pretrained", "model.encoder.path": str(tiny_encoder)}
    system.config, encoder = with_encoder(override(system.config, found))
    spoken = [
        tone(30, 0.5),
        tone(20, 0.2)._replace(features=np.ones((40, encoder.width), np.float32)),
    ]
    heard = sampling.heard(spoken, system, encoder_params(encoder))
    np.testing.assert_allclose(heard[0].features, encoder.chunked(spoken[0].audio), atol=1e-5)
    assert heard[1] is spoken[1]
    speech = sampling.pad_speech(heard, frames=64, max_tokens=8)
    assert speech.features.shape == (2, 128, encoder.width)
    np.testing.assert_array_equal(speech.features[0, :60], heard[0].features)
    assert not speech.features[0, 60:].any() and speech.features[1].sum() == 40 * encoder.width
