"""Conversion: what is in is out, and every failure has its own sentence. No torch: the folders are written by hand."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ksdiff_jax.config import PretrainedEncoderConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech import load_encoder
from ksdiff_jax.speech.convert import UNKNOWN_LICENCE, convert_encoder
from ksdiff_jax.speech.hugging_face import parameter_origins

LAYOUT = {
    "model_type": "wav2vec2",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "conv_dim": [4] * 7,
    "num_conv_pos_embeddings": 6,
    "num_conv_pos_embedding_groups": 2,
}


def random_weights(**changes) -> dict[str, np.ndarray]:
    """Arrays under the keys that such a model has, weight norm as newer checkpoints store it."""
    random = np.random.default_rng(0)
    config = PretrainedEncoderConfig(
        architecture=changes.get("model_type", "wav2vec2"),
        hidden_size=8,
        num_layers=2,
        num_heads=2,
        intermediate_size=12,
        conv_dims=(4,) * 7,
        position_kernel=6,
        position_groups=2,
    )
    weights = {}
    for origin in parameter_origins(config, {}).values():
        for key, shape in zip(origin.keys, origin.shapes, strict=True):
            weights[key] = random.normal(size=shape).astype(np.float32)
    return weights


def write(folder, weights=None, *, raw=None, readme=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(LAYOUT | (raw or {})))
    save_file(random_weights() if weights is None else weights, folder / "model.safetensors")
    if readme:
        (folder / "README.md").write_text(readme)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(
        tmp_path_factory.mktemp("source") / "model", readme="---\ntags: [speech]\nlicense: apache-2.0\n---\nhi"
    )


def test_a_converted_encoder_is_the_one_that_was_converted(folder, tmp_path):
    conversion = convert_encoder(folder, tmp_path / "out")
    direct, converted = load_encoder(folder), load_encoder(tmp_path / "out")
    assert conversion.digest == direct.digest == converted.digest
    assert conversion.licence == "apache-2.0" and converted.source == str(folder)
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in (tmp_path / "out").iterdir())
    assert conversion.parameters == sum(
        leaf.size for leaf in load_file(tmp_path / "out" / "weights.safetensors").values()
    )
    audio = np.random.default_rng(1).normal(size=(1, 3200)).astype(np.float32)
    features = np.asarray(converted(audio))
    assert features.shape == (1, 10, 8) and np.isfinite(features).all()
    np.testing.assert_array_equal(features, np.asarray(direct(audio)))


def test_weight_norm_is_folded_under_its_old_names_and_its_new_ones(folder, tmp_path):
    weights = random_weights()
    stem = "encoder.pos_conv_embed.conv"
    magnitude = weights.pop(f"{stem}.parametrizations.weight.original0")
    direction = weights.pop(f"{stem}.parametrizations.weight.original1")
    older = write(tmp_path / "older", weights | {f"{stem}.weight_g": magnitude, f"{stem}.weight_v": direction})
    plain = direction * magnitude / np.sqrt((direction.astype(np.float64) ** 2).sum((0, 1), keepdims=True))
    folded = write(tmp_path / "folded", weights | {f"{stem}.weight": plain.astype(np.float32)})
    kernels = [load_encoder(path).params["positions"]["kernel"] for path in (folder, older, folded)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    np.testing.assert_allclose(kernels[0], kernels[2], rtol=1e-6)


def test_heads_of_fine_tuned_models_are_left_out_and_named(tmp_path):
    weights = {f"wav2vec2.{key}": array for key, array in random_weights().items()}
    weights |= {"lm_head.weight": np.zeros((5, 8), np.float32), "wav2vec2.masked_spec_embed": np.zeros(8, np.float32)}
    conversion = convert_encoder(write(tmp_path / "ctc", weights), tmp_path / "out")
    assert conversion.ignored == ("lm_head.weight", "masked_spec_embed")
    assert conversion.licence == UNKNOWN_LICENCE


def test_shards_of_safetensors_are_read_together(folder, tmp_path):
    weights = sorted(random_weights().items())
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    shutil.copy(folder / "config.json", sharded)
    halves = {"a.safetensors": dict(weights[::2]), "b.safetensors": dict(weights[1::2])}
    for name, half in halves.items():
        save_file(half, sharded / name)
    index = {"weight_map": {key: name for name, half in halves.items() for key in half}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert load_encoder(sharded).digest == load_encoder(folder).digest
    (sharded / "b.safetensors").unlink()
    with pytest.raises(InputError, match=r"names the shard 'b\.safetensors', which is not beside it"):
        load_encoder(sharded)


def broken(change):
    weights = random_weights()
    change(weights)
    return weights


@pytest.mark.parametrize(
    ("weights", "raw", "sentence"),
    [
        (broken(lambda w: w.pop("encoder.layer_norm.bias")), {}, "are missing, first 'encoder.layer_norm.bias'"),
        (broken(lambda w: w.update({"encoder.extra": np.zeros(1)})), {}, "are unknown, first 'encoder.extra'"),
        (None, {"hidden_size": 16}, "config.json asks for .*: weights and configuration are of different models"),
        (None, {"model_type": "bert"}, "a model of type 'bert'; a speech encoder of type wav2vec2, hubert, wavlm"),
        (None, {"add_adapter": True}, "has adapters, which are not supported"),
        (None, {"hidden_act": "swish"}, "hidden_act is 'swish'; known are gelu"),
        (None, {"conv_dim": "many"}, "a field does not hold what it should"),
        (None, {"num_hidden_layers": 3}, "16 weights are missing, first 'encoder.layers.2"),
        (None, {"num_hidden_layers": 1}, "16 weights are unknown, first 'encoder.layers.1"),
    ],
)  # fmt: skip
def test_each_failure_has_its_own_sentence_and_leaves_nothing(weights, raw, sentence, tmp_path):
    source = write(tmp_path / "source", weights, raw=raw)
    with pytest.raises(InputError, match=sentence):
        convert_encoder(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_configuration_or_without_weights_is_named(tmp_path):
    with pytest.raises(InputError, match="no config"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(LAYOUT))
    with pytest.raises(InputError, match="no weights here"):
        load_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="not a sound safetensors file"):
        load_encoder(tmp_path)


def test_a_damaged_conversion_is_noticed(folder, tmp_path):
    convert_encoder(folder, tmp_path / "out")
    weights = load_file(tmp_path / "out" / "weights.safetensors")
    weights["norm/bias"] = weights["norm/bias"] + 1
    save_file(weights, tmp_path / "out" / "weights.safetensors")
    with pytest.raises(InputError, match="a file is damaged or exchanged"):
        load_encoder(tmp_path / "out")
    weights["norm/bias"] = np.zeros(3, np.float32)
    save_file(weights, tmp_path / "out" / "weights.safetensors")
    with pytest.raises(
        InputError, match=r"weight norm/bias has shape \(3,\), the layout in config.json asks for \(8,\)"
    ):
        load_encoder(tmp_path / "out")


def test_an_unreachable_hub_is_one_line(monkeypatch):
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(InputError, match="hub did not give it \\(ConnectionError: no route to host\\)") as caught:
        load_encoder("somebody/some-encoder")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such folder, and not a name on the Hugging Face hub"):
        load_encoder("no/such/folder")


def test_other_files_in_the_output_folder_are_not_overwritten(folder, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty and not an encoder"):
        convert_encoder(folder, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_recording_below_one_receptive_field_is_refused(folder):
    with pytest.raises(InputError, match=r"399 samples \(25 ms\); a speech encoder hears 400 at once"):
        load_encoder(folder)(np.zeros((1, 399), np.float32))
