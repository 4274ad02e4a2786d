"""What training changes from step to step, and where it lies on the mesh.

No random key is in here: every random number is drawn from the run's seed, the name of its stream
and the step (rng.py), so a restored state continues exactly as if it had never stopped.
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
    """The whole of a run that is not in its configuration or its data position.

    Parameters are the trainable ones: frozen ones (models/frozen.py) never change, and the
    configuration pins them.
    """

    step: Int[Array, ""]  # steps taken, skipped ones included
    params: PyTree
    ema: PyTree  # exponential moving average of the parameters, what is exported
    opt_state: PyTree
    skipped: Int[Array, ""]  # steps whose loss or gradient was not finite


def initial_state(
    system: System, optimizer: optax.GradientTransformation, key: Key[Array, ""], given: PyTree
) -> TrainState:
    """Step 0: fresh parameters, which are also their own average; those in `given` start from there
    instead.
    """
    params = part(join(system.init(stream(key, "init")), given), system.config).trainable
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        step=zero, params=params, ema=params, opt_state=optimizer.init(params), skipped=zero
    )


def abstract_state(
    system: System, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """Shapes, types and shardings of the state, without computing anything: the target of a
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
    """`initial_state`, each array born on the devices that `abstract` says: none ever exists whole
    on one.
    """
    shardings = jax.tree.map(lambda leaf: leaf.sharding, abstract)
    born = jax.jit(
        lambda key, given: initial_state(system, optimizer, key, given), out_shardings=shardings
    )
    state = born(key, given or {})
    # jit may return one buffer under two names (params and ema are equal here); a donated buffer
    # must be single.
    return state._replace(ema=jax.tree.map(jnp.copy, state.params))
