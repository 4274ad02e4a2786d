"""Conversion: the output has everything of the input, and every failure has its own message.

The folders are written by hand, so torch is not needed.
"""

import json
import shutil

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech import load_encoder
from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.convert import UNKNOWN_LICENCE, convert_encoder
from ksdiff_jax.speech.wav2vec2_origins import wav2vec2_origins
from tests.foreign.torch_writer import plain_tensors, pretend_torch, write_legacy, write_zipped

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
    for origin in wav2vec2_origins(config, {}).values():
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
        tmp_path_factory.mktemp("source") / "model",
        readme="---\ntags: [speech]\nlicense: apache-2.0\n---\nhi",
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
    older = write(
        tmp_path / "older", weights | {f"{stem}.weight_g": magnitude, f"{stem}.weight_v": direction}
    )
    plain = (
        direction
        * magnitude
        / np.sqrt((direction.astype(np.float64) ** 2).sum((0, 1), keepdims=True))
    )
    folded = write(tmp_path / "folded", weights | {f"{stem}.weight": plain.astype(np.float32)})
    kernels = [load_encoder(path).params["positions"]["kernel"] for path in (folder, older, folded)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    np.testing.assert_allclose(kernels[0], kernels[2], rtol=1e-6)


def test_heads_of_fine_tuned_models_are_left_out_and_named(tmp_path):
    weights = {f"wav2vec2.{key}": array for key, array in random_weights().items()}
    weights |= {
        "lm_head.weight": np.zeros((5, 8), np.float32),
        "wav2vec2.masked_spec_embed": np.zeros(8, np.float32),
    }
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
    with pytest.raises(
        InputError, match=r"names the shard 'b\.safetensors', which is not beside it"
    ):
        load_encoder(sharded)


def broken(change):
    weights = random_weights()
    change(weights)
    return weights


V_PROJECTION = "encoder.layers.1.attention.v_proj.weight"
DIRECTION = "encoder.pos_conv_embed.conv.parametrizations.weight.original1"


def changed(key, change):
    return broken(lambda weights: weights.update({key: np.asarray(change(weights[key]))}))


def renamed(prefix):
    return {prefix + key: array for key, array in random_weights().items()}


@pytest.mark.parametrize(
    ("weights", "raw", "sentence"),
    [
        (
            broken(lambda w: w.pop("encoder.layer_norm.bias")),
            {},
            "are missing, first 'encoder.layer_norm.bias'",
        ),
        (
            broken(lambda w: w.update({"encoder.extra": np.zeros(1)})),
            {},
            "are unknown, first 'encoder.extra'",
        ),
        (
            None,
            {"hidden_size": 16},
            "config.json asks for .*: weights and configuration are of different models",
        ),
        (
            None,
            {"model_type": "bert"},
            "a model of type 'bert'; a speech encoder of type wav2vec2, hubert, wavlm",
        ),
        (None, {"add_adapter": True}, "has adapters, which are not supported"),
        (None, {"hidden_act": "swish"}, "hidden_act is 'swish'; known are gelu"),
        (None, {"conv_dim": "many"}, "a field has an invalid value"),
        (
            None,
            {"hidden_size": 10**9},
            "hidden_size is 1000000000, not a whole number of 1 to 65536",
        ),
        (None, {"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        (None, {"num_attention_heads": 0}, "num_attention_heads is 0"),
        (
            None,
            {"num_attention_heads": 3},
            "hidden_size 8 does not divide into num_attention_heads 3",
        ),
        (None, {"intermediate_size": 12.5}, "intermediate_size is 12.5"),
        (None, {"layer_norm_eps": float("nan")}, "layer_norm_eps is nan, not a positive number"),
        (
            None,
            {"do_stable_layer_norm": "false"},
            "do_stable_layer_norm is 'false', not true or false",
        ),
        (
            None,
            {"conv_kernel": [10, 3]},
            r"conv_dim, conv_kernel and conv_stride have \(7, 2, 7\) entries",
        ),
        (
            None,
            {"feat_extract_norm": "batch"},
            "feat_extract_norm is 'batch'; known are group, layer",
        ),
        (
            None,
            {"quantization_config": {"quant_method": "gptq"}},
            "quantised weights .*'gptq'.*; give the original",
        ),
        (
            changed(V_PROJECTION, lambda w: np.where(w > 1, np.nan, w)),
            {},
            "v_proj.weight holds NaN or infinity in",
        ),
        (
            changed("encoder.layer_norm.bias", lambda w: w + np.array([np.inf, *[0] * 7])),
            {},
            "infinity in 1 of its 8",
        ),
        (
            changed(V_PROJECTION, lambda w: w.astype(np.float64) * 1e300),
            {},
            "v_proj.weight holds NaN or infinity in",
        ),
        (
            changed(V_PROJECTION, lambda w: np.where(w > 0, np.inf, w).astype(np.float16)),
            {},
            "its float16 overflowed",
        ),
        (changed(V_PROJECTION, lambda w: 0 * w), {}, "v_proj.weight is wholly zero"),
        (
            changed(V_PROJECTION, lambda w: w.astype(np.int8)),
            {},
            "v_proj.weight holds int8, floating-point",
        ),
        (changed(V_PROJECTION, lambda w: w > 0), {}, "v_proj.weight holds bool"),
        (
            changed(DIRECTION, lambda w: w * (np.arange(6) != 2)),
            {},
            "has the norm 0 in 1 of its 6 taps",
        ),
        (
            renamed("module."),
            {},
            "begin with 'module.', as DataParallel saves them; save model.module.state_dict",
        ),
        (renamed("_orig_mod."), {}, "as torch.compile saves them"),
        (renamed("base_model.model."), {}, "this is an adapter"),
        (renamed("hubert."), {}, "the weights of a hubert, config.json describes a wav2vec2"),
        (None, {"num_hidden_layers": 3}, "16 weights are missing, first 'encoder.layers.2"),
        (None, {"num_hidden_layers": 1}, "16 weights are unknown, first 'encoder.layers.1"),
    ],
)
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
    with pytest.raises(InputError, match="not a valid safetensors file"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
def test_weights_of_other_floats_are_their_float32(folder, tmp_path, dtype):
    weights = {key: array.astype(dtype) for key, array in random_weights().items()}
    single = {key: array.astype(np.float32) for key, array in weights.items()}
    other, want = write(tmp_path / "other", weights), write(tmp_path / "single", single)
    assert load_encoder(other).digest == load_encoder(want).digest
    assert (load_encoder(other).digest == load_encoder(folder).digest) == (dtype == np.float64)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_configuration_in_another_unicode_form_is_read(folder, tmp_path, encoding):
    other = write(tmp_path / "other")
    (other / "config.json").write_bytes(
        json.dumps(LAYOUT | {"layer_norm_eps": None}).encode(encoding)
    )
    assert load_encoder(other).digest == load_encoder(folder).digest


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes"),
        (b"[1]", "holds a list"),
        (b"{", "not a JSON file"),
        (b"[" * 100_000, "not a JSON file"),
    ],
)
def test_a_configuration_that_is_none_is_one_line(tmp_path, content, said):
    folder = write(tmp_path / "m")
    (folder / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=said):
        load_encoder(folder)


def test_an_encoder_for_another_sample_rate_is_refused(tmp_path):
    folder = write(tmp_path / "m")
    (folder / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 8000}))
    with pytest.raises(InputError, match="an encoder for 8000 Hz; one for 16000 Hz is needed"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"weight_map": {"a": "../model.safetensors"}}, "not beside it"),
        ({"weight_map": {"a": "/etc/hostname"}}, "not beside it"),
        ({"weight_map": {"a": "lost.safetensors"}}, "names the shard 'lost.safetensors'"),
        ({"weight_map": ["a"]}, "no weight_map"),
        ({"weight_map": {"a": 1}}, "no weight_map"),
        ({}, "no weight_map"),
        ({"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}, "as another shard does"),
    ],
)
def test_an_index_of_shards_stays_in_its_folder_and_names_each_weight_once(tmp_path, index, said):
    folder = write(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "x.safetensors")
    shutil.copy(folder / "x.safetensors", folder / "y.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=said):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flax_model.msgpack", "for Flax"),
        ("tf_model.h5", "for TensorFlow"),
        ("model.onnx", "an ONNX graph"),
        ("checkpoint_best.pt", "not in the Hugging Face form"),
        ("adapter_model.safetensors", "an adapter alone"),
    ],
)
def test_weights_of_another_framework_alone_are_named(tmp_path, name, said):
    folder = write(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(InputError, match=said):
        load_encoder(folder)


@pytest.mark.parametrize("writer", [write_zipped, write_legacy])
def test_a_bin_gives_the_same_encoder_whole_and_in_shards(folder, tmp_path, monkeypatch, writer):
    pretend_torch(monkeypatch)
    weights = random_weights() | {"lm_head.weight": np.zeros((3, 8), np.float32)}
    whole = write(tmp_path / "whole")
    (whole / "model.safetensors").unlink()
    writer(whole / "pytorch_model.bin", *plain_tensors(weights))
    assert load_encoder(whole).digest == load_encoder(folder).digest
    (whole / "pytorch_model.bin").unlink()
    names = sorted(weights)
    for part in (0, 1):
        writer(
            whole / f"part{part}.bin",
            *plain_tensors({name: weights[name] for name in names[part::2]}),
        )
    index = {"weight_map": {name: f"part{place % 2}.bin" for place, name in enumerate(names)}}
    (whole / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert load_encoder(whole).digest == load_encoder(folder).digest


def test_a_damaged_conversion_is_noticed(folder, tmp_path):
    convert_encoder(folder, tmp_path / "out")
    weights = load_file(tmp_path / "out" / "weights.safetensors")
    weights["norm/bias"] = weights["norm/bias"] + 1
    save_file(weights, tmp_path / "out" / "weights.safetensors")
    with pytest.raises(InputError, match="a file is damaged or was replaced"):
        load_encoder(tmp_path / "out")
    weights["norm/bias"] = np.zeros(3, np.float32)
    save_file(weights, tmp_path / "out" / "weights.safetensors")
    with pytest.raises(
        InputError,
        match=r"weight norm/bias has shape \(3,\), the layout in config.json requires \(8,\)",
    ):
        load_encoder(tmp_path / "out")


def test_an_unreachable_hub_is_one_line(monkeypatch):
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(
        InputError, match="Hugging Face hub \\(ConnectionError: no route to host\\)"
    ) as caught:
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
    with pytest.raises(
        InputError, match=r"399 samples \(25 ms\); a speech encoder needs at least 400"
    ):
        load_encoder(folder)(np.zeros((1, 399), np.float32))
