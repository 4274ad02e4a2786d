"""XLA's count of a training step against the products counted by hand.

By hand: a dense layer of (rows, inputs, outputs) costs 2 · rows · inputs · outputs forward, and
twice as much again backward where it is trained. Elementwise work is added to that.
"""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.models import build_system
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.overrides import override
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.train.report.step_flops import counted_flops, step_flops
from tests.train.tiny_ksdiff import tiny_config

CLIPS, FRAMES, WIDTH, TOKENS = 2, 64, 128, 48
ADAPTER = 2 * CLIPS * 2 * FRAMES * 96 * WIDTH  # of kept features to the model's width, forward
# Without keyframes, transcript and refined speech, a step is two generators of one layer.
SMALL = override(
    tiny_config(""),
    {
        "model.width": WIDTH,
        "model.encoder.width": 96,
        "model.transcript.enabled": False,
        "model.keyframes.enabled": False,
        "model.speech_paths.refine": False,
    },
)


def shapes(clips=CLIPS):
    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype)

    speech = Speech(
        audio=array(clips, 0),
        prosody=array(clips, 2 * FRAMES, 2),
        mask=array(clips, FRAMES, dtype=bool),
        tokens=array(clips, SMALL.model.transcript.max_tokens, dtype=jnp.int32),
        token_mask=array(clips, SMALL.model.transcript.max_tokens, dtype=bool),
        features=array(clips, 2 * FRAMES, 96),
    )
    return Batch(speech, array(clips, FRAMES, MOTION_DIMS))


def generators_by_hand(clips=CLIPS):
    """One forward pass of both generators: products alone."""
    d, t, conditions = WIDTH, FRAMES, 2
    near = conditions + 2 * SMALL.model.generator.alignment_frames + 1
    projections = 2 * t * d * d + 2 * (t + conditions) * d * d  # queries, out; keys, values
    own = projections + 2 * t * (t + conditions) * d
    speech = projections + 2 * t * near * d
    feed_forward = 2 * SMALL.model.ffn_ratio * t * d * d
    embeddings = 2 * t * MOTION_DIMS * d + 2 * 2 * d * d  # both ends, over both paths; of the step
    return 2 * clips * (2 * (own + speech + feed_forward) + embeddings)


@pytest.fixture(scope="module")
def counted():
    return step_flops(build_system(SMALL), shapes())


def test_a_step_is_three_forward_passes_and_a_little_elementwise_work(counted):
    by_hand = 3 * generators_by_hand() + 2 * ADAPTER  # what goes into the adapter needs no gradient
    assert 1.0 <= counted / by_hand <= 1.10


def test_what_is_held_still_costs_no_gradient_of_its_weights(counted):
    held = step_flops(
        build_system(override(SMALL, {"train.freeze_patterns": "speech_paths/*"})), shapes()
    )
    assert counted - held == pytest.approx(ADAPTER, rel=0.15)


def test_what_a_device_adds_to_fit_does_not_count(counted):
    changes = {"train.remat": "full", "train.scan_layers": True, "model.attention": "auto"}
    assert step_flops(build_system(override(SMALL, changes)), shapes()) == counted
    twice = dataclasses.replace(SMALL.model.generator, layers=2)
    deeper = dataclasses.replace(SMALL, model=dataclasses.replace(SMALL.model, generator=twice))
    looped = override(deeper, {"train.scan_layers": True})
    assert step_flops(build_system(looped), shapes()) > 1.5 * counted


def test_a_jax_that_cannot_count_counts_nothing(monkeypatch):
    matrices = jax.ShapeDtypeStruct((4, 8), jnp.float32), jax.ShapeDtypeStruct((8, 3), jnp.float32)
    assert counted_flops(jnp.matmul, *matrices) == 2 * 4 * 8 * 3
    # the plugin of an accelerator
    monkeypatch.setattr(jax.stages.Lowered, "cost_analysis", lambda lowered: None)
    assert counted_flops(jnp.matmul, *matrices) == 0
    # JAX_PLATFORMS without cpu
    monkeypatch.setattr(jax, "devices", _none)
    assert counted_flops(jnp.matmul, *matrices) == 0


def _none(backend):
    raise RuntimeError(f"Unknown backend {backend}")
