"""DisentTalk as a system: clips by themselves, causality, the autoencoder, other spaces."""

from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, default_config
from ksdiff_jax.models.disenttalk.config import RegionsConfig
from ksdiff_jax.models.disenttalk.denoiser import frame_times
from ksdiff_jax.models.disenttalk.local_block import LocalBlock
from ksdiff_jax.models.disenttalk.system import DisentTalk
from ksdiff_jax.models.sync import configured_loss
from ksdiff_jax.models.sync.expert import Expert
from ksdiff_jax.motion.space import BFM, BUILTIN
from ksdiff_jax.overrides import override
from tests.models.disenttalk.conftest import TINY
from tests.models.ksdiff.conftest import lively, padded, random_batch
from tests.run_once import jit_to_run_once

FRAMES = 10
KEYS = jax.random.split(jax.random.key(0), 2)


@pytest.fixture(scope="module")
def clip_losses():
    """The terms of clips in training, with the autoencoder; everything random is drawn."""
    system = DisentTalk(override(TINY, {"model.latent": "autoencoder"}))
    params = lively(jit_to_run_once(system.init)(jax.random.key(0)))
    return jit_to_run_once(lambda batch, keys: system.loss(params, batch, keys, train=True))


def test_padding_and_the_other_clips_change_no_loss(clip_losses):
    batch = random_batch(FRAMES)
    alone = clip_losses(batch, KEYS)
    longer = clip_losses(padded(batch, 6), KEYS)
    swapped = clip_losses(jax.tree.map(lambda array: array[::-1], batch), KEYS[::-1])
    assert set(alone) == {"noise", "autoencoder"}
    for name, losses in alone.items():
        assert losses.shape == (2,)
        np.testing.assert_allclose(longer[name], losses, rtol=2e-5, err_msg=name)
        np.testing.assert_allclose(swapped[name][::-1], losses, rtol=1e-5, err_msg=name)


def test_no_frame_is_decided_by_speech_that_comes_later():
    config, frames, later = TINY.model, 8, 5
    block, draw = LocalBlock(config), np.random.default_rng(0)
    x, heard = jnp.asarray(draw.normal(size=(2, 1, frames, config.width)), jnp.float32)
    stepped, mask = jnp.zeros((1, config.width)), jnp.ones((1, frames), bool)

    def out(module, heard):
        speech = module.project(heard, frame_times(frames))
        return module(x, stepped, speech, mask=mask, time_s=frame_times(frames))

    @jit_to_run_once
    def both(key):
        variables = block.init(key, heard, method=out)
        changed = heard.at[:, later:].add(1.0)
        return [block.apply(variables, speech, method=out) for speech in (heard, changed)]

    before, after = both(jax.random.key(0))
    np.testing.assert_array_equal(after[:, :later], before[:, :later])
    assert np.all(np.any(np.abs(after - before)[:, later:] > 1e-4, axis=-1))


def test_bfm_has_its_own_numbers():
    changes = {"lip": "63,2", "eye": "5", "space": "bfm"}
    config = override(TINY, {f"model.regions.{name}": value for name, value in changes.items()})
    system, batch = DisentTalk(config), random_batch(FRAMES)
    assert system.space == BFM
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    assert shapes["denoiser"]["output"]["bias"].shape == (64,)
    batch = batch._replace(motion=jnp.zeros((2, FRAMES, BFM.width)))
    losses = jax.eval_shape(lambda p: system.loss(p, batch, KEYS, train=True), shapes)
    assert losses["noise"].shape == (2,)
    first = jnp.zeros(2, jnp.int32)
    sample = jax.eval_shape(lambda p: system.sample(p, batch.speech, KEYS, first), shapes)
    assert sample.motion.shape == (2, FRAMES, BFM.width)
    with pytest.raises(InputError, match=r"^model.regions.space bfm: .* of the builtin space"):
        DisentTalk(config, BUILTIN)


def test_a_system_without_regions_is_refused_when_it_is_built():
    config = override(TINY, {"model.regions.lip": ""})
    assert config.model.regions == RegionsConfig(eye=TINY.model.regions.eye)
    with pytest.raises(InputError, match=r"^model.regions.lip is empty.*ksdiff-jax regions SHARDS"):
        DisentTalk(config)


def test_a_lip_sync_loss_without_a_model_is_one_line():
    system = DisentTalk(override(TINY, {"loss.sync": "0.01"}))
    with pytest.raises(InputError, match=r"^loss.sync 0.01: needs .*; or set --loss.sync 0$"):
        system.loss({}, random_batch(4), KEYS, train=True)


def test_the_lip_sync_model_hears_sound_unless_the_kept_features_are_of_its_own_encoder():
    system = DisentTalk(override(TINY, {"loss.sync": "0.01", "model.sync.path": "named"}))
    speech, judged = random_batch(4).speech, []
    kept = speech._replace(features=jnp.zeros((2, 8, 3)))
    expert = Expert(build_system(default_config("sync")), {}, "abcdef")

    def seen(params, speech, motion, mask, *, system):
        judged.append(speech)
        return jnp.zeros(2)

    with (
        mock.patch.object(configured_loss, "_expert", lambda path, space: expert),
        mock.patch.object(configured_loss, "sync_loss", seen),
    ):
        loss = configured_loss.configured_sync_loss(system.config, BUILTIN)
        loss(kept, jnp.zeros((2, 4, BUILTIN.width)))
        assert judged[0].features is None and judged[0].audio is kept.audio
        with pytest.raises(InputError, match=r"^named: this lip-sync model uses another"):
            loss(kept._replace(audio=speech.audio[:, :0]), jnp.zeros((2, 4, BUILTIN.width)))
        other = override(system.config, {"model.sync.digest": "123456"})
        with pytest.raises(InputError, match=r"^named: .* has digest abcdef, .* names 123456"):
            configured_loss.configured_sync_loss(other, BUILTIN)
