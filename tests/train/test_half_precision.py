"""bfloat16 in dense layers and attention, float32 everywhere else: checked in the traced program,
and one step.
"""

import collections
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.overrides import load_config, override
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.rng import numbered, stream
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state
from ksdiff_jax.train.steps import make_train_step
from tests.models.ksdiff.conftest import TINY, lively, random_batch
from tests.run_once import jit_to_run_once

# What norms, softmax, spectra, positions, schedules and losses are made of.
DELICATE = {
    "exp",
    "log",
    "log1p",
    "rsqrt",
    "sqrt",
    "reduce_sum",
    "reduce_max",
    "cumsum",
    "sin",
    "cos",
    "erf",
}
# Relative difference of the loss of an untrained model; bfloat16 has 8 bits of mantissa.
LOSS_TOLERANCE = 0.02


def half(config):
    return override(config, {"model.compute_dtype": "bfloat16"})


def operations(jaxpr, found):
    """Count (primitive, type of its first result) in a traced program, calls included."""
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                if isinstance(inner, jax.extend.core.ClosedJaxpr | jax.extend.core.Jaxpr):
                    operations(getattr(inner, "jaxpr", inner), found)
        found[equation.primitive.name, str(getattr(equation.outvars[0].aval, "dtype", ""))] += 1
    return found


@pytest.mark.slow
def test_products_are_bfloat16_and_all_that_is_delicate_float32():
    system, batch = build_system(half(TINY)), random_batch(16)
    params = jax.eval_shape(system.init, jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}

    def loss(params):
        keys = jax.random.split(jax.random.key(1), 2)
        return system.loss(params, batch, keys, train=True)

    traced = jax.make_jaxpr(loss)(params)
    found = operations(traced.jaxpr, collections.Counter())
    assert found["dot_general", "bfloat16"] > 100
    assert not {name for name, dtype in found if dtype == "bfloat16"} & DELICATE
    assert {str(value.dtype) for value in traced.out_avals} == {"float32"}


@pytest.mark.slow
def test_a_step_is_finite_near_that_of_float32_and_leaves_float32_behind():
    model = dataclasses.replace(
        TINY.model,
        dropout=0.0,
        transcript=dataclasses.replace(TINY.model.transcript, enabled=False),
        keyframes=dataclasses.replace(TINY.model.keyframes, enabled=False),
        speech_paths=dataclasses.replace(TINY.model.speech_paths, refine=False),
    )
    plain = dataclasses.replace(TINY, model=model)
    config, batch, mesh = (
        half(plain),
        random_batch(16),
        make_mesh(MeshConfig(), devices=jax.devices()[:1]),
    )
    system, optimizer = build_system(config), make_optimizer(config.train)
    with jax.set_mesh(mesh):
        abstract = abstract_state(system, optimizer, mesh)
        state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), abstract)
        state = state._replace(params=lively(state.params))
        key = stream(jax.random.key(config.train.seed), "train", 0)
        keys = numbered(key, jnp.arange(2))
        terms = jit_to_run_once(lambda p: build_system(plain).loss(p, batch, keys, train=True))(
            state.params
        )
        expected = float(sum(terms.values()).mean())
        step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
        new, metrics = step(state, batch)
    assert float(metrics["skipped"]) == 0
    assert float(metrics["loss"]) == pytest.approx(expected, rel=LOSS_TOLERANCE)
    assert float(metrics["loss"]) != expected
    floats = [leaf for leaf in jax.tree.leaves(new) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert {leaf.dtype for leaf in floats} == {jnp.dtype("float32")}
    assert all(np.isfinite(leaf).all() for leaf in floats)


def test_the_preset_for_accelerators_is_the_paper_in_bfloat16():
    preset = load_config("paper_bf16")
    assert preset == dataclasses.replace(half(load_config("paper")), name="paper_bf16")


@pytest.mark.parametrize(
    ("field", "value"), [("compute_dtype", "bf16"), ("output_dtype", "float64")]
)
def test_a_type_that_training_cannot_have_is_refused(field, value):
    with pytest.raises(InputError, match=rf"model.{field}: got '{value}', need one of 'float32'"):
        override(TINY, {f"model.{field}": value})
