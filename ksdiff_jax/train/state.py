"""The state that training changes in every step, and its placement on the mesh.

The state has no random key: every random number is drawn from the run's seed, the name of its
stream and the step (rng.py), so a restored state continues exactly as if the run had never stopped.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from ksdiff_jax.models.frozen import join, part
from ksdiff_jax.models.system import System
from ksdiff_jax.parallel.rules import parameter_shardings
from ksdiff_jax.rng import stream
from ksdiff_jax.typing import Array, Int, Key, PyTree


class TrainState(NamedTuple):
    """The whole of a run except its configuration and its data position.

    The parameters are the trainable ones: frozen ones (models/frozen.py) never change, and the
    configuration determines them.
    """

    step: Int[Array, ""]  # steps taken, skipped ones included
    params: PyTree
    ema: PyTree  # exponential moving average of the parameters, which is exported
    opt_state: PyTree
    skipped: Int[Array, ""]  # steps whose loss or gradient was not finite


def initial_state(
    system: System, optimizer: optax.GradientTransformation, key: Key[Array, ""], given: PyTree
) -> TrainState:
    """Return step 0: new parameters, which are also their own average; those in `given` start from
    the given values.
    """
    params = part(join(system.init(stream(key, "init")), given), system.config).trainable
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        step=zero, params=params, ema=params, opt_state=optimizer.init(params), skipped=zero
    )


def abstract_state(
    system: System, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """Return shapes, dtypes and shardings of the state without computing anything: the target of a
    restore.
    """
    shapes = jax.eval_shape(lambda: initial_state(system, optimizer, jax.random.key(0), {}))
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        parameter_shardings(shapes, mesh),
    )


def sharded_initial_state(
    system: System,
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
    *,
    abstract: TrainState,
    given: PyTree | None = None,
) -> TrainState:
    """Return `initial_state` with each array created on the devices given in `abstract`; none is
    ever whole on one device.
    """
    shardings = jax.tree.map(lambda leaf: leaf.sharding, abstract)
    born = jax.jit(
        lambda key, given: initial_state(system, optimizer, key, given), out_shardings=shardings
    )
    state = born(key, given or {})
    # jit may return one buffer under two names (params and ema are equal here); a donated buffer
    # must be unique.
    return state._replace(ema=jax.tree.map(jnp.copy, state.params))
