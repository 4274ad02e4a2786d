"""Accumulated gradients against those of the whole batch, for clips of unequal length."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.system import Statistics
from ksdiff_jax.parallel.arrays import check_batch_size
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.rng import stream
from ksdiff_jax.train.accumulate import accumulated, micro_batches
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step
from ksdiff_jax.tree import named_leaves
from tests.models.ksdiff.conftest import TINY, lively, random_batch
from tests.train.tiny_ksdiff import without_randomness
from tests.train.toy import FRAMES, ToySystem, toy_batch, toy_config

UNIT = Statistics(np.zeros(59, np.float32), np.ones(59, np.float32))


class QuietToy(ToySystem):
    """The toy without noise, so that nothing depends on how the batch is cut."""

    def loss(self, params, batch, key, *, statistics, train, whole=None):
        return super().loss(params, batch, key, statistics=statistics, train=False, whole=whole)


def ragged_batch(batch_size=8):
    batch = toy_batch(0, batch_size)
    valid = 1 + np.arange(batch_size) % FRAMES
    mask = np.arange(FRAMES) < valid[:, None]
    return batch._replace(speech=batch.speech._replace(mask=mask))


def one_step(accumulate_steps):
    config = toy_config(accumulate_steps=accumulate_steps)
    system, optimizer = QuietToy(config), make_optimizer(config.train)
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    with jax.set_mesh(mesh):
        abstract = abstract_state(system, optimizer, mesh)
        state = sharded_initial_state(system, optimizer, jax.random.key(0), abstract=abstract)
        step = make_train_step(
            system, optimizer, config, statistics=UNIT, abstract=abstract, mesh=mesh
        )
        return jax.device_get(step(state, ragged_batch()))


@pytest.mark.parametrize("accumulate_steps", [2, 8])
def test_a_step_in_micro_batches_is_the_step_of_the_whole_batch(accumulate_steps):
    (state, metrics), (whole_state, whole_metrics) = one_step(accumulate_steps), one_step(1)
    assert metrics.keys() == whole_metrics.keys()
    for name, value in whole_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    # Adam's first update is the gradient's sign times the rate, wherever the gradient is not tiny:
    # compare moments.
    found, expected = named_leaves(state.opt_state), named_leaves(whole_state.opt_state)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-8, err_msg=name)


def test_the_mean_of_ragged_micro_batches_would_be_another_gradient():
    # The control: without the whole batch's masks the shares do not add up.
    batch, params = ragged_batch(), QuietToy(toy_config()).init(jax.random.key(0))
    loss = lambda b: QuietToy(toy_config()).loss(params, b, None, statistics=UNIT, train=True)[0]  # noqa: E731
    halves = [jax.tree.map(lambda a, i=i: a[i::2], batch) for i in range(2)]
    assert abs(float(sum(map(loss, halves)) / 2 - loss(batch))) > 1e-3 * float(loss(batch))


def test_every_micro_batch_draws_from_its_own_stream_of_the_step():
    def drawing(params, batch, key, whole):
        return (jax.random.uniform(key), {}), params

    key = jax.random.key(5)
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    batch = jax.tree.map(jnp.asarray, toy_batch(0, 8))
    with jax.set_mesh(mesh):
        (total, _), _ = accumulated(drawing, {"w": jnp.ones(2)}, batch, key, count=4, mesh=mesh)
    draws = [float(jax.random.uniform(stream(key, "micro-batch", number))) for number in range(4)]
    assert len(set(draws)) == 4
    assert float(total) == pytest.approx(sum(draws), rel=1e-6)


def test_every_clip_is_in_exactly_one_micro_batch():
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    with jax.set_mesh(mesh):
        dealt = micro_batches(jnp.arange(12), 3, mesh)
    np.testing.assert_array_equal(dealt, np.arange(12).reshape(4, 3).T)


@pytest.mark.parametrize(("batch_size", "accumulate_steps"), [(8, 3), (8, 16)])
def test_a_batch_that_does_not_divide_is_refused(batch_size, accumulate_steps):
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    with pytest.raises(InputError, match=f"accumulate_steps {accumulate_steps}"):
        check_batch_size(batch_size, mesh, accumulate_steps=accumulate_steps)


@pytest.mark.slow
def test_every_term_of_ksdiff_is_the_sum_of_its_shares_in_micro_batches(monkeypatch):
    model = dataclasses.replace(
        TINY.model,
        keyframes=dataclasses.replace(TINY.model.keyframes, layers=1),
        transcript=dataclasses.replace(TINY.model.transcript, enabled=False),
        speech_paths=dataclasses.replace(TINY.model.speech_paths, refine=False),
    )
    system = build_system(without_randomness(dataclasses.replace(TINY, model=model)))
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    params = lively(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes))
    # What the loss draws besides dropout, the noise and its level, must not depend on the cut
    # either.
    monkeypatch.setattr(jax.random, "normal", lambda key, shape: jnp.zeros(shape))
    monkeypatch.setattr(jax.random, "randint", lambda key, shape, low, high: jnp.full(shape, 300))
    batch = random_batch(16, batch=4)
    mask = np.arange(16) < np.array([16, 9, 12, 16])[:, None]
    batch = batch._replace(speech=batch.speech._replace(mask=jnp.asarray(mask)))

    @jax.jit
    def terms(part, whole):
        return system.loss(
            params, part, jax.random.key(1), statistics=UNIT, train=True, whole=whole
        )[1]

    first, second = (
        terms(jax.tree.map(lambda a, i=i: a[i::2], batch), batch.speech.mask) for i in range(2)
    )
    for name, value in terms(batch, None).items():
        np.testing.assert_allclose(first[name] + second[name], value, rtol=1e-5, err_msg=name)
