"""The lip-sync model as a system: what it needs, refuses and cannot do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.config import DataConfig, TrainConfig, to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, config_from_dict
from ksdiff_jax.models.frozen import part
from ksdiff_jax.models.sync.config import Config, LossConfig, ModelConfig
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.motion.space import BFM
from ksdiff_jax.overrides import load_config
from ksdiff_jax.speech.config import EncoderConfig
from ksdiff_jax.tree import parameter_count
from tests.data.clips import make_clip
from tests.models.ksdiff.conftest import random_batch
from tests.models.sync.conftest import TINY, with_model


def test_it_samples_nothing_and_ends_in_one_line():
    speech, keys = random_batch(4).speech, jax.random.split(jax.random.key(0), 2)
    with pytest.raises(InputError, match=r"^tiny: a lip-sync model generates no motion; animate"):
        Sync(TINY).sample({}, speech, keys, jnp.zeros(2, jnp.int32))


def test_its_row_has_the_sound_and_motion_of_one_cut():
    clip, frames = make_clip(1, frames=40), 20
    row = Sync(TINY).example(clip, frames, rng=np.random.default_rng(3))
    start = int(np.flatnonzero((clip.expression == row.motion[0, :50]).all(axis=1))[0])
    sound = from_int16(clip.audio)[SAMPLES_PER_MOTION_FRAME * start :]
    np.testing.assert_array_equal(row.speech.audio, sound[: SAMPLES_PER_MOTION_FRAME * frames])
    np.testing.assert_array_equal(row.motion[:, :50], clip.expression[start : start + frames])


def test_it_trains_on_every_space_but_single_numbers_of_the_mouth_are_of_the_built_in_head():
    for space in ("builtin", "flame", "bfm"):
        Sync(TINY).needs.check(space, what="shards")
    chosen = Sync(with_model(TINY, mouth=(20, 53)))
    chosen.needs.check("builtin", what="shards")
    with pytest.raises(InputError, match=r"model\.mouth names 2 numbers"):
        chosen.needs.check("flame", what="shards")
    kernel = jax.eval_shape(Sync(TINY, BFM).init, jax.random.key(0))["motion_windows"]["project"]
    assert kernel["kernel"].shape[0] == 64 + 3


def test_features_are_kept_and_frozen_where_a_pretrained_encoder_makes_them():
    assert Sync(TINY).needs.kept == () and TINY.frozen == ()
    pretrained = with_model(TINY, encoder=EncoderConfig(kind="pretrained", path="somewhere"))
    assert Sync(pretrained).needs.kept == ("speech",)
    assert pretrained.frozen == ("encoder/backbone",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataConfig(clip_frames=20), "data.clip_frames 20: need 45 or more"),
        (lambda: TrainConfig(samples_every=5), "train.samples_every 5: need 0"),
        (lambda: ModelConfig(window_frames=10), "model.window_frames 10: need 13 or more"),
        (
            lambda: ModelConfig(form="linear", window_frames=1),
            "model.window_frames 1: need 2 or more: a window of one frame has no movement",
        ),
        (lambda: ModelConfig(mouth=(3, 3)), "model.mouth .*: need distinct numbers"),
        (lambda: LossConfig(near_frames=9), "loss.near_frames 9: need 10 or more"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        part = make()
        name = type(part).__name__.removesuffix("Config").lower()
        dataclasses.replace(Config(), **{name: part})


def test_its_configurations_are_stored_and_read_back_and_the_demo_is_small():
    for name in ("sync", "sync_demo"):
        config = load_config(name)
        assert config_from_dict(to_dict(config)) == config
    shapes = jax.eval_shape(build_system(config).init, jax.random.key(0))
    assert parameter_count(part(shapes, config).trainable) < 100_000
