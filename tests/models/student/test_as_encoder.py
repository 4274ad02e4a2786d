"""A trained student is a speech encoder like any other: found in its run, recognised, refused."""

import json
import shutil

import jax
import numpy as np
import pytest

from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, config_from_dict
from ksdiff_jax.models.pretrained import load_pretrained, save_pretrained
from ksdiff_jax.models.speech_encoder import encoder_params, speech_features, with_encoder
from ksdiff_jax.overrides import load_config, override
from ksdiff_jax.speech import load_encoder
from ksdiff_jax.speech.convert import convert_encoder
from ksdiff_jax.tree import named_leaves
from tests.models.ksdiff.conftest import TINY as KSDIFF
from tests.models.student.conftest import TINY, write_student
from tests.models.test_speech_encoder import SMALLEST, UNIT_SPACE
from tests.speech.tiny_student import LAYOUT, student_params, tiny_student


def test_a_run_its_checkpoint_and_what_is_converted_of_it_are_one_encoder(run, tmp_path):
    expected = tiny_student()
    found = [load_encoder(run), load_encoder(run / "pretrained")]
    conversion = convert_encoder(run, tmp_path / "encoder")
    found.append(load_encoder(tmp_path / "encoder"))
    assert {encoder.digest for encoder in found} == {expected.digest, conversion.digest}
    for encoder in found:
        assert encoder.config == LAYOUT
        for name, leaf in named_leaves(encoder.params).items():
            np.testing.assert_array_equal(leaf, named_leaves(student_params())[name])


@pytest.mark.slow
@pytest.mark.parametrize(("system", "finetune"), [("ksdiff", "false"), ("disenttalk", "true")])
def test_systems_take_it_by_path_and_digest_frozen_or_finetuned(run, tmp_path, system, finetune):
    base = override(KSDIFF, SMALLEST) if system == "ksdiff" else load_config("disenttalk_demo")
    fields = {"kind": "pretrained", "path": str(run), "finetune": finetune}
    chosen = override(base, {f"model.encoder.{name}": value for name, value in fields.items()})
    config, encoder = with_encoder(chosen)
    assert config.model.encoder.digest == encoder.digest == tiny_student().digest
    assert config_from_dict(json.loads(json.dumps(to_dict(config)))) == config
    drawn = jax.eval_shape(build_system(config).init, jax.random.key(0))
    given = encoder_params(encoder)["encoder"]["backbone"]
    shapes = [
        {name: leaf.shape for name, leaf in named_leaves(tree).items()}
        for tree in (drawn["encoder"]["backbone"], given)
    ]
    assert shapes[0] == shapes[1]
    sound = np.random.default_rng(0).normal(scale=0.1, size=12_000).astype(np.float32)
    features = speech_features(config, encoder_params(encoder))(sound)
    np.testing.assert_array_equal(features, encoder.chunked(sound))
    # A checkpoint refers to a frozen one, and has the weights of a finetuned one.
    params = {"out": np.ones(2, np.float32)} | encoder_params(encoder)
    folder = save_pretrained(tmp_path / "system", config=config, params=params, space=UNIT_SPACE)
    assert load_pretrained(folder).params.keys() == {"out", "encoder"}


def test_another_student_in_its_place_is_refused(run, tmp_path):
    fields = {"model.encoder.kind": "pretrained", "model.encoder.path": str(run)}
    config, _ = with_encoder(override(KSDIFF, fields))
    other = write_student(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match="the model was trained with") as caught:
        with_encoder(config, path=other)
    assert "\n" not in str(caught.value)


def test_weights_that_are_damaged_not_finite_or_of_another_layout_are_refused(run, tmp_path):
    def refused(folder, match):
        with pytest.raises(InputError, match=match) as caught:
            load_encoder(folder)
        assert "\n" not in str(caught.value)

    spoilt = jax.tree.map(np.copy, student_params())
    spoilt["norm"]["scale"][0] = np.nan
    folder = write_student(tmp_path / "nan", encoder={"backbone": spoilt})
    refused(folder, r"encoder/backbone/norm/scale holds NaN or infinity in 1 of its 8 values")
    wrong = jax.tree.map(np.copy, student_params())
    wrong["norm"]["scale"] = np.ones(9, np.float32)
    refused(
        write_student(tmp_path / "wide", encoder={"backbone": wrong}),
        r"weight norm/scale has shape \(9,\), the layout in config.json requires \(8,\)",
    )
    swapped = write_student(tmp_path / "swapped", seed=1)
    shutil.copyfile(run / "pretrained" / "weights.safetensors", swapped / "weights.safetensors")
    refused(swapped, r"is corrupt \(SHA-256 differs\)")


def test_a_checkpoint_that_contains_its_encoder_is_one_and_one_without_is_not():
    shipped = load_encoder("whisper_demo")
    kept = load_pretrained("whisper_demo").params["encoder"]["backbone"]
    for name, leaf in named_leaves(shipped.params).items():
        np.testing.assert_array_equal(leaf, named_leaves(kept)[name])
    for name in ("sync", "demo"):
        with pytest.raises(InputError, match=r"which is no speech encoder and contains no pre"):
            load_encoder(name)


def test_the_configuration_of_a_student_keeps_its_own_kind():
    with pytest.raises(InputError, match=r"model\.encoder\.kind mel: need student"):
        override(TINY, {"model.encoder.kind": "mel"})
