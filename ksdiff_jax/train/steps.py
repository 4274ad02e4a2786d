"""One training step and one validation step, compiled for a mesh.

    loss = Σ over terms of the mean over clips of term        (`System.loss`: weighted, per clip)
    g = ∇ loss(θ, batch, keys)       in micro-batches, if requested (accumulate.py)
    θ, m = AdamW(θ, m, g);  ema = average(ema, θ)   if loss and |g| are finite
    state unchanged, skipped + 1                    otherwise

    key of clip i of the batch of step n:   (seed, "train", n, i)
    key of a validation clip:               (seed, "validation", number of the clip)

The logged terms include their weights, so they add up to the loss. θ are the trainable parameters;
frozen ones (models/frozen.py) enter the loss only. The state is donated: the new state reuses its
memory, array by array (in_place.py). No function here waits for the device. The seed is an argument
of the compiled program, so runs that differ only by `train.seed` share one compilation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from ksdiff_jax.config import Config
from ksdiff_jax.models.frozen import join
from ksdiff_jax.models.system import System, Terms
from ksdiff_jax.parallel.arrays import batch_sharding, on_every_device, replicated
from ksdiff_jax.parallel.rules import gathered
from ksdiff_jax.rng import numbered, stream
from ksdiff_jax.train.accumulate import Gradient, accumulated
from ksdiff_jax.train.in_place import where_finite
from ksdiff_jax.train.optimizer import learning_rate_at, update_average
from ksdiff_jax.train.state import TrainState
from ksdiff_jax.train.surgery import hold
from ksdiff_jax.tree import rows_of
from ksdiff_jax.typing import AnyArray, Array, Float, Key, PyTree, UInt

# float32: the loss, its weighted terms, `grad_norm` before clipping, `learning_rate`, `skipped`
Metrics = dict[str, Float[Array, ""]]


@dataclass(frozen=True)
class Step:
    """A jitted function of a state (or parameters) and a batch; frozen parameters and seed are
    bound.
    """

    jitted: Callable[[PyTree, PyTree, PyTree, UInt[Array, "_"]], PyTree]
    frozen: PyTree
    seed: UInt[Array, "_"]  # key data

    def __call__(self, state: PyTree, batch: PyTree) -> PyTree:
        return self.jitted(state, batch, self.frozen, self.seed)

    def lower(self, state: PyTree, batch: PyTree) -> jax.stages.Lowered:
        """Return the step lowered for arguments of these shapes; its `.compile()` provides text,
        cost and memory.
        """
        return self.jitted.lower(state, batch, self.frozen, self.seed)


class NumberedBatch(NamedTuple):
    """A batch for validation, and the number of each of its clips, from which the clip's key is
    derived.
    """

    batch: PyTree
    numbers: UInt[AnyArray, "b"]


def make_train_step(
    system: System,
    optimizer: optax.GradientTransformationExtraArgs,
    *,
    abstract: TrainState,
    mesh: Mesh,
    frozen: PyTree | None = None,
) -> Step:
    """Return the compiled step: (state, batch) -> (new state, metrics). `abstract` gives the shapes
    and shardings of the state.
    """
    config, shardings = system.config, jax.tree.map(lambda leaf: leaf.sharding, abstract)
    frozen = on_every_device(frozen or {}, mesh)

    def train_step(
        state: TrainState, batch: PyTree, frozen: PyTree, seed: UInt[Array, "_"]
    ) -> tuple[TrainState, Metrics]:
        key = stream(jax.random.wrap_key_data(seed), "train", state.step)
        held = config.train.freeze_patterns
        (loss, terms), gradients = accumulated(
            loss_gradient(system, frozen, shardings.params, held=held),
            state.params,
            batch,
            numbered(key, jnp.arange(rows_of(batch))),
            count=config.train.accumulate_steps,
            mesh=mesh,
        )
        norm = optax.global_norm(gradients)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        updates, opt_state = optimizer.update(
            gradients, state.opt_state, state.params, finite=finite
        )
        params = optax.apply_updates(state.params, updates)
        params = where_finite(finite, params, state.params)
        ema = update_average(state.ema, params, state.step, decay=config.train.ema_decay)
        new = TrainState(
            step=state.step + 1,
            params=params,
            ema=where_finite(finite, ema, state.ema),
            opt_state=opt_state,
            skipped=state.skipped + jnp.where(finite, 0, 1).astype(state.skipped.dtype),
        )
        rate = learning_rate_at(state.step - state.skipped, config.train)
        metrics = {"loss": loss, **terms, "grad_norm": norm}
        metrics |= {"learning_rate": rate, "skipped": new.skipped}
        return new, jax.tree.map(lambda value: jnp.asarray(value, jnp.float32), metrics)

    compiled = jax.jit(
        train_step,
        in_shardings=(shardings, batch_sharding(mesh), replicated(mesh), replicated(mesh)),
        out_shardings=(shardings, replicated(mesh)),
        donate_argnames="state",
    )
    return Step(compiled, frozen, _key_data(config, mesh))


def loss_gradient(
    system: System, frozen: PyTree, shardings: PyTree, held: tuple[str, ...] = ()
) -> Callable[..., Gradient]:
    """Return a function (params, batch, keys) -> ((loss, means of its terms), gradient by the
    trainable parameters).

    Parameters and gradient are sharded as in `shardings`. The gradient of parameters that match a
    pattern of `held` is zero.
    """

    def loss_fn(
        params: PyTree, batch: PyTree, keys: Key[Array, "b"]
    ) -> tuple[Float[Array, ""], Metrics]:
        params = join(gathered(hold(params, held), shardings), frozen)
        terms = system.loss(params, batch, keys, train=True)
        means = {name: jnp.mean(term) for name, term in terms.items()}
        return sum(means.values()), means

    def gradient(params: PyTree, batch: PyTree, keys: Key[Array, "b"]) -> Gradient:
        values, found = jax.value_and_grad(loss_fn, has_aux=True)(params, batch, keys)
        return values, jax.lax.with_sharding_constraint(found, shardings)

    return gradient


def make_validation_step(
    system: System, *, abstract: TrainState, mesh: Mesh, frozen: PyTree | None = None
) -> Step:
    """Return the compiled pass without dropout: (averaged parameters, `NumberedBatch`) -> the terms
    of each clip, replicated on every device.
    """
    shardings = jax.tree.map(lambda leaf: leaf.sharding, abstract.ema)
    frozen = on_every_device(frozen or {}, mesh)

    def validation_step(
        params: PyTree, numbered_batch: NumberedBatch, frozen: PyTree, seed: UInt[Array, "_"]
    ) -> Terms:
        batch, numbers = numbered_batch
        keys = numbered(stream(jax.random.wrap_key_data(seed), "validation"), numbers)
        params = join(gathered(params, shardings), frozen)
        return system.loss(params, batch, keys, train=False)

    in_shardings = (shardings, batch_sharding(mesh), replicated(mesh), replicated(mesh))
    compiled = jax.jit(validation_step, in_shardings=in_shardings, out_shardings=replicated(mesh))
    return Step(compiled, frozen, _key_data(system.config, mesh))


def _key_data(config: Config, mesh: Mesh) -> UInt[Array, "_"]:
    """Return the key of `train.seed` as numbers, on every device."""
    return on_every_device(np.asarray(jax.random.key_data(jax.random.key(config.train.seed))), mesh)
