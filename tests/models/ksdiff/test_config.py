"""Configurations that are no KSDiff: refused by name when they are made."""

import dataclasses
import json
import subprocess
import sys

import pytest

from ksdiff_jax.config import flatten, to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, config_from_dict, default_config
from ksdiff_jax.models.ksdiff.config import Config, KeyframeConfig
from ksdiff_jax.overrides import override


@pytest.mark.parametrize(
    ("field", "value", "need"),
    [
        ("model.width", "33", "a multiple of twice the heads"),
        ("model.width", "0", "2 or more"),
        ("model.heads", "0", "1 or more"),
        ("model.heads", "3", "a multiple of twice the heads, 2 · 3"),
        ("model.dropout", "1.5", "a number from 0 to below 1"),
        ("model.encoder.mel_bands", "0", "1 or more"),
        ("model.transcript.max_tokens", "1", "2 or more"),
        ("model.speech_paths.groups", "3", "a divisor of model.width 512"),
        ("model.speech_paths.head_stride", "0", "1 or more"),
        ("model.generator.layers", "0", "1 or more"),
        ("model.keyframes.layers", "0", "1 or more"),
        ("model.generator.period_frames", "0", "1 or more"),
        ("model.diffusion.steps", "0", "1 or more"),
        ("model.keyframes.drop_probability", "nan", "a number from 0 to 1"),
        ("loss.spectral", "nan", "a finite number, 0 or more"),
        ("loss.spectral_windows", "0", "windows of 4 or more motion frames"),
        ("sample.steps", "0", "1 or more"),
        ("sample.steps", "5000", "1 to 1000, model.diffusion.steps"),
        ("model.diffusion.steps", "20", "1 to 20, model.diffusion.steps"),
        ("sample.guidance", "inf", "a number of 0 or more"),
        ("sample.keyframe_guidance", "-1", "a number of 0 or more"),
        ("sample.head_guidance", "nan", "a number of 0 or more, or none: as guidance"),
        ("sample.causal_guidance", "-1", "a number of 0 or more, or none: as guidance"),
        ("sample.causal_regression_weight", "2", "a number from 0 to 1, or none: as regression_w"),
        ("sample.causal_regression_gain", "-1", "a number of 0 or more, or none: as regression_g"),
        ("sample.causal_regression_weight", "0.5", "0, the model has no regression"),
        ("model.keyframes.reach_frames", "-1", "0 or more"),
        ("model.causal.probability", "1.5", "a number from 0 to 1"),
        ("model.causal.look_ahead_frames", "6", "1 to 5 motion frames"),
        ("sample.lip_temperature", "2", "0 .speech alone. to 1"),
        ("data.clip_frames", "0", "1 or more"),
        ("data.clip_frames", "-5", "1 or more"),
        ("data.batch_size", "0", "1 or more"),
        ("data.workers", "-1", "0 or more"),
        ("data.threads", "0", "1 or more"),
        ("data.corpus_clips", "0", "1 or more"),
        ("data.bad_record_share", "2.0", "a number from 0 to 1"),
        ("data.augment.noise", "-0.5", "a number from 0 to 1"),
        ("train.steps", "0", "1 or more"),
        ("train.accumulate_steps", "0", "1 or more"),
        ("train.hang_s", "-1", "seconds, or 0 for no watchdog"),
        ("train.learning_rate", "0", "a number above 0"),
        ("train.ema_decay", "1", "a number from 0 to below 1"),
        ("train.seed", "-1", "a whole number from 0"),
    ],
)
def test_a_field_that_nothing_can_be_made_with_is_one_line(field, value, need):
    with pytest.raises(InputError, match=rf"^[a-z_.]+ [^ ]+: need {need}") as error:
        override(Config(), {field: value})
    named = {("model.heads", "3"): "model.width", ("model.diffusion.steps", "20"): "sample.steps"}
    assert named.get((field, value), field) in str(error.value) and "\n" not in str(error.value)


def test_a_replaced_configuration_is_checked_again():
    with pytest.raises(InputError, match=r"model.keyframes.layers 0"):
        dataclasses.replace(KeyframeConfig(), layers=0)
    short = override(Config(), {"sample.steps": 10, "model.diffusion.steps": 20})
    with pytest.raises(InputError, match=r"sample.steps 30: need 1 to 20"):
        dataclasses.replace(short, sample=dataclasses.replace(short.sample, steps=30))


def test_guidance_of_the_head_needs_a_generator_of_the_head():
    apart = override(Config(), {"sample.head_guidance": "3", "sample.guidance": "2"}).sample
    assert (apart.guidance_of("head"), apart.guidance_of("expression")) == (3, 2)
    alike = override(Config(), {"sample.head_guidance": "none", "sample.guidance": "2"}).sample
    assert (alike.guidance_of("head"), alike.guidance_of("expression")) == (2, 2)
    with pytest.raises(InputError, match=r"sample.head_guidance 3.0: need none, the model has one"):
        override(Config(), {"sample.head_guidance": "3", "model.generator.dual_path": "false"})


def test_fields_that_fit_together_only_are_set_together():
    changes = {"model.width": "30", "model.heads": "3", "model.speech_paths.groups": "5"}
    model = override(Config(), changes).model
    assert (model.width, model.heads, model.speech_paths.groups) == (30, 3, 5)


def test_a_group_is_set_before_its_fields_in_whatever_order_they_come():
    for names in (("data.augment", "data.augment.noise"), ("data.augment.noise", "data.augment")):
        values = {"data.augment": "none", "data.augment.noise": "0.25"}
        assert override(Config(), {name: values[name] for name in names}).data.augment.noise == 0.25


def test_a_configuration_survives_json_and_one_without_a_system_is_ksdiff():
    config = override(default_config(), {"data.augment.noise": "0.1", "train.steps": 7})
    stored = json.loads(json.dumps(to_dict(config)))
    assert config_from_dict(stored) == config
    del stored["system"]
    assert config_from_dict(stored) == config and config.system == "ksdiff"


def test_a_field_that_is_gone_is_read_if_it_had_its_one_value_and_named_otherwise():
    stored = to_dict(Config())
    stored["model"]["param_dtype"] = "float32"
    assert config_from_dict(stored) == Config()
    stored["model"]["param_dtype"] = "bfloat16"
    with pytest.raises(InputError, match=r"^model.param_dtype 'bfloat16': .* only 'float32'"):
        config_from_dict(stored)


def test_another_system_and_its_fields_are_named_with_what_is_known():
    with pytest.raises(InputError, match=r"^system 'dreamtalk': not known; need one of ksdiff, "):
        config_from_dict(to_dict(Config()) | {"system": "dreamtalk"})
    stored = to_dict(Config())
    stored["model"]["keyframe"] = {"layers": 2}
    with pytest.raises(InputError, match=r"'model.keyframe'; did you mean 'model.keyframes'\?$"):
        config_from_dict(stored)


def test_the_system_that_a_configuration_names_is_built():
    system = build_system(Config())
    assert type(system).__name__ == "KSDiff" and system.config == Config()


def test_reading_a_configuration_loads_no_jax():
    code = "import sys; from ksdiff_jax.models import default_config; default_config(); "
    code += "sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_number_of_a_configuration_is_named_by_a_dotted_name_that_override_takes():
    values = flatten(json.loads(json.dumps(to_dict(Config()))))
    assert override(Config(), values) == Config()


def test_the_heads_keyframes_contain_the_jaw_where_its_path_does_and_in_older_checkpoints():
    paper, moved = Config(), override(Config(), {"model.jaw_path": "expression"})
    assert paper.keyframe_settings.head_jaw == "always"
    assert moved.keyframe_settings.head_jaw == "never"
    assert config_from_dict(to_dict(moved)) == moved
    stored = to_dict(moved)
    del stored["model"]["keyframes"]["head_jaw"]
    assert config_from_dict(stored).keyframe_settings.head_jaw == "always"
