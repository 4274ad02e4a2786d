"""Whisper's weights: the same encoder from every file, and bad input in one line each."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech import load_encoder
from ksdiff_jax.speech.convert import convert_encoder
from tests.foreign.torch_writer import plain_tensors, pretend_torch, write_zipped
from tests.speech.tiny_whisper_encoder import (
    CONFIG,
    LAYOUT,
    random_weights,
    variables_of,
    write_ctranslate2,
    write_folder,
)

LINEAR = "encoder/layer_1/ffn/linear_0/weight"
FC1 = "encoder.layers.1.fc1.weight"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("whisper") / "model")


def test_every_file_gives_the_same_encoder(folder, tmp_path, monkeypatch):
    expected = load_encoder(folder)
    assert expected.config == LAYOUT and expected.width == 16
    weights = random_weights()
    whole = {f"model.{key}": array for key, array in weights.items()}
    whole |= {"model.decoder.layer_norm.bias": np.ones(16, np.float32)}
    alone = {key.removeprefix("encoder."): array for key, array in weights.items()}
    half = {key: array.astype(np.float16) for key, array in weights.items()}
    folders = [write_folder(tmp_path / str(n), w) for n, w in enumerate((whole, alone, half))]
    folders.append(write_ctranslate2(tmp_path / "ctranslate2", variables_of(weights)))
    pretend_torch(monkeypatch)
    folders.append(write_folder(tmp_path / "bin"))
    (tmp_path / "bin" / "model.safetensors").unlink()
    write_zipped(tmp_path / "bin" / "pytorch_model.bin", *plain_tensors(weights))
    conversion = convert_encoder(folders[3], tmp_path / "converted")
    assert conversion.ignored == ("decoder/scale_embeddings", "encoder/num_heads")
    for other in (*folders, tmp_path / "converted"):
        assert load_encoder(other).digest == expected.digest


def test_a_name_on_the_hub_with_model_bin_alone_is_fetched_in_a_second_request(
    tmp_path, monkeypatch
):
    folder, asked = write_ctranslate2(tmp_path / "model", variables_of(random_weights())), []

    def fetch(name, patterns):
        asked.append(patterns)
        return folder

    monkeypatch.setattr("ksdiff_jax.hub.fetch", fetch)
    assert load_encoder("somebody/faster-whisper").config == LAYOUT
    assert ["model.bin" in patterns for patterns in asked] == [False, True]


def test_keys_have_no_bias_and_queries_keys_and_values_are_in_this_order(folder):
    weights, attention = random_weights(), "encoder.layers.0.self_attn"
    joint = load_encoder(folder).params["layers_0"]["attention"]["query_key_value"]
    for place, name in enumerate("qkv"):
        columns = slice(16 * place, 16 * (place + 1))
        np.testing.assert_array_equal(
            joint["kernel"][:, columns], weights[f"{attention}.{name}_proj.weight"].T
        )
    assert not joint["bias"][16:32].any() and joint["bias"][:16].any()


def test_quantised_weights_are_near_what_was_quantised(folder, tmp_path):
    variables = variables_of(random_weights())
    rows = variables[LINEAR].astype(np.float32)
    scale = 127 / np.abs(rows).max(axis=1)
    variables |= {LINEAR: np.rint(rows * scale[:, None]).astype(np.int8), f"{LINEAR}_scale": scale}
    found = load_encoder(write_ctranslate2(tmp_path / "int8", variables)).params
    exact = load_encoder(folder).params
    kernels = [
        tree["layers_1"]["feed_forward"]["intermediate"]["kernel"] for tree in (found, exact)
    ]
    error = np.abs(kernels[0] - kernels[1])
    assert error.max() > 0 and (error <= 0.501 / scale).all()


def test_large_v3s_bands_are_a_layout_like_any_other(tmp_path):
    weights = random_weights()
    weights["encoder.conv1.weight"] = np.ones((16, 128, 3), np.float32)
    found = load_encoder(write_folder(tmp_path, weights, raw={"num_mel_bins": 128}))
    assert found.config.mel_bands == 128


def without(weights, key):
    return {name: array for name, array in weights.items() if name != key}


@pytest.mark.parametrize(
    ("weights", "raw", "said"),
    [
        (None, {"d_model": 32}, r"config.json asks for \(32, .*: weights and configuration are of"),
        (None, {"encoder_layers": 4}, "30 weights are missing, first 'encoder.layers.2.fc1.bias'"),
        (None, {"encoder_layers": 1}, "15 weights are unknown, first 'encoder.layers.1.fc1.bias'"),
        (None, {"num_mel_bins": 128}, r"conv1.weight has shape \(16, 20, 3\); .*\(16, 128, 3\)"),
        (None, {"encoder_attention_heads": 3}, "width 16 does not divide into 3 heads"),
        (None, {"max_source_positions": 100}, "positions for 100 frames of 20 ms; at least 200"),
        (None, {"activation_function": "swish"}, "activation_function is 'swish'; known are gelu"),
        (without(random_weights(), FC1), {}, "1 weights are missing, first 'encoder.layers.1.fc1"),
        (
            random_weights() | {FC1: np.full((24, 16), np.nan, np.float32)},
            {},
            "fc1.weight holds NaN or infinity in 384 of its 384 values",
        ),
        (
            {"model.decoder.embed_tokens.weight": np.ones((4, 16), np.float32)},
            {},
            "no encoder among its 1 weights, first 'decoder.embed_tokens.weight'; give the whole",
        ),
        (
            random_weights() | {"encoder.surplus": np.ones(1, np.float32)},
            {},
            "1 weights are unknown, first 'encoder.surplus'",
        ),
    ],
)
def test_bad_weights_are_one_line_and_leave_nothing(weights, raw, said, tmp_path):
    source = write_folder(tmp_path / "source", weights, raw=raw)
    with pytest.raises(InputError, match=said) as caught:
        convert_encoder(source, tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("variables", "changes", "said"),
    [
        (variables_of(random_weights()), {"name": "Wav2Vec2Spec"}, "of type 'Wav2Vec2Spec'; need"),
        (
            {"decoder/layer_norm/beta": np.ones(4, np.float16)},
            {},
            "encoder/conv1/weight is missing",
        ),
        (
            variables_of(random_weights()) | {"encoder/conv1/weight": np.ones(3, np.float16)},
            {},
            r"encoder/conv1/weight is of shape \(3,\); give a whole Whisper",
        ),
        (variables_of(random_weights(), heads=0), {}, "width 16 does not divide into 0 heads"),
        (
            without(variables_of(random_weights()), LINEAR),
            {},
            "1 weights are missing, first 'encoder/layer_1/ffn/linear_0/weight'",
        ),
        (
            variables_of(random_weights()) | {LINEAR: np.ones((24, 16), np.int8)},
            {},
            "linear_0/weight holds int8, floating-point weights are needed",
        ),
    ],
)
def test_bad_files_of_ctranslate2_are_one_line(variables, changes, said, tmp_path):
    with pytest.raises(InputError, match=said) as caught:
        load_encoder(write_ctranslate2(tmp_path, variables, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"feature_size": 80}, {"n_fft": 512}, {"hop_length": 320}])
def test_another_front_end_is_refused(change, folder):
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({"feature_size": 20, "sampling_rate": 16_000}))
    load_encoder(folder)
    path.write_text(json.dumps(change))
    with pytest.raises(InputError, match=re.escape(f"{next(iter(change))} is ")):
        load_encoder(folder)
    path.unlink()


def test_a_damaged_conversion_is_noticed(folder, tmp_path):
    out = tmp_path / "out"
    convert_encoder(folder, out)
    weights = load_file(out / "weights.safetensors")
    save_file(weights | {"positions": weights["positions"] + 1}, out / "weights.safetensors")
    with pytest.raises(InputError, match="a file is damaged or was replaced"):
        load_encoder(out)
    manifest = json.loads((out / "config.json").read_text())
    manifest["encoder"]["positions"] = CONFIG["max_source_positions"] + 1
    (out / "config.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"weight positions has shape \(300, 16\), .*\(301, 16\)"):
        load_encoder(out)
    manifest["encoder"]["num_heads"] = 3
    (out / "config.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="width 16 does not divide into 3 heads; convert the"):
        load_encoder(out)
