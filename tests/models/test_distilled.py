"""The teacher of a distillation, and the options that a distilled model has left."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models import default_config
from ksdiff_jax.models.distilled import with_distillation
from ksdiff_jax.models.ksdiff.config import Config, DistillConfig
from ksdiff_jax.models.pretrained import read_pretrained, save_pretrained
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS
from ksdiff_jax.overrides import load_config, override
from tests.train.tiny_ksdiff import tiny_config

WEIGHTS = {
    name: {"kernel": np.full((2, 2), number, np.float32)}
    for number, name in enumerate(("speech_paths", "generators_head", "generators_expression"))
}


def saved(folder, config, weights=WEIGHTS):
    space = BUILTIN.with_statistics(np.zeros(MOTION_DIMS), np.ones(MOTION_DIMS))
    return str(save_pretrained(folder, config=config, params=weights, space=space))


@pytest.fixture
def teacher(tmp_path):
    guided = {
        "guidance": 1.5,
        "head_guidance": 3.0,
        "causal_guidance": 2.0,
        "lip_temperature": 0.5,
        "steps": 10,
    }
    config = tiny_config("")
    config = dataclasses.replace(config, sample=dataclasses.replace(config.sample, **guided))
    return saved(tmp_path / "teacher", config)


def student_of(teacher, **changes):
    return override(load_config("distill"), {"distill.teacher": teacher, **changes})


def test_a_student_has_the_network_and_the_options_of_its_teacher_without_its_guidance(teacher):
    config, weights = with_distillation(student_of(teacher, **{"sample.steps": 2}))
    expected = read_pretrained(teacher)
    assert config.model == expected.config.model
    assert (config.name, config.train.init_from, config.data.statistics) == (
        "distill",
        teacher,
        "init",
    )
    assert config.distill.digest == expected.digest
    assert (config.distill.guidance, config.distill.head_guidance) == (1.5, 3.0)
    sample = config.sample
    assert (sample.guidance, sample.head_guidance, sample.keyframe_guidance) == (1, None, 1)
    assert sample.causal_guidance is None
    assert (sample.sampler, sample.spacing, sample.steps) == ("ddim", "trailing", 2)
    assert sample.lip_temperature == 0.5
    # its denoisers alone are trained; the teacher's stay as they are
    assert config.train.freeze_patterns == ("speech_paths/*",) and config.frozen == ("teacher",)
    assert weights["teacher"].keys() == {"generators_head", "generators_expression"}


def test_a_run_without_a_teacher_is_left_alone():
    for config in (load_config("demo"), default_config("sync")):
        assert with_distillation(config) == (config, {})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"distill.teacher": "nowhere"}, "distill.teacher: no checkpoint 'nowhere'"),
        ({"model.width": 64}, "model: a student has the network of its teacher"),
        ({"sample.steps": 3}, "sample.steps 3: need one of distill.student_steps, 1, 2, 4: "),
    ],
)
def test_a_student_that_cannot_be_is_one_line(teacher, changes, says):
    with pytest.raises(InputError) as error:
        with_distillation(student_of(teacher, **changes))
    assert says in str(error.value) and len(str(error.value).splitlines()) == 1


def test_what_cannot_teach_is_named(teacher, tmp_path):
    student, _ = with_distillation(student_of(teacher))
    again = saved(tmp_path / "student", student)
    with pytest.raises(InputError, match="is distilled itself; name its teacher"):
        with_distillation(student_of(again))
    other = saved(tmp_path / "sync", default_config("sync"))
    with pytest.raises(InputError, match="of the system sync; a system that can be distilled"):
        with_distillation(student_of(other))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("steps", 10),
        ("sampler", "dpm++2m"),
        ("spacing", "log_snr"),
        ("eta", 0.5),
        ("guidance", 2.0),
        ("head_guidance", 3.0),
        ("causal_guidance", 3.0),
        ("keyframe_guidance", 1.5),
    ],
)
def test_a_distilled_model_is_sampled_as_it_was_distilled(option, value):
    config = Config(distill=DistillConfig(teacher="demo"), sample=load_config("distill").sample)
    with pytest.raises(InputError, match=rf"sample.{option} .*: need .* distilled"):
        override(config, {f"sample.{option}": value})
