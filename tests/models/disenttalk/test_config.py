"""Configurations of DisentTalk: the paper's, stored ones, and those that are refused."""

import json
from pathlib import Path

import jax
import pytest

from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, config_from_dict, default_config
from ksdiff_jax.models.disenttalk.config import Config
from ksdiff_jax.models.frozen import part
from ksdiff_jax.overrides import load_config, override
from ksdiff_jax.tree import parameter_count
from tests.models.disenttalk.conftest import TINY

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize(
    ("field", "value", "need"),
    [
        ("model.width", "33", "a multiple of twice the heads"),
        ("model.blocks", "0", "1 or more"),
        ("model.local_kernel", "4", "an odd number of frames"),
        ("model.temporal_kernel", "0", "an odd number of frames"),
        ("model.dilations", "1,0", "frames of 1 or more"),
        ("model.dilations", "", "frames of 1 or more"),
        ("model.diffusion.steps", "20", "1 to 20, model.diffusion.steps"),
        ("model.diffusion.condition_drop_probability", "2", "a number from 0 to 1"),
        ("loss.sync", "-1", "a finite number, 0 or more"),
        ("sample.steps", "401", "1 to 400, model.diffusion.steps"),
        ("sample.guidance", "nan", "a number of 0 or more"),
        ("sample.lip_temperature", "1.5", "0 .speech alone. to 1"),
    ],
)
def test_a_field_that_nothing_can_be_made_with_is_one_line(field, value, need):
    with pytest.raises(InputError, match=rf"^[a-z_.]+ [^:]*: need {need}") as error:
        override(Config(), {field: value})
    assert "\n" not in str(error.value)


def test_a_configuration_survives_json_and_is_built_as_the_system_that_it_names():
    assert default_config("disenttalk") == Config()
    stored = json.loads(json.dumps(to_dict(TINY)))
    assert config_from_dict(stored) == TINY
    assert type(build_system(TINY)).__name__ == "DisentTalk"


def test_the_paper_configuration_is_the_papers():
    config = load_config(CONFIGS / "disenttalk.py")
    model = config.model
    assert (model.diffusion.steps, model.diffusion.condition_drop_probability) == (400, 0.1)
    assert len(model.regions.lip) == 13
    assert (model.local_kernel, model.dilations, config.loss.sync) == (5, (1, 2, 4), 0.01)
    assert (config.train.learning_rate, config.data.batch_size) == (1e-4, 32)
    assert (config.train.weight_decay, config.train.warmup_steps) == (0.0, 0)
    shapes = jax.eval_shape(build_system(config).init, jax.random.key(0))
    assert part(shapes, config).frozen.keys() == {"encoder"}
    # HuBERT base has 94.4 million parameters, one vector of which masks training's input.
    assert parameter_count(shapes["encoder"]) == pytest.approx(94.4e6, rel=0.001)
    # A block: three regions of 5 D², their fusion 3, Eq. 5 3, Eq. 6 5 + 4 + 2, FiLM 2: 34 D².
    assert parameter_count(shapes["denoiser"]) == pytest.approx(6 * 34 * 512**2, rel=0.05)


def test_the_demo_configuration_is_of_the_built_in_corpus_and_small():
    config = load_config(CONFIGS / "disenttalk_demo.py")
    assert (config.data.path, config.model.encoder.kind) == ("", "mel")
    assert (len(config.model.regions.lip), len(config.model.regions.eye)) == (13, 4)
    shapes = jax.eval_shape(build_system(config).init, jax.random.key(0))
    assert parameter_count(shapes) < 3e6
