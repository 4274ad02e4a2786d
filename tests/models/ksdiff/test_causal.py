"""The causal mode: which frames a change of the sound can reach.

Both clips of a batch have one sound and one noise; the first is causal, the second is not.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.keyframe_predictor import shifted_bits
from ksdiff_jax.models.ksdiff.network import TRACKS, Network
from ksdiff_jax.models.ksdiff.sampling import sample_normalised
from ksdiff_jax.models.ksdiff.speech_paths import last_frame
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.overrides import override
from tests.models.ksdiff.conftest import TINY, random_batch
from tests.run_once import jit_to_run_once

FRAMES, CHANGED = 18, 8
CONFIG = override(
    TINY,
    {
        "model.width": "8",
        "model.heads": "2",
        "model.keyframes.layers": "1",
        "model.keyframes.reach_frames": "2",
        "model.keyframes.at_motion": "true",
        "model.speech_paths.coarse_window_s": "0.4",
        "model.speech_paths.groups": "4",
        "model.speech_paths.dilations": "4",
        "model.transcript.enabled": "false",
        "model.generator.dual_path": "false",
        "sample.steps": "2",
    },
)
AHEAD = CONFIG.model.causal.look_ahead_frames
DRAW = np.random.default_rng(0)
SYSTEM = build_system(CONFIG)
PARAMS = jax.tree.map(
    lambda leaf: jnp.asarray(DRAW.normal(size=leaf.shape) * 0.3, jnp.float32),
    jax.eval_shape(SYSTEM.init, jax.random.key(0)),
)
KEYS = jnp.stack([jax.random.key(1)] * 2)


def one_sound_twice():
    speech = random_batch(FRAMES).speech
    speech = jax.tree.map(lambda values: jnp.stack([values[0]] * 2), speech)
    return speech._replace(causal=jnp.array([True, False]))


def from_frame(values, frame: int, *, per_frame: int):
    """The array with other numbers from a motion frame on."""
    first = frame * per_frame
    new = jnp.asarray(DRAW.normal(size=values[0, first:].shape) * 0.1, jnp.float32)
    return values.at[:, first:].set(new)


@jit_to_run_once
def sample(speech):
    options, first = CONFIG.sample, jnp.zeros(2, jnp.int32)
    found = sample_normalised(SYSTEM.network, PARAMS, speech, KEYS, first, options=options)
    return jnp.concatenate([found.motion, *(t[..., None] for t in found.tracks.values())], axis=-1)


def test_motion_of_a_causal_clip_depends_on_no_sound_beyond_the_look_ahead_and_another_s_does():
    # bit for bit, with all layers, all keyframes and all steps of the sampler between
    speech = one_sound_twice()
    whole = np.asarray(sample(speech))
    end = CHANGED + AHEAD
    sound = from_frame(speech.audio, end, per_frame=SAMPLES_PER_MOTION_FRAME)
    later = np.asarray(sample(speech._replace(audio=sound)))
    np.testing.assert_array_equal(later[0, :CHANGED], whole[0, :CHANGED])
    assert (later[1, :CHANGED] != whole[1, :CHANGED]).any(axis=-1).all()
    assert (later[0, CHANGED:] != whole[0, CHANGED:]).any()  # the look-ahead is used

    prosody = from_frame(speech.prosody, CHANGED, per_frame=2)
    later = np.asarray(sample(speech._replace(prosody=prosody)))
    np.testing.assert_array_equal(later[0, :CHANGED], whole[0, :CHANGED])
    assert (later[0, CHANGED] != whole[0, CHANGED]).any()
    assert (later[1, :CHANGED] != whole[1, :CHANGED]).any(axis=-1).all()

    # The same for a recording that ends there: frames already given are final.
    mask = speech.mask.at[:, end:].set(False)
    known = jnp.repeat(mask, SAMPLES_PER_MOTION_FRAME, axis=1)
    ended = speech._replace(
        audio=jnp.where(known, speech.audio, 0.0),
        prosody=jnp.where(jnp.repeat(mask, 2, axis=1)[..., None], speech.prosody, 0.0),
        mask=mask,
    )
    early = np.asarray(sample(ended))
    np.testing.assert_array_equal(early[0, :CHANGED], whole[0, :CHANGED])
    assert (early[1, :CHANGED] != whole[1, :CHANGED]).any()


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_no_motion_frame_reads_a_token_of_later_speech(stride):
    ends = stride * np.arange(40) + last_frame(stride)
    middles = stride * np.arange(40) + (stride - 1) / 2
    spare = []
    for frame in range(16):
        own_last, middle = 2 * frame + 1, 2 * frame + 0.5
        after = np.flatnonzero(middles >= middle)[0]
        spare.append(own_last - ends[after])
        assert spare[-1] >= 0
    assert min(spare) == 0


@pytest.mark.slow
def test_the_training_pass_is_as_causal_as_decoding():
    @jit_to_run_once
    def passed(speech, noisy, bits):
        nothing = jnp.zeros(2, bool)

        def apply(method, *inputs, **options):
            return SYSTEM.network.apply({"params": PARAMS}, *inputs, method=method, **options)

        encoded = apply(Network.encode, speech, drop_transcript=nothing, deterministic=True)
        found = []
        for track in TRACKS:
            inputs = (track, shifted_bits(bits), encoded)
            found.append(apply(Network.keyframe_logits, *inputs, deterministic=True)[..., None])
        codes = dict.fromkeys(TRACKS, bits.astype(jnp.int32))
        memory = apply(Network.generator_memory, "motion", encoded, codes, drop_speech=nothing)
        masks = {"mask": encoded.mask, "text_mask": encoded.text_mask, "causal": encoded.causal}
        inputs = ("motion", noisy, jnp.array([5, 5]), memory)
        found.append(apply(Network.denoise, *inputs, **masks, deterministic=True))
        return jnp.concatenate(found, axis=-1)

    speech = one_sound_twice()
    noisy = jnp.asarray(DRAW.normal(size=(2, FRAMES, MOTION_DIMS)), jnp.float32)
    bits = jnp.asarray(np.arange(FRAMES)[None] % 5 == 2).repeat(2, axis=0)
    whole = passed(speech, noisy, bits)
    sound = from_frame(speech.audio, CHANGED + AHEAD, per_frame=SAMPLES_PER_MOTION_FRAME)
    later = passed(
        speech._replace(audio=sound, prosody=from_frame(speech.prosody, CHANGED, per_frame=2)),
        from_frame(noisy, CHANGED, per_frame=1),
        bits.at[:, CHANGED:].set(~bits[:, CHANGED:]),
    )
    np.testing.assert_array_equal(later[0, :CHANGED], whole[0, :CHANGED])
    assert (later[1, :CHANGED] != whole[1, :CHANGED]).any(axis=-1).all()
