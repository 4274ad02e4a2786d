"""Least squares over many frames with every weight in 0 to 1.

With shapes B (k, n), targets d_t (n,) and vertex weights in the norm, G = B Bᵀ and c_t = B d_t. The
weights W (t, k) minimise, with g the diagonal of G and w' the weights of the mirrored shapes,

    Σ_t  ½ |Bᵀ w_t − d_t|²  +  Σ_i g_i [ l1 w_i + ½ l2 w_i² + ½ smooth (w_i − w_i of t − 1)²
                                          + ¼ symmetry (w_i − w'_i)² ]          0 ≤ w ≤ 1

Every penalty is relative to a shape's own energy g_i, so that a small shape (a lid) is held back
no more than a large one (the jaw): l1 is the weight below which a lone shape vanishes. The problem
is convex. It is solved for all frames at once by accelerated projected gradients in the metric of
g, with a restart of the momentum when a step does not go down.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.typing import Array, Float, Int

ITERATIONS = 400
_LEAST_ENERGY = 1e-9  # share of the largest; a shape that moves nothing keeps the weight 0
_BLOCK_FRAMES = 128  # frames are filled up to a multiple: one compiled program for many lengths


class Penalties(NamedTuple):
    """The factors of the penalties of the module docstring."""

    l2: float = 1e-3
    l1: float = 2e-3
    smooth: float = 0.02
    symmetry: float = 2e-3


PENALTIES = Penalties()


def box_least_squares(
    gram: Float[np.ndarray, "k k"],
    target: Float[np.ndarray, "t k"],
    *,
    mirrored: Int[np.ndarray, "k"],
    penalties: Penalties = PENALTIES,
    iterations: int = ITERATIONS,
) -> Float[np.ndarray, "t k"]:
    """Return W of the module docstring for G and the rows c_t; `mirrored` is the row of each
    shape's mirror image.
    """
    energy = np.diag(gram)
    energy = np.maximum(energy, _LEAST_ENERGY * energy.max())
    frames = len(target)
    short = -frames % _BLOCK_FRAMES
    linked = (np.arange(frames + short - 1) < frames - 1).astype(np.float32)
    weights = _solved(
        (gram / energy[:, None]).astype(np.float32).T,
        np.pad(target / energy, [(0, short), (0, 0)]).astype(np.float32),
        linked[:, None],
        mirrored,
        penalties,
        _largest_eigenvalue(gram, energy)
        + penalties.l2
        + 4 * penalties.smooth
        + 2 * penalties.symmetry,
        iterations,
    )
    return np.asarray(weights)[:frames]


def _largest_eigenvalue(gram: Float[np.ndarray, "k k"], energy: Float[np.ndarray, "k"]) -> float:
    scale = 1 / np.sqrt(energy)
    return float(np.linalg.eigvalsh(gram * scale[:, None] * scale)[-1])


@jax.jit
def _solved(gram, target, linked, mirrored, penalties, bound, iterations) -> Float[Array, "t k"]:
    def slope(weights):
        step = linked * jnp.diff(weights, axis=0)
        zero = jnp.zeros_like(weights[:1])
        curve = jnp.concatenate([zero, step]) - jnp.concatenate([step, zero])
        return (
            weights @ gram
            - target
            + penalties.l1
            + penalties.l2 * weights
            + penalties.smooth * curve
            + penalties.symmetry * (weights - weights[:, mirrored])
        )

    def advance(_, state):
        weights, ahead, momentum = state
        down = slope(ahead)
        following = jnp.clip(ahead - down / bound, 0, 1)
        moved = following - weights
        # Restart per frame where the step goes against the momentum.
        against = jnp.sum(down * moved, axis=1, keepdims=True) > 0
        momentum = jnp.where(against, 1.0, momentum)
        next_momentum = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / next_momentum * moved
        return following, ahead, next_momentum

    start = jnp.zeros_like(target)
    state = (start, start, jnp.ones((len(target), 1)))
    return jax.lax.fori_loop(0, iterations, advance, state)[0]
