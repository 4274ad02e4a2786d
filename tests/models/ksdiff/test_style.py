"""The style of a clip: its number, its embedding, and what it and the weight of the head change."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.config import SourceConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.motion_generator import MotionGenerator
from ksdiff_jax.models.ksdiff.style import style_number, style_of_clip
from ksdiff_jax.overrides import override
from ksdiff_jax.tree import named_leaves
from tests.data.clips import make_clip
from tests.models.ksdiff.conftest import TINY, drawn, random_batch
from tests.run_once import jit_to_run_once

STYLES = ("made", "real", "real/anna")
STYLED = override(TINY, {"model.generator.styles": ",".join(STYLES)})


def test_a_speaker_s_own_style_comes_before_that_of_its_source_and_the_unknown_one_is_last():
    def number(data_set, speaker):
        clip = dataclasses.replace(make_clip(0), data_set=data_set, speaker_id=speaker)
        return style_of_clip(clip, STYLES)

    assert number("real", "anna") == style_number("real/anna", STYLES) == 3
    assert number("real", "bob") == style_number("real", STYLES) == 2
    assert number("made", "anna") == 1
    assert number("", "anna") == number("other", "anna") == style_number("", STYLES) == 0


def test_a_source_may_have_the_style_of_another_one():
    sources = (SourceConfig(path="noises", style="real"), SourceConfig(name="other"))
    clip = dataclasses.replace(make_clip(0), data_set="noises")
    assert style_of_clip(clip, STYLES) == 0
    assert style_of_clip(clip, STYLES, sources=sources) == style_number("real", STYLES)


def test_a_named_style_is_the_unknown_one_plus_its_own_difference():
    generator = MotionGenerator(STYLED.model, dims=3)
    unknown = np.arange(16, dtype=np.float32)
    table = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    params = {"style": unknown, "null_speech": unknown, "styles": {"embedding": table}}

    def embedded(numbers, count):
        stepped = jnp.zeros((count, 16))
        return generator.apply({"params": params}, numbers, stepped, method="_style")

    rows = embedded(jnp.array([0, 1, 3]), 3)
    np.testing.assert_allclose(rows, [unknown, unknown + table[0], unknown + table[2]])
    np.testing.assert_array_equal(embedded(None, 2), [unknown, unknown])


def test_styles_add_one_table_to_each_generator_and_change_no_other_parameter():
    plain, styled = (
        {name: leaf.shape for name, leaf in named_leaves(shapes).items()}
        for shapes in (
            jax.eval_shape(build_system(config).init, jax.random.key(0))
            for config in (TINY, STYLED)
        )
    )
    added = {f"generators_{name}/styles/embedding": (3, 16) for name in ("expression", "head")}
    assert styled == plain | added


def test_an_unknown_style_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"sample\.style me: need one of made, real, real/anna"):
        override(STYLED, {"sample.style": "me"})
    with pytest.raises(InputError, match="style real: need it empty, the model has no styles"):
        override(TINY, {"sample.style": "real"})
    with pytest.raises(InputError, match=r"model\.generator\.styles .* need different names"):
        override(TINY, {"model.generator.styles": "a,a"})


@pytest.mark.slow
def test_the_style_changes_the_generators_terms_and_the_head_weight_scales_the_head_s():
    system = build_system(override(STYLED, {"model.jaw_path": "expression"}))
    params = drawn(system)
    keys = jax.random.split(jax.random.key(1), 2)
    loss = jit_to_run_once(lambda batch: system.loss(params, batch, keys, train=False))
    batch = random_batch(12)._replace(style=np.array([0, 0]), head_weight=np.array([1.0, 1.0]))
    before = loss(batch)
    styled = loss(batch._replace(style=np.array([0, 2])))
    weighted = loss(batch._replace(head_weight=np.array([0.0, 0.5])))
    for name in before:
        assert before[name][0] == styled[name][0]
        changed = not name.endswith("/keyframes")
        assert (before[name][1] != styled[name][1]) == changed, name
        share = np.array([0.0, 0.5] if name.startswith("head/") else [1.0, 1.0])
        np.testing.assert_allclose(weighted[name], share * before[name], rtol=1e-6)
