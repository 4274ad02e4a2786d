"""Starting from another run's weights and freezing some, on the toy system and through whole
runs.
"""

import dataclasses
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.pretrained import load_pretrained
from ksdiff_jax.rng import stream
from ksdiff_jax.train.loop import train
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.report.progress import Progress
from ksdiff_jax.train.surgery import check_surgery, hold, starting_weights
from ksdiff_jax.tree import named_leaves
from tests.train.toy import ToySystem, open_toy, toy_config


class WiderToy(ToySystem):
    """The toy with another hidden width in its second half and one parameter more."""

    def init(self, key):
        params = super().init(key)
        kernel = jax.random.normal(stream(key, "wide"), (24, 64))
        return {
            "first": params["first"],
            "second": {**params["second"], "kernel": kernel},
            "third": jnp.zeros(3),
        }


def run(workdir, *, system=ToySystem, **settings):
    config = toy_config(**{"steps": 4, "validate_every": 4, "checkpoint_every": 2, **settings})
    said = io.StringIO()
    outcome = train(
        config,
        workdir,
        build_system=system,
        open_data=open_toy,
        progress=Progress(config.train.steps, stream=said),
    )
    return outcome.state, said.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("trained")
    run(workdir)
    return workdir


def test_taken_parts_start_from_the_checkpoint_and_frozen_ones_stay_there(trained, tmp_path):
    state, said = run(
        tmp_path,
        init_from=str(trained),
        init_patterns=("first/*",),
        freeze_patterns=("first/*",),
        seed=5,
    )
    weights = named_leaves(load_pretrained(trained).params)
    found = named_leaves(jax.device_get(state.params))
    np.testing.assert_array_equal(found["first/kernel"], weights["first/kernel"])
    assert np.abs(found["second/kernel"] - weights["second/kernel"]).max() > 1e-3
    assert not any(name.endswith("first/kernel") for name in named_leaves(state.opt_state))
    np.testing.assert_array_equal(
        named_leaves(load_pretrained(tmp_path).params)["first/kernel"], weights["first/kernel"]
    )
    report = json.loads((tmp_path / "init_report.json").read_text())
    assert report["loaded"] == report["frozen"] == ["first/kernel"]
    assert report["new"] == report["skipped"] == ["second/bias", "second/kernel"]
    assert "1 loaded, 2 skipped, 0 reshaped, 2 new, 1 frozen" in said


@pytest.mark.slow
def test_a_resumed_run_does_not_start_again(trained, tmp_path):
    settings = {
        "init_from": str(trained),
        "freeze_patterns": ("second/bias",),
        "validate_every": 100,
    }
    whole, _ = run(tmp_path / "whole", **settings)
    run(tmp_path / "halves", steps=2, **settings)
    halves, said = run(tmp_path / "halves", **settings)
    assert "starting from" not in said
    for name, leaf in named_leaves(jax.device_get(whole)).items():
        np.testing.assert_array_equal(
            leaf, named_leaves(jax.device_get(halves))[name], err_msg=name
        )


def test_another_shape_starts_anew_and_is_named_with_both_shapes(trained):
    config = toy_config(init_from=str(trained))
    start = starting_weights(config, WiderToy(config))
    assert start.report["reshaped"] == {
        "second/kernel": {"checkpoint": [16, 64], "model": [24, 64]}
    }
    assert start.report["loaded"] == ["first/kernel", "second/bias"]
    assert start.report["new"] == ["third"]
    assert named_leaves(start.params).keys() == {"first/kernel", "second/bias"}


class OneMap(ToySystem):
    """The toy with one row of a parameter that has a row for each style."""

    needs = ToySystem.needs._replace(per_style=("maps",))
    maps = 1

    def init(self, key):
        return super().init(key) | {"maps": jax.random.normal(key, (self.maps, 3))}


class ThreeMaps(OneMap):
    maps = 3


def test_every_style_starts_from_the_map_of_a_run_without_styles(tmp_path):
    run(tmp_path, system=OneMap, steps=1, validate_every=1, checkpoint_every=1)
    config = toy_config(init_from=str(tmp_path))
    start = starting_weights(config, ThreeMaps(config))
    learned = named_leaves(load_pretrained(tmp_path).params)["maps"]
    np.testing.assert_array_equal(start.params["maps"], np.repeat(learned, 3, axis=0))
    assert start.report["repeated"] == ["maps"]
    assert start.report["reshaped"] == {}
    same = starting_weights(config, OneMap(config))
    assert same.report["repeated"] == []
    np.testing.assert_array_equal(same.params["maps"], learned)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"freeze_patterns": ("first/*", "frist/*")},
            r"freeze_patterns: 'frist/\*' matches no parameter of this model",
        ),
        ({"freeze_patterns": ("*",)}, "nothing is left to train"),
        (
            {"init_patterns": ("decoder/*",)},
            r"init_patterns: 'decoder/\*' matches no .* first, second",
        ),
        ({"init_from": "no-such-run"}, "no checkpoint 'no-such-run'"),
        ({"init_from": "demo"}, "none of its"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_the_folder_exists(
    settings, message, trained, tmp_path
):
    settings = {"init_from": str(trained), **settings}
    with pytest.raises(InputError, match=message) as error:
        run(tmp_path / "new", **settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_held_parameters_get_no_gradient_and_no_moments():
    config = dataclasses.replace(toy_config().train, freeze_patterns=("*/bias", "first/*"))
    params = {
        "first": {"kernel": jnp.ones((2, 2))},
        "second": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
    }

    def loss(params):
        return sum(
            jnp.sum(leaf**2) for leaf in jax.tree.leaves(hold(params, config.freeze_patterns))
        )

    gradient = named_leaves(jax.grad(loss)(params))
    assert [name for name, leaf in gradient.items() if np.any(leaf)] == ["second/kernel"]
    moments = [
        name
        for name in named_leaves(make_optimizer(config).init(params))
        if "kernel" in name or "bias" in name
    ]
    assert len(moments) == 2
    assert all(name.endswith("second/kernel") for name in moments)


def test_a_resumed_run_needs_no_source_any_more(tmp_path):
    (tmp_path / "checkpoints" / "5").mkdir(parents=True)
    config = toy_config(init_from="gone")
    check_surgery(config, ToySystem(config), tmp_path)
