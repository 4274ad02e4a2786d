"""Kept speech features: by encoder and sound, whole or not at all, in a folder or in the shards."""

import dataclasses
import shutil

import ml_dtypes
import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.features import (
    FeatureCache,
    clip_sound,
    encode_sound,
    kept_features,
    why_not_kept,
    write_features,
)
from ksdiff_jax.data.loader import evaluation_batches
from ksdiff_jax.data.schema import decode_clip, encode_clip
from ksdiff_jax.data.shards import ShardReader, dataset_info, write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import override
from ksdiff_jax.speech.load import load_encoder
from tests.data.clips import make_clip
from tests.data.cuts import cuts

FRAMES = [20, 33, 20]


@pytest.fixture(scope="module")
def encoder(tiny_encoder):
    return load_encoder(str(tiny_encoder))


@pytest.fixture(scope="module")
def config(tiny_encoder):
    values = {"model.encoder.kind": "pretrained", "model.encoder.path": str(tiny_encoder)}
    return override(Config(), values | {"data.clip_frames": 24, "data.batch_size": 3})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "set"
    clips = [make_clip(number, frames=frames) for number, frames in enumerate(FRAMES)]
    write_dataset(
        path, {"train": clips, "val": [make_clip(9, frames=20)]}, licence="CC0", made_by="a test"
    )
    return path


@pytest.fixture(scope="module")
def encoded(folder, tmp_path_factory, encoder):
    out = tmp_path_factory.mktemp("encoded") / "set"
    write_features(folder, out, encoder=encoder)
    return out


def kept(folder, cache, encoder, said=lambda line: None, splits=("train", "val")):
    return kept_features(folder, splits=splits, encoder=encoder, cache=cache, tell=said)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"model.encoder.kind": "mel"}, "trained with the model"),
        ({"model.encoder.finetune": "true"}, "finetune"),
        ({"model.encoder.layer": "weighted"}, "every hidden state"),
        ({"data.augment.noise": "0.1"}, "data.augment changes the sound"),
    ],
)
def test_features_are_kept_for_a_frozen_last_layer_and_clean_sound(config, changes, reason):
    said = why_not_kept(override(config, changes), split="train")
    assert (said is None) == (reason is None) and (reason or "") in (said or "")


def test_validation_is_clean_whatever_training_does(config):
    assert why_not_kept(override(config, {"data.augment.noise": "0.1"}), split="val") is None


def test_a_clip_with_features_reads_back_bit_for_bit_and_wrong_lengths_are_refused(encoder):
    clip = make_clip(1, frames=20)
    features = encode_sound(clip, encoder)
    assert features.shape == (40, encoder.width)
    back = decode_clip(encode_clip(dataclasses.replace(clip, speech_features=features)))
    assert back.speech_features.dtype.name == "bfloat16"
    np.testing.assert_allclose(back.speech_features.astype(np.float32), features, rtol=2**-8)
    # past the annotations, which only tests enforce
    object.__setattr__(clip, "speech_features", features[:-1])
    with pytest.raises(InputError, match="speech_features has 39 frames; 40 are needed"):
        encode_clip(clip)


def test_sound_that_is_not_whole_frames_is_cut_or_padded(encoder):
    for samples in (SAMPLES_PER_MOTION_FRAME * 20 - 639, SAMPLES_PER_MOTION_FRAME * 20 + 639):
        clip = make_clip(2, frames=20, audio=np.ones(samples, np.int16))
        assert clip_sound(clip).shape == (SAMPLES_PER_MOTION_FRAME * 20,)
        assert encode_sound(clip, encoder).shape == (40, encoder.width)


def test_what_is_kept_is_found_by_the_sound_and_the_encoder_alone(tmp_path, encoder):
    cache = FeatureCache(tmp_path, encoder.digest)
    clip, same, other = (
        make_clip(1),
        make_clip(1, clip_id="renamed", transcript="", words=()),
        make_clip(2),
    )
    assert cache.find(clip) is None
    cache.keep(clip, encode_sound(clip, encoder))
    np.testing.assert_array_equal(cache.find(same), cache.find(clip))
    assert cache.find(other) is None and FeatureCache(tmp_path, "0" * 64).find(clip) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_counts_as_missing_and_is_made_again(tmp_path, encoder, damage):
    cache, clip = FeatureCache(tmp_path, encoder.digest), make_clip(1)
    cache.fill([clip], encoder)
    sound = cache.find(clip)
    path = cache.path(clip)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-7]), "empty": b""}[damage])
    assert cache.find(clip) is None
    with pytest.raises(InputError, match="are missing"):
        cache(clip)
    cache.fill([clip], encoder)
    np.testing.assert_array_equal(cache.find(clip), sound)


def test_a_second_run_does_not_run_the_encoder(tmp_path, config, folder, encoder, monkeypatch):
    first = kept(folder, tmp_path, encoder)

    def refuse(*_, **__):
        raise AssertionError("the encoder ran again")

    monkeypatch.setattr(type(encoder), "chunked", refuse)
    second = kept(folder, tmp_path, encoder)
    for clip in ShardReader(folder, "train"):
        np.testing.assert_array_equal(first(clip), second(clip))
    assert (tmp_path / "features").stat().st_mode & 0o077 == 0


def test_features_in_the_shards_are_used_and_cropped_with_the_clip(
    tmp_path, config, encoded, encoder, monkeypatch
):
    assert dataset_info(encoded).encoder_digest == encoder.digest
    monkeypatch.setattr(type(encoder), "chunked", None)
    features_of = kept(encoded, tmp_path, encoder)
    assert not list(tmp_path.iterdir())
    iterator = cuts(config, encoded, seed=0, features_of=features_of)
    batch = next(iterator)
    iterator.close()
    speech = batch.speech
    assert (
        speech.features.shape == (3, 48, encoder.width)
        and speech.features.dtype == ml_dtypes.bfloat16
    )
    assert speech.audio.shape == (3, 0)  # nothing listens to it
    found = 0
    for row in range(3):
        frames = int(speech.mask[row].sum())
        assert not speech.features[row, 2 * frames :].any()
        for clip in ShardReader(encoded, "train"):
            for start in range(clip.frames - frames + 1):
                if np.array_equal(
                    clip.expression[start : start + frames], batch.motion[row, :frames, :50]
                ):
                    cut = clip.speech_features[2 * start : 2 * (start + frames)].astype(np.float32)
                    np.testing.assert_array_equal(speech.features[row, : 2 * frames], cut)
                    found += 1
    assert found == 3


def test_whole_clips_come_with_their_features(config, encoded):
    (batch, clips), *_ = evaluation_batches(
        build_system(config).example,
        ShardReader(encoded, "val"),
        batch_size=2,
        features_of=lambda clip: clip.speech_features,
    )
    expected = clips[0].speech_features.astype(np.float32)
    np.testing.assert_array_equal(batch.speech.features[0, : len(expected)], expected)


def test_shards_of_another_encoder_are_refused_in_one_line(
    tmp_path, config, encoded, other_encoder
):
    with pytest.raises(
        InputError, match=r"its speech features are of encoder .* corpus --from"
    ) as caught:
        kept(encoded, tmp_path, load_encoder(str(other_encoder)))
    assert "\n" not in str(caught.value)


def test_features_can_be_added_to_a_data_set_in_place(tmp_path, folder, encoder):
    shutil.copytree(folder, tmp_path / "set")
    done = []
    write_features(tmp_path / "set", tmp_path / "set", encoder=encoder, progress=done.append)
    assert done == [1, 2, 3, 4]
    before, after = ShardReader(folder, "train"), ShardReader(tmp_path / "set", "train")
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old.expression, new.expression)
        assert old.speech_features is None and new.speech_features.shape == (
            2 * old.frames,
            encoder.width,
        )
    assert dataset_info(tmp_path / "set").mean == dataset_info(folder).mean
