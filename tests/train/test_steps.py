"""What the compiled step depends on, and what it does not."""

import jax

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.parallel.arrays import global_batch
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step
from tests.train.toy import ToySystem, toy_batch, toy_config


def program_and_losses(seed):
    """The text of the step before compilation, and the losses of two steps from the same
    weights.
    """
    config = toy_config(seed=seed)
    system, optimizer = ToySystem(config), make_optimizer(config.train)
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
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
