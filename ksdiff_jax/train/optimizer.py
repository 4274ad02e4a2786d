"""AdamW with warm-up, decoupled weight decay and clipping, and the moving average of the weights.

Learning rate at step n (0-based), peak η, warm-up W, total N:

    η (n + 1) / W                                    n < W
    η                                                otherwise, "constant"
    η ½ (1 + cos(π (n - W) / (N - W)))               otherwise, "cosine"

Weight decay applies to matrices only, not to biases, gains of norms, other vectors and embeddings.
"""

import jax
import jax.numpy as jnp
import optax

from ksdiff_jax.config import TrainConfig
from ksdiff_jax.train.in_place import adam_in_place, counting_finite
from ksdiff_jax.train.surgery import trainable_mask
from ksdiff_jax.tree import named_leaves
from ksdiff_jax.typing import Array, Float, Int, PyTree


def learning_rate_at(step: Int[Array, ""], config: TrainConfig) -> Float[Array, ""]:
    """Return the learning rate of the update that follows `step` updates."""
    warm = (step + 1) / max(1, config.warmup_steps)
    if config.decay == "constant":
        after = jnp.float32(1.0)
    else:
        progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        after = 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.clip(progress, 0.0, 1.0)))
    return jnp.float32(config.learning_rate) * jnp.where(
        step < config.warmup_steps, warm, after
    ).astype(jnp.float32)


def decayed(params: PyTree) -> PyTree:
    """Return True for the leaves with weight decay, in the structure of `params`."""
    acts = [
        leaf.ndim >= 2 and not name.endswith("embedding")
        for name, leaf in named_leaves(params).items()
    ]
    return jax.tree.unflatten(jax.tree.structure(params), acts)


def make_optimizer(config: TrainConfig) -> optax.GradientTransformationExtraArgs:
    """Clip by global norm, then AdamW at `learning_rate_at`; only parameters outside
    `freeze_patterns` have moments.

    The state has the layout of `optax.adamw`. `update(..., finite=False)` leaves it unchanged, see
    in_place.py.
    """
    rate = optax.scale_by_learning_rate(lambda count: learning_rate_at(count, config))
    update = optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.chain(
            adam_in_place(),
            optax.add_decayed_weights(config.weight_decay, decayed),
            counting_finite(rate),
        ),
    )
    if not config.freeze_patterns:
        return update
    # Gradients of frozen parameters are zero (surgery.hold), and masked values pass unchanged.
    return optax.masked(update, lambda params: trainable_mask(params, config.freeze_patterns))


def update_average(ema: PyTree, params: PyTree, step: Int[Array, ""], *, decay: float) -> PyTree:
    """Return the moving average after `step` earlier updates; the decay is smaller early on:
    min(decay, (1 + n) / (10 + n)).
    """
    rate = 1.0 - jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: old + rate.astype(old.dtype) * (new - old), ema, params)
