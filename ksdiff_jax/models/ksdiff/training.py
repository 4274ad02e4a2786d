"""The training objective of KSDiff: every loss of Eq. 4-7 for every path, on one batch.

    L_path = λ_diff (λ₁ L_rec + λ₂ L_vel) + λ_mr L_mr + λ_BCE L_BCE,   L = L_expression + L_head

and, beside the paper, λ_lip L_lip on the path of the mouth where `loss.lip_gap` asks for it.

The generators see ground-truth keyframes, jittered and sometimes hidden (R, against exposure bias:
at inference they see predicted ones); speech and transcript are sometimes dropped, for
classifier-free guidance (R).
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.config import Config
from ksdiff_jax.diffusion.process import add_noise
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.face.lip_gap import builtin_lip_gap
from ksdiff_jax.models.ksdiff import losses
from ksdiff_jax.models.ksdiff.config import KeyframeConfig
from ksdiff_jax.models.ksdiff.keyframe_predictor import shifted_bits
from ksdiff_jax.models.ksdiff.motion_generator import UNKNOWN_BIT
from ksdiff_jax.models.ksdiff.network import TRACKS, Encoded, Network, generator_dims
from ksdiff_jax.models.ksdiff.normalisation import denormalise, normalise
from ksdiff_jax.models.system import Batch, Statistics
from ksdiff_jax.motion.keyframes import keyframe_targets
from ksdiff_jax.rng import stream
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree

Metrics = dict[str, Float[Array, ""]]


def training_loss(
    network: Network,
    params: PyTree,
    batch: Batch,
    key: Key[Array, ""],
    *,
    config: Config,
    statistics: Statistics,
    train: bool,
    whole: Bool[Array, "n t"] | None = None,
) -> tuple[Float[Array, ""], Metrics]:
    """The total of Eq. 7 over both paths and every term as `<path>/<term>`. `train=False`: no
    dropout of any kind.

    `whole`: the batch is a micro-batch of one with these masks, see losses.py.
    """
    model, mask = config.model, batch.speech.mask
    drop_all, drop_transcript = _dropped_conditions(key, mask.shape[0], config=config, train=train)

    def apply(method, *args, name: str, **kwargs):
        rngs = {"dropout": stream(key, f"dropout {name}")}
        return network.apply(
            {"params": params}, *args, method=method, deterministic=not train, rngs=rngs, **kwargs
        )

    encoded = apply(
        Network.encode, batch.speech, name="encode", drop_transcript=drop_all | drop_transcript
    )
    metrics: Metrics = {}
    shown = {}
    if model.keyframes.enabled:
        settings = model.keyframes
        targets = keyframe_targets(
            batch.motion,
            mask,
            smoothing_frames=settings.smoothing_frames,
            threshold_std=settings.threshold_std,
        )
        for track, target in zip(TRACKS, targets, strict=True):
            logits = apply(
                Network.keyframe_logits,
                track,
                shifted_bits(target),
                encoded,
                name=f"predictor {track}",
            )
            metrics[f"{track}/keyframes"] = losses.weighted_bce(
                logits,
                target,
                mask,
                positive_weight=settings.positive_weight,
                negative_weight=settings.negative_weight,
                whole=whole,
            )
            shown[track] = (
                shown_keyframes(target, stream(key, f"keyframes {track}"), config=settings)
                if train
                else target.astype(jnp.int32)
            )

    clean = normalise(batch.motion, statistics)
    settings = {"config": config, "statistics": statistics, "train": train, "whole": whole}
    for name in generator_dims(model):
        metrics |= _path_losses(
            network, params, name, clean, encoded, shown, drop_all, key, **settings
        )
    total = sum(_weight(name, config) * value for name, value in metrics.items())
    return total, {"loss": total, **metrics}


def shown_keyframes(
    target: Bool[Array, "b t"], key: Key[Array, ""], *, config: KeyframeConfig
) -> Int[Array, "b t"]:
    """Keyframe bits as the generator sees them in training: each moved by one frame, or all hidden,
    at random.
    """
    draw = jax.random.uniform(stream(key, "jitter"), target.shape)
    half = config.jitter_probability / 2
    earlier, later = target & (draw < half), target & (draw >= half) & (draw < 2 * half)
    moved = target & ~earlier & ~later
    # A bit that would leave the clip at either end stays where it is.
    moved = (
        moved
        | jnp.roll(earlier.at[:, 0].set(False), -1, axis=1)
        | (earlier & (jnp.arange(target.shape[1]) == 0))
    )
    last = jnp.arange(target.shape[1]) == target.shape[1] - 1
    moved = moved | jnp.roll(later & ~last, 1, axis=1) | (later & last)
    hidden = jax.random.bernoulli(
        stream(key, "hide"), config.drop_probability, (target.shape[0], 1)
    )
    return jnp.where(hidden, UNKNOWN_BIT, moved.astype(jnp.int32))


def _dropped_conditions(
    key: Key[Array, ""], batch: int, *, config: Config, train: bool
) -> tuple[Bool[Array, "b"], Bool[Array, "b"]]:
    """Which clips lose all conditions, and which lose the transcript alone."""
    if not train:
        return jnp.zeros(batch, bool), jnp.zeros(batch, bool)
    model = config.model
    everything = jax.random.bernoulli(
        stream(key, "drop all"), model.diffusion.condition_drop_probability, (batch,)
    )
    transcript = jax.random.bernoulli(
        stream(key, "drop transcript"), model.transcript.drop_probability, (batch,)
    )
    return everything, transcript


def _path_losses(
    network: Network,
    params: PyTree,
    name: str,
    motion: Float[Array, "b t 59"],
    encoded: Encoded,
    keyframes: dict[str, Int[Array, "b t"]],
    drop_speech: Bool[Array, "b"],
    key: Key[Array, ""],
    *,
    config: Config,
    statistics: Statistics,
    train: bool,
    whole: Bool[Array, "n t"] | None,
) -> Metrics:
    """Diffuse one path's share of the normalised motion to a random step, predict it back, and
    measure.
    """
    dims = jnp.array(generator_dims(config.model)[name])
    clean = motion[..., dims]
    batch, diffusion = clean.shape[0], config.model.diffusion
    step = jax.random.randint(stream(key, f"step {name}"), (batch,), 0, diffusion.steps)
    noise = jax.random.normal(stream(key, f"noise {name}"), clean.shape)
    noisy = add_noise(clean, noise, jnp.asarray(alpha_bars(diffusion))[step])
    variables = {"params": params}
    memory = network.apply(
        variables,
        name,
        encoded,
        keyframes,
        drop_speech=drop_speech,
        method=Network.generator_memory,
    )
    prediction = network.apply(
        variables,
        name,
        noisy,
        step,
        memory,
        mask=encoded.mask,
        text_mask=encoded.text_mask,
        deterministic=not train,
        rngs={"dropout": stream(key, f"dropout {name}")},
        method=Network.denoise,
    )
    mask, windows = encoded.mask, config.loss.spectral_windows
    terms = {
        f"{name}/reconstruction": losses.reconstruction_loss(prediction, clean, mask, whole=whole),
        f"{name}/velocity": losses.velocity_loss(prediction, clean, mask, whole=whole),
        f"{name}/spectral": losses.spectral_loss(
            prediction, clean, mask, windows=windows, whole=whole
        ),
    }
    if config.loss.lip_gap and name != "head":
        terms[f"{name}/lip_gap"] = _lip_gap_loss(
            motion.at[..., dims].set(prediction), motion, mask, statistics, whole
        )
    return terms


def _lip_gap_loss(
    prediction: Float[Array, "b t 59"],
    motion: Float[Array, "b t 59"],
    mask: Bool[Array, "b t"],
    statistics: Statistics,
    whole: Bool[Array, "n t"] | None,
) -> Float[Array, ""]:
    """The lips' distance in two normalised motions; what another path predicts (the jaw, perhaps)
    is true in both.
    """
    gap = builtin_lip_gap()
    of_prediction, of_motion = (
        gap.offset + denormalise(some, statistics) @ jnp.asarray(gap.directions)
        for some in (prediction, motion)
    )
    return losses.gap_loss(of_prediction, of_motion, mask, closed=gap.closed, whole=whole)


def _weight(name: str, config: Config) -> float:
    """λ of one term, Eq. 5 and 7."""
    loss = config.loss
    return {
        "reconstruction": loss.diffusion * loss.reconstruction,
        "velocity": loss.diffusion * loss.velocity,
        "spectral": loss.spectral,
        "lip_gap": loss.lip_gap,
        "keyframes": loss.keyframes,
    }[name.split("/")[1]]
