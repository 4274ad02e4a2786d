"""A pretrained encoder in a system: found, recognised, frozen, and kept out of checkpoints."""

import jax
import numpy as np
import pytest

from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, config_from_dict, speech_encoder
from ksdiff_jax.models.frozen import join
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.pretrained import load_pretrained, read_pretrained, save_pretrained
from ksdiff_jax.models.speech_encoder import (
    encoder_params,
    encodes_recordings,
    sliding_features,
    speech_features,
    with_encoder,
)
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.overrides import override
from ksdiff_jax.speech.feature_rows import FeatureRows
from ksdiff_jax.tree import named_leaves
from tests.models.ksdiff.conftest import (
    TINY,
    lively,
    random_batch,
    total_loss,
)
from tests.run_once import jit_to_run_once
from tests.speech.tiny_whisper_encoder import LAYOUT as WHISPER
from tests.speech.tiny_whisper_encoder import write_folder

KEY = jax.random.key(0)
UNIT_SPACE = BUILTIN.with_statistics(np.zeros(BUILTIN.width), np.ones(BUILTIN.width))
SMALLEST = {
    "model.keyframes.enabled": "false",
    "model.generator.dual_path": "false",
    "model.transcript.enabled": "false",
    "model.encoder.kind": "pretrained",
}


def test_the_configuration_gets_the_layout_and_the_digest_of_what_was_found(tiny_encoder):
    config, encoder = with_encoder(
        override(TINY, SMALLEST | {"model.encoder.path": str(tiny_encoder)})
    )
    found = config.model.encoder
    assert (found.digest, found.architecture, found.path) == (
        encoder.digest,
        encoder.config,
        str(tiny_encoder),
    )
    again, _ = with_encoder(config)
    assert again == config and hash(again) == hash(config)


def test_a_system_of_its_own_encoder_needs_none():
    config, encoder = with_encoder(Config())
    assert config == Config() and encoder is None and encoder_params(None) == {}


def test_no_path_and_another_encoder_are_one_line_each(tiny_encoder, other_encoder):
    with pytest.raises(InputError, match=r"model\.encoder\.path is empty"):
        with_encoder(override(TINY, SMALLEST))
    config, _ = with_encoder(override(TINY, SMALLEST | {"model.encoder.path": str(tiny_encoder)}))
    with pytest.raises(InputError, match="the model was trained with") as caught:
        with_encoder(config, path=other_encoder)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_no_gradient_flows_into_a_frozen_encoder_but_into_the_weights_of_its_layers(tiny_encoder):
    choice = {"model.encoder.path": str(tiny_encoder), "model.encoder.layer": "weighted"}
    config, encoder = with_encoder(override(TINY, SMALLEST | choice))
    system = build_system(config)
    params = jit_to_run_once(system.init)(KEY)
    assert jax.tree.structure(params["encoder"]["backbone"]) == jax.tree.structure(encoder.params)
    params = join(params, encoder_params(encoder))
    batch = random_batch(8)

    def loss(params):
        return total_loss(system, params, batch, train=False)

    gradients = named_leaves(jit_to_run_once(jax.grad(loss))(lively(params)))
    assert not any(np.any(leaf) for name, leaf in gradients.items() if "backbone" in name)
    assert np.abs(gradients["encoder/layer_weights"]).min() > 0


def test_the_features_of_a_recording_are_those_of_the_networks_own_weights(tiny_encoder):
    config, encoder = with_encoder(
        override(TINY, SMALLEST | {"model.encoder.path": str(tiny_encoder)})
    )
    sound = np.random.default_rng(0).normal(scale=0.1, size=12_000).astype(np.float32)
    assert encodes_recordings(config)
    features = speech_features(config, encoder_params(encoder))(sound)
    np.testing.assert_array_equal(features, encoder.chunked(sound))
    assert features.shape == (len(sound) // 320, encoder.width)


@pytest.mark.parametrize(
    "changes", [{"model.encoder.kind": "mel"}, {"model.encoder.layer": "weighted"}]
)
def test_an_encoder_that_the_network_must_run_does_not_run_outside(changes):
    assert not encodes_recordings(override(TINY, SMALLEST | changes))


@pytest.fixture
def saved(tmp_path, tiny_encoder):
    config, encoder = with_encoder(
        override(TINY, SMALLEST | {"model.encoder.path": str(tiny_encoder)})
    )
    params = {"out": {"kernel": np.ones((2, 3), np.float32)}} | encoder_params(encoder)
    everything = {"config": config, "params": params, "space": UNIT_SPACE}
    return everything, save_pretrained(tmp_path / "checkpoint", **everything)


def test_a_checkpoint_refers_to_its_frozen_encoder_and_finds_it_again(
    saved, tmp_path, other_encoder
):
    everything, folder = saved
    assert list(read_pretrained(folder).params) == ["out"]
    for name, leaf in named_leaves(load_pretrained(folder).params).items():
        np.testing.assert_array_equal(leaf, named_leaves(everything["params"])[name])
    with pytest.raises(InputError, match=r"needs its speech encoder.*the model was trained with"):
        load_pretrained(folder, encoder=other_encoder)


def test_an_encoder_that_is_gone_is_asked_for_and_found_elsewhere(saved, tmp_path, tiny_encoder):
    everything, _ = saved
    gone = override(everything["config"], {"model.encoder.path": str(tmp_path / "gone")})
    folder = save_pretrained(tmp_path / "other", **everything | {"config": gone})
    with pytest.raises(InputError, match=r"gone.*--encoder") as caught:
        load_pretrained(folder)
    assert "\n" not in str(caught.value)
    assert "backbone" in load_pretrained(folder, encoder=tiny_encoder).params["encoder"]


def test_an_embedded_encoder_needs_no_folder(saved, tmp_path, tiny_encoder):
    everything, _ = saved
    gone = override(everything["config"], {"model.encoder.path": str(tmp_path / "gone")})
    folder = save_pretrained(
        tmp_path / "whole", **everything | {"config": gone}, embed_encoder=True
    )
    loaded = named_leaves(load_pretrained(folder).params)
    assert loaded.keys() == named_leaves(everything["params"]).keys()
    with pytest.raises(InputError, match="holds its own speech encoder"):
        load_pretrained(folder, encoder=tiny_encoder)


def test_a_whisper_is_a_systems_encoder_as_the_others_are(tmp_path, monkeypatch):
    """Its layout survives the file of a configuration, and its weights have their place."""
    folder = write_folder(tmp_path / "whisper")
    choice = SMALLEST | {"model.encoder.path": str(folder)}
    config, encoder = with_encoder(override(TINY, choice))
    again = config_from_dict(to_dict(config))
    assert again == config and again.model.encoder.architecture == WHISPER
    drawn = jax.eval_shape(build_system(config).init, KEY)["encoder"]["backbone"]
    given = encoder_params(encoder)["encoder"]["backbone"]
    shapes = [jax.tree.map(lambda leaf: leaf.shape, tree) for tree in (drawn, given)]
    assert shapes[0] == shapes[1]
    sound = np.random.default_rng(0).normal(scale=0.1, size=12_000).astype(np.float32)
    features = speech_features(config, encoder_params(encoder))
    np.testing.assert_array_equal(features(sound), encoder.chunked(sound))
    monkeypatch.setattr(speech_encoder, "KEPT_FRAMES", 10)  # longer ones are computed when read
    assert isinstance(features(sound), FeatureRows)
    np.testing.assert_array_equal(np.asarray(features(sound)), encoder.chunked(sound))


def test_a_configuration_written_before_there_were_such_encoders_is_read_as_it_was():
    values = to_dict(TINY)
    for name in ("path", "layer", "finetune", "digest", "architecture"):
        del values["model"]["encoder"][name]
    assert config_from_dict(values) == TINY


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [2, 10])
def test_features_with_a_look_ahead_depend_on_no_later_sound(ahead, tmp_path):
    path = {"model.encoder.path": str(write_folder(tmp_path))}
    config, encoder = with_encoder(override(TINY, SMALLEST | path))
    features = sliding_features(config, encoder_params(encoder), ahead=ahead)
    sound = np.random.default_rng(0).normal(size=320 * 80).astype(np.float32) * 0.1
    whole, known = features(sound), 50
    changed = sound.copy()
    changed[320 * known :] *= 0.2
    later = features(changed)
    np.testing.assert_array_equal(later[: known - ahead], whole[: known - ahead])
    assert (later[known - 1] != whole[known - 1]).any()


def test_an_encoder_without_a_sliding_form_cannot_be_causal(tiny_encoder):
    path = {"model.encoder.path": str(tiny_encoder)}
    config, encoder = with_encoder(override(TINY, SMALLEST | path))
    features = sliding_features(config, encoder_params(encoder), ahead=10)
    with pytest.raises(InputError, match="has no sliding form"):
        features(np.zeros(16_000, np.float32))
