"""KSDiff as a system: masks, causality, caches, guidance, ablations, learning."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.ksdiff.keyframe_predictor import shifted_bits
from ksdiff_jax.models.ksdiff.network import Network
from ksdiff_jax.models.ksdiff.sampling import decode_keyframes
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.overrides import override
from tests.models.ksdiff.conftest import (
    TINY,
    drawn,
    padded,
    random_batch,
    total_loss,
)
from tests.run_once import jit_to_run_once

FRAMES = 19  # odd: DPSE pads it to even
FAST = {"sample.steps": 4}
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def system():
    return build_system(TINY)


@pytest.fixture(scope="module")
def params(system):
    return drawn(system)


# Kept, so that a test traces and compiles a sampler once and not for every sample.
@functools.lru_cache(maxsize=4)
def _sampler(system):
    return jit_to_run_once(system.sample)


def _sample(system, params, speech, *, seed=1, first=0, **options):
    clips = speech.mask.shape[0]
    keys = jnp.stack([jax.random.key(seed)] * clips)
    fast = build_system(override(system.config, FAST | options))
    return _sampler(fast)(params, speech, keys, np.full(clips, first, np.int32))


def _encoded(system, params, batch):
    def encode(variables, speech):
        nothing = jnp.zeros(batch.motion.shape[0], bool)
        return system.network.apply(
            variables, speech, drop_transcript=nothing, deterministic=True, method=Network.encode
        )

    return jit_to_run_once(encode)({"params": params}, batch.speech)


def _keyframe_logits(system, params, track, bits, encoded):
    def logits(variables, bits, encoded):
        return system.network.apply(
            variables, track, bits, encoded, deterministic=True, method=Network.keyframe_logits
        )

    return jit_to_run_once(logits)({"params": params}, bits, encoded)


def test_padding_changes_no_valid_frame_of_a_sample(system, params):
    batch = random_batch(FRAMES)
    short = _sample(system, params, batch.speech)
    long = _sample(system, params, padded(batch, 13).speech)
    np.testing.assert_allclose(long.motion[:, :FRAMES], short.motion, atol=2e-4)
    np.testing.assert_array_equal(
        long.tracks["keyframes_head"][:, :FRAMES], short.tracks["keyframes_head"]
    )
    np.testing.assert_allclose(
        long.tracks["keyframe_score_expression"][:, :FRAMES],
        short.tracks["keyframe_score_expression"],
        atol=1e-4,
    )
    assert not np.any(long.motion[:, FRAMES:])
    assert not np.any(long.tracks["keyframes_expression"][:, FRAMES:])


def test_layers_are_looped_in_training_and_written_out_in_a_sampler():
    changes = {
        "model.generator.layers": 2,
        "model.speech_paths.refine": False,
        "model.transcript.enabled": False,
    }
    batch = random_batch(FRAMES)

    def programs(looped):
        system = build_system(override(TINY, changes | {"train.scan_layers": looped}))
        params = jax.eval_shape(system.init, KEY)
        keys, first = jax.random.split(KEY, len(batch.motion)), jnp.zeros(len(batch.motion), int)

        def loss(params):
            return total_loss(system, params, batch, train=True)

        def sample(params):
            return system.sample(params, batch.speech, keys, first)

        return [str(jax.make_jaxpr(program)(params)).count(" scan[") for program in (loss, sample)]

    (plain_loss, plain_sample), (looped_loss, looped_sample) = programs(False), programs(True)
    assert looped_loss == plain_loss + 4  # two predictors and two generators
    assert looped_sample == plain_sample > 0


@pytest.fixture(scope="module")
def clip_losses(params):
    """The terms of clips in training, without dropout; everything else is drawn."""
    model = dataclasses.replace(TINY.model, dropout=0.0)
    system = build_system(dataclasses.replace(TINY, model=model))

    @jit_to_run_once
    def compute(batch, keys):
        return system.loss(params, batch, keys, train=True)

    return compute


CLIP_KEYS = jax.random.split(KEY, 2)


def test_padding_changes_no_loss(clip_losses):
    batch = random_batch(40)
    short, long = clip_losses(batch, CLIP_KEYS), clip_losses(padded(batch, 24), CLIP_KEYS)
    assert short.keys() == long.keys() and "head/lip_gap" not in short
    assert np.all(short["expression/lip_gap"] > 0)
    for name, terms in short.items():
        np.testing.assert_allclose(long[name], terms, rtol=1e-4, err_msg=name)


def test_the_losses_of_a_clip_follow_from_the_clip_and_its_key_alone(clip_losses):
    batch, other = random_batch(40), random_batch(40, seed=3, text="good night")
    found = clip_losses(batch, CLIP_KEYS)
    mixed = jax.tree.map(lambda a, b: jnp.stack([b[1], a[0]]), batch, other)
    other_key = jax.random.key(9)
    moved = clip_losses(mixed, jnp.stack([other_key, CLIP_KEYS[0]]))
    drawn_anew = clip_losses(batch, jnp.stack([other_key, CLIP_KEYS[1]]))
    for name, terms in found.items():
        assert terms.shape == (2,)
        np.testing.assert_allclose(moved[name][1], terms[0], rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(drawn_anew[name][1], terms[1], rtol=1e-6, err_msg=name)
    name = "head/reconstruction"
    assert abs(float(drawn_anew[name][0] / found[name][0]) - 1) > 1e-3


def test_cached_decoding_equals_the_teacher_forced_pass_beyond_the_attention_window(system, params):
    batch = random_batch(3 * TINY.model.keyframes.window_frames)
    encoded = _encoded(system, params, batch)
    for track in ("expression", "head"):
        threshold = jax.random.uniform(KEY, encoded.mask.shape)
        decode = jit_to_run_once(
            lambda e, t=track, u=threshold: decode_keyframes(system.network, params, t, e, u)
        )
        bits, scores, _ = decode(encoded)
        assert 0 < bits.mean() < 1
        logits = _keyframe_logits(system, params, track, shifted_bits(bits), encoded)
        np.testing.assert_allclose(scores, jax.nn.sigmoid(logits), atol=1e-5)


def test_the_keyframe_predictor_is_causal_in_its_bits_and_bounded_by_its_window(system, params):
    frames = 3 * TINY.model.keyframes.window_frames
    encoded = _encoded(system, params, random_batch(frames))
    previous = jnp.zeros((2, frames), jnp.int32)

    def logits(bits):
        return _keyframe_logits(system, params, "head", bits, encoded)

    changed = np.abs(np.asarray(logits(previous.at[:, 5].set(1)) - logits(previous))).max(axis=0)
    assert np.all(changed[:5] == 0)
    assert changed[5] > 0
    reach = 5 + TINY.model.keyframes.layers * TINY.model.keyframes.window_frames
    assert np.all(changed[reach:] < 1e-6)


def test_guidance_at_one_is_the_conditional_model_and_elsewhere_it_is_not():
    # Of three programs, each with one generator that reads speech and nothing else.
    parts = ("transcript.enabled", "keyframes.enabled", "generator.dual_path")
    parts += ("speech_paths.refine",)
    system = build_system(override(TINY, {f"model.{part}": False for part in parts}))
    params, speech = drawn(system), random_batch(FRAMES).speech
    plain = _sample(system, params, speech).motion
    nearly_one = _sample(system, params, speech, **{"sample.guidance": 1.0 + 1e-6}).motion
    strong = _sample(system, params, speech, **{"sample.guidance": 3.0}).motion
    np.testing.assert_allclose(nearly_one, plain, atol=1e-3)
    assert np.abs(np.asarray(strong - plain)).max() > 1e-2


@pytest.mark.slow
def test_clips_that_change_places_in_a_batch_keep_their_random_numbers(system, params):
    speech = random_batch(FRAMES).speech
    random = {"sample.eta": 1.0, "sample.keyframe_decoding": "bernoulli"}
    sampler = _sampler(build_system(override(system.config, FAST | random)))
    keys, first = jax.random.split(KEY, 2), np.array([0, 7], np.int32)
    found = sampler(params, speech, keys, first)
    swapped = sampler(params, jax.tree.map(lambda a: a[::-1], speech), keys[::-1], first[::-1])
    np.testing.assert_allclose(swapped.motion[::-1], found.motion, atol=1e-5)
    np.testing.assert_array_equal(
        swapped.tracks["keyframes_head"][::-1], found.tracks["keyframes_head"]
    )
    elsewhere = sampler(params, speech, keys, first + 1)
    assert np.abs(np.asarray(elsewhere.motion - found.motion)).max() > 0.1


def test_the_sound_the_transcript_and_the_noise_all_matter(system, params):
    batch = random_batch(FRAMES)
    plain = _sample(system, params, batch.speech).motion
    other_sound = _sample(
        system, params, batch.speech._replace(audio=batch.speech.audio[::-1])
    ).motion
    other_text = _sample(system, params, random_batch(FRAMES, text="good night").speech).motion
    other_noise = _sample(system, params, batch.speech, seed=2).motion
    for other in (other_sound, other_text, other_noise):
        assert np.abs(np.asarray(other - plain)).max() > 1e-3


def test_the_same_inputs_give_the_same_bits(system, params):
    speech = random_batch(FRAMES).speech
    first, second = (_sample(system, params, speech) for _ in range(2))
    np.testing.assert_array_equal(first.motion, second.motion)


ABLATIONS = {
    "w/o speech split": {"model.speech_paths.split": "false"},
    "w/o dual-path diff": {"model.generator.dual_path": "false"},
    "w/o keyframe": {"model.keyframes.enabled": "false"},
    "w/o prosody": {"model.speech_paths.prosody": "false"},
    "w/o transcript": {"model.transcript.enabled": "false"},
    "wav2vec only": {"model.speech_paths.refine": "false"},
    "jaw on the expression path": {"model.jaw_path": "expression"},
    "local speech attention": {"model.speech_paths.context_s": "0.2"},
}


# Each compiles a training step and a sampler of its own, half a minute on two cores: three stand
# for the rest.
IN_CI = ("w/o keyframe", "w/o dual-path diff", "w/o speech split")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in IN_CI else pytest.mark.long)
        for name in ABLATIONS
    ],
)
def test_every_ablation_trains_and_samples_and_does_what_its_row_says(name):
    config: Config = override(TINY, ABLATIONS[name])
    variant = build_system(config)
    params = drawn(variant)
    batch = random_batch(FRAMES)
    terms = jit_to_run_once(lambda p, b: variant.loss(p, b, CLIP_KEYS, train=True))(params, batch)
    assert all(np.all(np.isfinite(term)) for term in terms.values())
    sample = _sample(variant, params, batch.speech)
    assert np.all(np.isfinite(sample.motion))

    changed_prosody = _sample(
        variant, params, batch.speech._replace(prosody=-batch.speech.prosody)
    ).motion
    blind_to_prosody = np.allclose(changed_prosody, sample.motion, atol=1e-6)
    assert blind_to_prosody == (name in ("w/o prosody", "wav2vec only"))
    changed_text = _sample(variant, params, random_batch(FRAMES, text="good night").speech).motion
    assert np.allclose(changed_text, sample.motion, atol=1e-6) == (name == "w/o transcript")
    assert ("head/keyframes" in terms) == (name != "w/o keyframe")
    assert ("motion/reconstruction" in terms) == (name == "w/o dual-path diff")


def test_the_jaw_moves_with_the_path_that_owns_it():
    for jaw_path, width in (("head", 50), ("expression", 53)):
        variant = build_system(override(TINY, {"model.jaw_path": jaw_path}))
        shapes = jax.eval_shape(variant.init, KEY)
        assert shapes["generators_expression"]["clean"]["kernel"].shape[-1] == width
        assert shapes["generators_head"]["clean"]["kernel"].shape[-1] == MOTION_DIMS - width
