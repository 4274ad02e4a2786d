"""From a batch to the terms of λ_exp L_exp + λ_pose L_pose + λ_sync L_sync (Eq. 8-12), per clip.

    x_t    = √ᾱ_t x₀ + √(1 − ᾱ_t) ε                       of β and p, each with its own t and ε
    L_exp  = mean |β₀ − θ_exp(β_t, t, A)|²                                               (Eq. 8)
    L_pose = mean |p₀ − θ_pose(p_t, t, A)|²                                              (Eq. 9)
    L_sync = −log (1 + cos(v, a)) / 2,  v of the motion with θ_exp's β̃₀                 (Eq. 10-11)

The means are over the valid frames of a clip and all coefficients, which are normalised. Eq. 11
takes the logarithm of the cosine, which may be negative; (1 + cos) / 2 is bounded (R). The lip
expert is our `models/sync`. It judges the coefficients of the mouth, the paper's the vertices (R).
The speech of a clip is dropped from both transformers with one probability (R).
"""

import jax.numpy as jnp

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.diffusion.process import add_noise
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.models.clip_mean import clip_mean
from ksdiff_jax.models.fd2talk.motion.network import Generators, Network
from ksdiff_jax.models.sync.configured_loss import SyncLoss
from ksdiff_jax.models.system import Terms
from ksdiff_jax.models.training_noise import drawn_flags, drawn_noise
from ksdiff_jax.motion.space import expression_columns
from ksdiff_jax.rng import streams
from ksdiff_jax.typing import Array, Key, PyTree


def training_terms(
    generators: Generators,
    params: PyTree,
    batch: Batch,
    keys: Key[Array, "b"],
    *,
    train: bool,
    sync_loss: SyncLoss | None = None,
) -> Terms:
    """Return L_exp, L_pose and, with `sync_loss`, L_sync of each clip, before their weights.

    With `train=False` no speech is dropped; diffusion steps and noise are still drawn.
    """
    network, space, parts = generators

    def apply(method, *args, **kwargs):
        return network.apply({"params": params}, *args, method=method, **kwargs)

    mask, diffusion = batch.speech.mask, network.config.diffusion
    motion = jnp.asarray(space.normalise(batch.motion))
    share = diffusion.condition_drop_probability if train else 0.0
    drop = drawn_flags(keys, "drop speech", share)
    encoded = apply(Network.dropped, apply(Network.encode_speech, batch.speech), drop)
    generated = motion
    for name, columns in parts.items():
        clean = motion[..., columns]
        step, noise = drawn_noise(streams(keys, name), clean.shape[1:], steps=diffusion.steps)
        noisy = add_noise(clean, noise, jnp.asarray(alpha_bars(diffusion))[step])
        predicted = apply(Network.denoise, name, noisy, step, encoded, mask=mask)
        generated = generated.at[..., columns].set(predicted)
    face = expression_columns(space)
    pose = jnp.array([n for columns in parts.values() for n in columns if n not in face])
    error = (generated - motion) ** 2
    terms: Terms = {
        "expression": clip_mean(error[..., face], mask),
        "pose": clip_mean(error[..., pose], mask),
    }
    if sync_loss is not None:
        spoken = motion.at[..., face].set(generated[..., face])
        terms["sync"] = sync_loss(batch.speech, space.denormalise(spoken))
    return terms
