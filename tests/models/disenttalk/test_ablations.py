"""The ablations of Table IV: what each leaves out, and that each learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ksdiff_jax.models.disenttalk.ablations import ABLATIONS, FULL, PAPER_TABLE_4
from ksdiff_jax.models.disenttalk.system import DisentTalk
from ksdiff_jax.overrides import override
from ksdiff_jax.tree import named_leaves
from tests.models.disenttalk.conftest import TINY
from tests.models.ksdiff.conftest import random_batch, total_loss
from tests.run_once import jit_to_run_once

LEFT_OUT = {
    FULL: set(),
    "w/o TEMPORAL": {
        *("norm_temporal", "temporal", "pointwise"),
        *(f"dilation_{frames}" for frames in (1, 2, 4)),
    },
    "w/o DISENTANGLE": {
        *(f"{part}_{region}" for part in ("lift", "view", "attention") for region in ("eye", "lip"))
    }
    | {"lift_global", "view_global", "attention_global"},
    "w/o HIERARCHICAL": {"attention_eye", "attention_lip", "attention_global"},
    "w/o LOCAL": {"convolution", "taps"},
    "w/o SYNCLOSS": set(),
}


@functools.cache
def parts(config) -> set[str]:
    shapes = jax.eval_shape(DisentTalk(config).init, jax.random.key(0))
    return {part for name in named_leaves(shapes["denoiser"]) for part in name.split("/")}


@pytest.mark.parametrize("row", ABLATIONS)
def test_an_ablation_leaves_out_its_part_of_the_network_and_nothing_else(row):
    full, ablated = parts(TINY), parts(override(TINY, ABLATIONS[row]))
    assert full - ablated == LEFT_OUT[row]
    added = {"lift_face", "view_face", "attention_face"} if row == "w/o DISENTANGLE" else set()
    assert ablated - full == added


def test_the_paper_has_figures_for_every_row_and_one_row_is_without_the_sync_loss():
    assert list(PAPER_TABLE_4) == list(ABLATIONS)
    config = override(TINY, {"loss.sync": "0.01"})
    weights = {row: override(config, changes).loss.sync for row, changes in ABLATIONS.items()}
    assert [row for row, weight in weights.items() if weight == 0] == ["w/o SYNCLOSS"]


@pytest.mark.slow
@pytest.mark.parametrize("row", ABLATIONS)
def test_an_ablation_learns_in_twenty_steps(row):
    """The loss of one batch with fixed noise falls, and every parameter has a gradient."""
    system, batch = DisentTalk(override(TINY, ABLATIONS[row])), random_batch(12, batch=4)
    params = jit_to_run_once(system.init)(jax.random.key(0))
    optimizer = optax.adam(3e-3)

    @jit_to_run_once
    def step(params, state):
        loss, gradient = jax.value_and_grad(lambda p: total_loss(system, p, batch, train=False))(
            params
        )
        updates, state = optimizer.update(gradient, state)
        return loss, gradient, optax.apply_updates(params, updates), state

    losses, state = [], optimizer.init(params)
    for _ in range(20):
        loss, gradient, params, state = step(params, state)
        losses.append(float(loss))
    assert losses[-1] < 0.9 * losses[0]
    # A softmax does not see what is added to all keys; no speech is dropped here.
    exempt = ("null_speech", "key/bias")
    still = [name for name, leaf in named_leaves(gradient).items() if not np.any(leaf)]
    assert [name for name in still if not name.endswith(exempt)] == []
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
