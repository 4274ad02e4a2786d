"""What the compiled step depends on, and what it does not."""

import re

import jax
import optax

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.parallel.arrays import global_batch
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step
from tests.train.toy import ToySystem, toy_batch, toy_config


def parts(seed):
    config = toy_config(seed=seed)
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
    return ToySystem(config), make_optimizer(config.train), mesh


def program_and_losses(seed):
    """The text of the step before compilation, and the losses of two steps from the same
    weights.
    """
    system, optimizer, mesh = parts(seed)
    with jax.set_mesh(mesh):
        abstract = abstract_state(system, optimizer, mesh)
        state = sharded_initial_state(system, optimizer, jax.random.key(0), abstract=abstract)
        step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
        batch, losses = global_batch(toy_batch(0), mesh), []
        text = step.lower(abstract, batch).as_text()
        for _ in range(2):
            state, metrics = step(state, batch)
            losses.append(float(metrics["loss"]))
    return text, losses


def test_seeds_share_one_program_and_draw_different_numbers():
    (text, losses), (other_text, other_losses) = program_and_losses(1), program_and_losses(2)
    assert text == other_text
    assert all(a != b for a, b in zip(losses, other_losses, strict=True))
    assert program_and_losses(1)[1] == losses


def test_no_array_of_the_state_is_copied_before_it_is_overwritten():
    system, optimizer, mesh = parts(0)
    with jax.set_mesh(mesh):
        abstract = abstract_state(system, optimizer, mesh)
        step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
        lowered = step.lower(abstract, global_batch(toy_batch(0), mesh))
        text = lowered.compile({"xla_backend_optimization_level": 0}).as_text()
    matrices = {leaf.shape for leaf in jax.tree.leaves(abstract.params) if leaf.ndim > 1}
    shapes = {"[" + ",".join(map(str, shape)) + "]" for shape in matrices}
    assert all(f"f32{shape}" in text for shape in shapes)
    copied = re.findall(r"= f32(\[[\d,]+\])\S* copy\(%state", text)
    assert not shapes & set(copied)


def test_the_state_of_the_optimizer_is_that_of_optax():
    system, optimizer, _ = parts(0)
    params = jax.eval_shape(system.init, jax.random.key(0))
    known = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(lambda count: 1e-3, mask=bool))
    ours, theirs = (jax.eval_shape(one.init, params) for one in (optimizer, known))
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
