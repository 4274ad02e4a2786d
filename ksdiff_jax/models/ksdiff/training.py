"""The training objective of KSDiff: every loss of Eq. 4-7 for every path, per clip.

    L_path = λ_diff (λ₁ L_rec + λ₂ L_vel) + λ_mr L_mr + λ_BCE L_BCE,   L = L_expression + L_head

In addition to the paper, λ_lip L_lip is added on the path of the mouth if `loss.lip_gap` is above
0, and the error of the regression if there is one (models/ksdiff/speech_regression.py). Every term
is returned with its λ, as (b,), so the loss of a clip is the sum of its terms.

The generators get ground-truth keyframes, jittered and sometimes hidden (R, against exposure bias:
at inference they get predicted ones). Speech and transcript are sometimes dropped, for
classifier-free guidance (R). A row of the batch may be in the causal mode (`Speech.causal`, R). The
random numbers of a clip depend only on the key of the clip and, frame by frame, on the index of the
frame: neither the other clips of the batch nor padding changes them. Dropout is the exception: it
draws for the whole batch, from the key of its first clip.
"""

from collections.abc import Callable

import jax.numpy as jnp

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.diffusion.process import add_noise
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.face.lip_gap import builtin_lip_gap
from ksdiff_jax.models.ksdiff import losses
from ksdiff_jax.models.ksdiff.config import Config, KeyframeConfig
from ksdiff_jax.models.ksdiff.keyframe_predictor import shifted_bits
from ksdiff_jax.models.ksdiff.motion_generator import UNKNOWN_BIT
from ksdiff_jax.models.ksdiff.network import TRACKS, Encoded, Network, generator_dims
from ksdiff_jax.models.ksdiff.style import UNKNOWN_STYLE
from ksdiff_jax.models.system import Terms
from ksdiff_jax.models.training_noise import drawn_flags, drawn_noise
from ksdiff_jax.motion.keyframes import keyframe_targets
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.rng import frame_uniform, stream, streams
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree


def training_terms(
    network: Network,
    params: PyTree,
    batch: Batch,
    keys: Key[Array, "b"],
    *,
    config: Config,
    space: MotionSpace,
    train: bool,
) -> Terms:
    """Return every weighted term as `<path>/<term>`, (b,).

    With `train=False` nothing is dropped, jittered or hidden; step and noise are still drawn.
    """

    def apply(method, *args, name: str, **kwargs):
        rngs = {"dropout": stream(keys[0], f"dropout {name}")}
        kwargs |= {"deterministic": not train, "rngs": rngs}
        return network.apply({"params": params}, *args, method=method, **kwargs)

    model = config.model
    share = model.diffusion.condition_drop_probability if train else 0.0
    dropped = drawn_flags(keys, "drop all", share)
    share = model.transcript.drop_probability if train else 0.0
    without_text = dropped | drawn_flags(keys, "drop transcript", share)
    motion = space.normalise(batch.motion)
    style = _shown_style(batch, keys, config=config, train=train)
    hidden = {"drop_transcript": without_text, "style": style}
    encoded = apply(Network.encode, batch.speech, name="encode", **hidden)
    terms, shown = _keyframe_terms(apply, batch, encoded, keys, config=config, train=train)
    for name, chosen in generator_dims(model).items():
        dims = jnp.array(chosen)
        clean = motion[..., dims]
        step, noise = drawn_noise(keys, clean.shape[1:], steps=model.diffusion.steps, name=name)
        noisy = add_noise(clean, noise, jnp.asarray(alpha_bars(model.diffusion))[step])
        given = {"drop_speech": dropped, "method": Network.generator_memory}
        memory = network.apply({"params": params}, name, encoded, shown, **given)
        given = {"mask": encoded.mask, "text_mask": encoded.text_mask, "style": style}
        given["causal"] = encoded.causal
        prediction = apply(Network.denoise, name, noisy, step, memory, name=name, **given)
        terms |= _path_terms(name, prediction, clean, encoded, config=config)
        if name != "head" and encoded.dropped_regression is not None:
            error = losses.reconstruction_loss(encoded.dropped_regression, clean, encoded.mask)
            terms[f"{name}/regression"] = config.loss.regression * error
        if config.loss.lip_gap and name != "head":
            predicted = motion.at[..., dims].set(prediction)
            gap = _lip_gap_loss(predicted, motion, encoded.mask, space)
            terms[f"{name}/lip_gap"] = config.loss.lip_gap * gap
    if batch.head_weight is not None:
        of_head = {name: term for name, term in terms.items() if name.startswith("head/")}
        terms |= {name: batch.head_weight * term for name, term in of_head.items()}
    return terms


def _shown_style(
    batch: Batch, keys: Key[Array, "b"], *, config: Config, train: bool
) -> Int[Array, "b"] | None:
    """Return the style that the networks get: that of the clip, or at random the unknown one."""
    if batch.style is None:
        return None
    share = config.model.generator.style_drop_probability if train else 0.0
    return jnp.where(drawn_flags(keys, "drop style", share), UNKNOWN_STYLE, batch.style)


def _keyframe_terms(
    apply: Callable[..., Array],
    batch: Batch,
    encoded: Encoded,
    keys: Key[Array, "b"],
    *,
    config: Config,
    train: bool,
) -> tuple[Terms, dict[str, Int[Array, "b t"]]]:
    """Return the BCE of both tracks (Eq. 4), and the keyframe bits for the generators."""
    settings, terms, shown = config.model.keyframes, {}, {}
    for track, target in true_keyframes(batch, config).items():
        previous, name = shifted_bits(target), f"predictor {track}"
        logits = apply(Network.keyframe_logits, track, previous, encoded, name=name)
        bce = losses.weighted_bce(
            logits,
            target,
            encoded.mask,
            positive_weight=settings.positive_weight,
            negative_weight=settings.negative_weight,
        )
        terms[f"{track}/keyframes"] = config.loss.keyframes * bce
        shown[track] = target.astype(jnp.int32)
        if train:
            track_keys = streams(keys, f"keyframes {track}")
            shown[track] = shown_keyframes(target, track_keys, config=settings)
    return terms, shown


def true_keyframes(batch: Batch, config: Config) -> dict[str, Bool[Array, "b t"]]:
    """Return the keyframes of the motion by track; {} in the ablation "w/o keyframe"."""
    settings = config.keyframe_settings
    if not settings.enabled:
        return {}
    if batch.keyframes is not None:
        return {track: batch.keyframes[..., index] for index, track in enumerate(TRACKS)}
    targets = keyframe_targets(
        batch.motion,
        batch.speech.mask,
        smoothing_frames=settings.smoothing_frames,
        threshold_std=settings.threshold_std,
        jaw=settings.head_jaw == "always",
    )
    return dict(zip(TRACKS, targets, strict=True))


def shown_keyframes(
    target: Bool[Array, "b t"], keys: Key[Array, "b"], *, config: KeyframeConfig
) -> Int[Array, "b t"]:
    """Return the keyframe bits that the generator gets in training: each moved by one frame, or all
    hidden (`UNKNOWN_BIT`), at random.
    """
    first, frame = jnp.zeros(keys.shape, jnp.int32), jnp.arange(target.shape[1])
    draw = frame_uniform(streams(keys, "jitter"), first, target.shape[1])
    half = config.jitter_probability / 2
    # A bit that would move beyond either end of the clip is not moved.
    earlier = target & (draw < half) & (frame > 0)
    later = target & (draw >= half) & (draw < 2 * half) & (frame < frame[-1])
    moved = target & ~earlier & ~later
    moved = moved | jnp.roll(earlier, -1, axis=1) | jnp.roll(later, 1, axis=1)
    hidden = drawn_flags(keys, "hide", config.drop_probability)
    return jnp.where(hidden[:, None], UNKNOWN_BIT, moved.astype(jnp.int32))


def _path_terms(
    name: str,
    prediction: Float[Array, "b t c"],
    clean: Float[Array, "b t c"],
    encoded: Encoded,
    *,
    config: Config,
) -> Terms:
    """Return the terms of one path of the motion, Eq. 5 and 6."""
    loss, arrays = config.loss, (prediction, clean, encoded.mask)
    spectral = losses.spectral_loss(*arrays, windows=loss.spectral_windows)
    reconstruction = losses.reconstruction_loss(*arrays)
    return {
        f"{name}/reconstruction": loss.diffusion * loss.reconstruction * reconstruction,
        f"{name}/velocity": loss.diffusion * loss.velocity * losses.velocity_loss(*arrays),
        f"{name}/spectral": loss.spectral * spectral,
    }


def _lip_gap_loss(
    prediction: Float[Array, "b t 59"],
    motion: Float[Array, "b t 59"],
    mask: Bool[Array, "b t"],
    space: MotionSpace,
) -> Float[Array, "b"]:
    """Return the loss of the distance of the lips between two normalised motions. Dimensions of
    another path (such as the jaw) have the true values in both.
    """
    gap = builtin_lip_gap()
    of_prediction, of_motion = (
        gap.offset + space.denormalise(some) @ jnp.asarray(gap.directions)
        for some in (prediction, motion)
    )
    return losses.gap_loss(of_prediction, of_motion, mask, closed=gap.closed)
