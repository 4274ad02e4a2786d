"""From a batch to the loss: L_noise + λ L_sync (Eq. 8 and 10), each term per clip.

    Z_t = √ᾱ_t Z_0 + √(1 − ᾱ_t) ε                                             (Eq. 3, R)
    L_noise = w_t mean |ε − ε_θ(Z_t, t, A)|²,   w_t = 1 as printed              (Eq. 8)
    L_sync  = ᾱ_t sync(A, Ê),   Ê from (Z_t − √(1 − ᾱ_t) ε_θ) / √ᾱ_t           (Eq. 10, R)

The means are over the valid frames of a clip and all channels. At high noise Ê is mostly the error
of ε_θ, so ᾱ_t weights its loss (R). The speech of a clip is dropped with probability p.
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.diffusion.process import add_noise, implied_clean
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.models.clip_mean import clip_mean
from ksdiff_jax.models.disenttalk.config import Config
from ksdiff_jax.models.disenttalk.network import Network
from ksdiff_jax.models.sync.configured_loss import SyncLoss
from ksdiff_jax.models.system import Terms
from ksdiff_jax.models.training_noise import drawn_flags, drawn_noise
from ksdiff_jax.motion.space import MotionSpace, expression_columns
from ksdiff_jax.typing import Array, Float, Key, PyTree


def training_terms(
    network: Network,
    params: PyTree,
    batch: Batch,
    keys: Key[Array, "b"],
    *,
    config: Config,
    space: MotionSpace,
    train: bool,
    sync_loss: SyncLoss | None = None,
) -> Terms:
    """Return every weighted term of each clip; without `sync_loss` there is no term of Eq. 10.

    With `train=False` no speech is dropped; the diffusion step and the noise are still drawn.
    """

    def apply(method, *args, **kwargs):
        return network.apply({"params": params}, *args, method=method, **kwargs)

    mask, numbers = batch.speech.mask, expression_columns(space)
    motion = jnp.asarray(space.normalise(batch.motion))
    expression = motion[..., numbers]
    code = apply(Network.encode_motion, expression)
    clean = jax.lax.stop_gradient(code)
    step, noise = drawn_noise(keys, clean.shape[1:], steps=config.model.diffusion.steps)
    alpha_bar = jnp.asarray(alpha_bars(config.model.diffusion))[step]
    noisy = add_noise(clean, noise, alpha_bar)
    share = config.model.diffusion.condition_drop_probability if train else 0.0
    drop = drawn_flags(keys, "drop speech", share)
    memory = apply(Network.memory, apply(Network.encode_speech, batch.speech), drop=drop)
    predicted = apply(Network.denoise, noisy, step, memory, mask=mask)
    weight = config.loss.noise * error_weight(alpha_bar, error_of=config.loss.error_of)
    terms: Terms = {"noise": weight * clip_mean((predicted - noise) ** 2, mask)}
    if config.model.latent == "autoencoder":
        error = (apply(Network.decode_motion, code) - expression) ** 2
        terms["autoencoder"] = config.loss.autoencoder * clip_mean(error, mask)
    if sync_loss is not None:
        latent = implied_clean(noisy, predicted, alpha_bar[:, None, None])
        generated = apply(Network.decode_motion, latent)
        motion = space.denormalise(motion.at[..., numbers].set(generated))
        terms["sync"] = config.loss.sync * alpha_bar * sync_loss(batch.speech, motion)
    return terms


def error_weight(alpha_bar: Float[Array, "b"], *, error_of: str) -> Float[Array, "b"]:
    """Return the squared error of a quantity over that of the noise that implies it: 1 for the
    noise, 1 / ᾱ for the velocity (ε = √(1 − ᾱ) Z_t + √ᾱ v), (1 − ᾱ) / ᾱ for Z_0.
    """
    weights = {"noise": jnp.ones_like(alpha_bar), "velocity": 1 / alpha_bar}
    return (weights | {"motion": (1 - alpha_bar) / alpha_bar})[error_of]
