"""Accumulated gradients against those of the whole batch, for clips of unequal length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.arrays import check_batch_size
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.rng import frame_noise, numbered, stream
from ksdiff_jax.train.accumulate import accumulated, micro_batches
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step
from ksdiff_jax.tree import named_leaves
from tests.train.toy import FRAMES, ToySystem, toy_batch, toy_config


def ragged_batch(batch_size=8):
    batch = toy_batch(0, batch_size)
    valid = 1 + np.arange(batch_size) % FRAMES
    mask = np.arange(FRAMES) < valid[:, None]
    return batch._replace(speech=batch.speech._replace(mask=mask))


def one_step(accumulate_steps):
    config = toy_config(accumulate_steps=accumulate_steps)
    system, optimizer = ToySystem(config), make_optimizer(config.train)
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    with jax.set_mesh(mesh):
        abstract = abstract_state(system, optimizer, mesh)
        state = sharded_initial_state(system, optimizer, jax.random.key(0), abstract=abstract)
        step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
        return jax.device_get(step(state, ragged_batch()))


@pytest.mark.parametrize("accumulate_steps", [2, 8])
def test_a_step_in_micro_batches_is_the_step_of_the_whole_batch(accumulate_steps):
    """With the noise of the toy: a clip draws the same in any micro-batch."""
    (state, metrics), (whole_state, whole_metrics) = one_step(accumulate_steps), one_step(1)
    assert metrics.keys() == whole_metrics.keys()
    for name, value in whole_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-6, err_msg=name)
    # Adam's first update is the gradient's sign times the rate, wherever the gradient is not tiny:
    # compare moments.
    found, expected = named_leaves(state.opt_state), named_leaves(whole_state.opt_state)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-8, err_msg=name)


def test_the_loss_of_a_step_is_the_mean_over_clips_and_not_over_frames():
    """Against plain NumPy; the clips are ragged, so the mean over frames is another number."""
    config = toy_config()
    system, batch = ToySystem(config), ragged_batch()
    params = system.init(stream(jax.random.key(0), "init"))
    keys = numbered(stream(jax.random.key(config.train.seed), "train", 0), np.arange(8))
    noise = frame_noise(keys, np.zeros(8, np.int32), FRAMES, batch.motion.shape[2:])
    error = system.motion(params, batch.speech) - batch.motion + 0.01 * noise
    squares = np.asarray(error, np.float64) ** 2
    of_clips = [squares[clip][batch.speech.mask[clip]].mean() for clip in range(8)]
    _, metrics = one_step(1)
    assert float(metrics["loss"]) == pytest.approx(np.mean(of_clips), rel=1e-5)
    assert float(metrics["loss"]) == float(metrics["reconstruction"])
    assert abs(np.mean(of_clips) / squares[batch.speech.mask].mean() - 1) > 1e-3


def test_every_clip_keeps_its_key_in_a_micro_batch():
    def drawing(params, batch, keys):
        own = jax.vmap(jax.random.uniform)(keys) * batch.motion[:, 0, 0]
        return (own.mean(), {}), params

    keys = numbered(jax.random.key(5), jnp.arange(8))
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    batch = jax.tree.map(jnp.asarray, toy_batch(0, 8))
    with jax.set_mesh(mesh):
        (total, _), _ = accumulated(drawing, {"w": jnp.ones(2)}, batch, keys, count=4, mesh=mesh)
    draws = np.asarray(jax.vmap(jax.random.uniform)(keys))
    assert len(set(draws.tolist())) == 8
    assert float(total) == pytest.approx(float((draws * batch.motion[:, 0, 0]).mean()), rel=1e-5)


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
