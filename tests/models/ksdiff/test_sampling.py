"""Sampling from end to end against a plain loop in NumPy that knows the network as a black box.

Keyframes one bit after the other or by hand, all guidances, the share of the regression, DDIM, lip
temperature, denormalisation: all are written out here. The loop takes from the package the noise of
each frame and, of the network, the encoded speech with its regression, the logit of a frame given
all bits before it, and x̂₀.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.network import TRACKS, Network, generator_dims
from ksdiff_jax.models.ksdiff.sampling import (
    Condition,
    amplified,
    audible,
    encode,
    guided_denoiser,
)
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS
from ksdiff_jax.overrides import override
from ksdiff_jax.rng import frame_noise, streams
from tests.models.ksdiff.conftest import TINY, random_batch
from tests.run_once import jit_to_run_once

FRAMES, VALID, STEPS, TEMPERATURE, THRESHOLD = 8, (8, 5), 3, 0.25, 0.5
GUIDANCE = {"expression": 2.5, "head": 3.25}
KEYFRAME_GUIDANCE = 1.75
REGRESSION_WEIGHT, REGRESSION_GAIN = 0.375, 1.5
BEGIN, UNKNOWN = 2, 2
BY_HAND = np.array([[0, 1, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0]])  # of the head's track
LIPS = (3, 4, 53)  # of both paths
CONFIG = override(
    TINY,
    {
        "model.width": "8",
        "model.speech_paths.dilations": "1",
        "model.keyframes.layers": "1",
        "model.diffusion.steps": "40",
        "model.diffusion.beta_start": "0.01",
        "model.diffusion.beta_end": "0.2",
        "model.regression.enabled": "true",
        "sample.regression_weight": str(REGRESSION_WEIGHT),
        "sample.regression_gain": str(REGRESSION_GAIN),
        "sample.steps": str(STEPS),
        "sample.guidance": str(GUIDANCE["expression"]),
        "sample.head_guidance": str(GUIDANCE["head"]),
        "sample.keyframe_guidance": str(KEYFRAME_GUIDANCE),
        "sample.lip_temperature": str(TEMPERATURE),
        "sample.lip_dims": ",".join(map(str, LIPS)),
        "sample.keyframe_threshold": str(THRESHOLD),
    },
)


class BlackBox:
    """The network's methods for one batch of speech; each is compiled once."""

    def __init__(self, params, speech):
        self.network, self.variables = build_system(CONFIG).network, {"params": params}
        clips = speech.mask.shape[0]
        encode = self._compiled(Network.encode, deterministic=True)
        self.encoded = [
            encode(speech, drop_transcript=jnp.full(clips, drop)) for drop in (False, True)
        ]
        self.logits = {
            t: self._compiled(Network.keyframe_logits, t, deterministic=True) for t in TRACKS
        }
        self.memory = {t: self._compiled(Network.generator_memory, t) for t in TRACKS}
        self.clean = {t: self._compiled(Network.denoise, t, deterministic=True) for t in TRACKS}

    def _compiled(self, method, *names, **options):
        apply = lambda v, a, kw: self.network.apply(v, *names, *a, **kw, **options, method=method)  # noqa: E731
        compiled = jit_to_run_once(apply)
        return lambda *inputs, **more: compiled(self.variables, inputs, more)


def plain_sample(box, noise, mask, mean, std):
    """(motion, bits, scores) of the batch."""
    clips = len(mask)
    bits, scores = {}, {}
    for track in TRACKS:
        bits[track], scores[track] = np.zeros((2, clips, FRAMES))
        for t in range(FRAMES):
            previous = np.concatenate(
                [np.full((clips, 1), BEGIN), bits[track][:, :-1]], axis=1
            ).astype(np.int32)
            logit = np.asarray(box.logits[track](jnp.asarray(previous), box.encoded[0]), float)[
                :, t
            ]
            scores[track][:, t] = 1 / (1 + np.exp(-logit))
            bits[track][:, t] = scores[track][:, t] > THRESHOLD
        bits[track], scores[track] = bits[track] * mask, scores[track] * mask

    bits["head"] = BY_HAND
    noise = noise.copy()
    noise[..., LIPS] *= TEMPERATURE
    diffusion = CONFIG.model.diffusion
    roots = np.linspace(diffusion.beta_start**0.5, diffusion.beta_end**0.5, diffusion.steps)
    alpha_bar = np.cumprod(1 - roots**2)
    shown = {track: jnp.asarray(bits[track], jnp.int32) for track in TRACKS}
    motion = np.zeros_like(noise)
    regression = np.asarray(box.encoded[0].regression, float)
    for clip, valid in enumerate(VALID):
        centre = regression[clip, :valid].mean(axis=0)
        regression[clip] = centre + REGRESSION_GAIN * (regression[clip] - centre)
    for track, dims in generator_dims(CONFIG.model).items():
        hidden = {name: jnp.full_like(given, UNKNOWN) for name, given in shown.items()}
        seen, unheard = box.encoded
        memories = [
            (encoded, box.memory[track](encoded, keyframes, drop_speech=jnp.full(clips, drop)))
            for encoded, keyframes, drop in (
                (seen, shown, False),
                (unheard, shown, True),
                (seen, hidden, False),
            )
        ]
        x = noise[..., dims]
        for left in range(STEPS, 0, -1):
            step = round(diffusion.steps * left / STEPS) - 1
            with_both, without_speech, without_keyframes = (
                np.asarray(
                    box.clean[track](
                        jnp.asarray(x, jnp.float32),
                        jnp.full(clips, step),
                        memory,
                        mask=e.mask,
                        text_mask=e.text_mask,
                    ),
                    float,
                )
                for e, memory in memories
            )
            clean = with_both + (GUIDANCE[track] - 1) * (with_both - without_speech)
            clean += (KEYFRAME_GUIDANCE - 1) * (with_both - without_keyframes)
            for place, dim in enumerate(dims):
                if track == "expression" and dim in LIPS:
                    own = (1 - REGRESSION_WEIGHT) * clean[..., place]
                    clean[..., place] = own + REGRESSION_WEIGHT * regression[..., place]
            if left == 1:
                x = clean  # no noise is left
                break
            following = alpha_bar[round(diffusion.steps * (left - 1) / STEPS) - 1]
            epsilon = (x - np.sqrt(alpha_bar[step]) * clean) / np.sqrt(1 - alpha_bar[step])
            x = np.sqrt(following) * clean + np.sqrt(1 - following) * epsilon
        motion[..., dims] = x
    return (motion * std + mean) * mask[..., None], bits, scores


def test_a_sample_is_what_a_plain_loop_around_the_denoiser_makes():
    draw, system = np.random.default_rng(16), build_system(CONFIG)
    batch = random_batch(FRAMES)
    mask = np.arange(FRAMES) < np.array(VALID)[:, None]
    speech = batch.speech._replace(
        audio=batch.speech.audio * np.repeat(mask, batch.speech.audio.shape[1] // FRAMES, axis=1),
        prosody=batch.speech.prosody * np.repeat(mask, 2, axis=1)[..., None],
        mask=jnp.asarray(mask),
        keyframes=jnp.asarray(np.stack([np.full_like(BY_HAND, -1), BY_HAND], axis=-1)),
    )
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    params = jax.tree.map(
        lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.4, jnp.float32), shapes
    )
    for track in TRACKS:  # the bit before decides the next one
        params[f"predictors_{track}"]["bit"]["embedding"] *= 12
        params[f"predictors_{track}"]["logit"]["bias"] *= 0
    mean, std = draw.normal(size=MOTION_DIMS), draw.uniform(0.2, 3.0, size=MOTION_DIMS)
    sample = build_system(CONFIG, BUILTIN.with_statistics(mean, std)).sample
    keys, first = jax.random.split(jax.random.key(1), len(VALID)), jnp.array([0, 30])
    found = jit_to_run_once(sample)(params, speech, keys, first)
    noise = np.asarray(frame_noise(streams(keys, "noise"), first, FRAMES, (MOTION_DIMS,)), float)
    motion, bits, scores = plain_sample(BlackBox(params, speech), noise, mask, mean, std)
    for track in TRACKS:
        assert 0 < bits[track].sum() < mask.sum()
        np.testing.assert_array_equal(found.tracks[f"keyframes_{track}"], bits[track])
        score = found.tracks[f"keyframe_score_{track}"]
        np.testing.assert_allclose(score, scores[track], atol=1e-4)
    np.testing.assert_allclose(found.motion, motion, atol=2e-3, rtol=2e-4)


def test_guidance_in_one_batch_is_that_in_turn():
    system, batch = build_system(CONFIG), random_batch(FRAMES)
    draw = np.random.default_rng(5)
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    params = jax.tree.map(
        lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.4, jnp.float32), shapes
    )
    clips = len(batch.motion)
    bits = {track: jnp.asarray(draw.integers(0, 2, (clips, FRAMES))) for track in TRACKS}
    noisy = jnp.asarray(draw.normal(size=(clips, FRAMES, MOTION_DIMS)), jnp.float32)
    dims = jnp.array(generator_dims(CONFIG.model)["head"])

    def predictions(params, speech):
        encoded = [
            encode(system.network, params, speech, jnp.full(clips, drop)) for drop in (False, True)
        ]
        condition = Condition(*encoded, bits)
        found = []
        for together in (False, True):
            execution = dataclasses.replace(system.network.execution, batch_guidance=together)
            network = system.network.clone(execution=execution)
            given = (network, params, "head", condition)
            denoise = guided_denoiser(*given, options=CONFIG.sample)
            found.append(denoise(noisy[..., dims], jnp.int32(20)))
        return found

    in_turn, together = jit_to_run_once(predictions)(params, batch.speech)
    assert np.ptp(np.asarray(in_turn)) > 1
    np.testing.assert_allclose(together, in_turn, atol=1e-5, rtol=1e-5)


def test_the_regression_of_a_causal_clip_is_amplified_about_its_mean_up_to_a_frame():
    draw, lengths = np.random.default_rng(3), (6, 4)
    regression = draw.normal(size=(2, 6, 3))
    mask = np.arange(6) < np.array(lengths)[:, None]
    regression = np.where(mask[..., None], regression, 0.0)
    found = amplified(
        jnp.asarray(regression, jnp.float32),
        jnp.asarray(mask),
        gain=2.0,
        causal=jnp.array([True, False]),
    )
    for t in range(6):
        expected = 2 * regression[0, t] - regression[0, : t + 1].mean(axis=0)
        np.testing.assert_allclose(found[0, t], expected, atol=1e-5)
    expected = 2 * regression[1, :4] - regression[1, :4].mean(axis=0)
    np.testing.assert_allclose(found[1, :4], expected, atol=1e-5)


def test_silence_is_not_audible_and_sound_is_after_five_frames():
    draw = np.random.default_rng(4)
    level = 10.0 ** (np.array([-90.0] * 6 + [-60.0] * 5 + [-20.0] * 6) / 20)
    noise = (
        draw.choice([-1.0, 1.0], size=(1, len(level), SAMPLES_PER_MOTION_FRAME)) * level[:, None]
    )
    found = np.asarray(audible(jnp.asarray(noise.reshape(1, -1), jnp.float32), len(level)))[0]
    np.testing.assert_allclose(found[:6], 0, atol=1e-6)
    np.testing.assert_allclose(found[6:11], np.arange(1, 6) / 10, atol=1e-4)
    np.testing.assert_allclose(found[11:16], 0.5 + np.arange(1, 6) / 10, atol=1e-4)
    np.testing.assert_allclose(found[16], 1, atol=1e-6)
