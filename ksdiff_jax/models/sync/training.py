"""The pairs of a training clip, and their binary cross-entropy (DisentTalk Eq. 10).

    p(i, j) = (1 + cos(i, j)) / 2               probability that speech i and motion j are in sync
    L = −λ_true mean log p(i, i) − λ_shifted mean log(1 − p(i, j)),    |i − j| >= shift_frames

The paper writes BCE(cos, y). A cosine is not a probability, so we use (1 + cos) / 2 (R). Both means
are over `loss.pairs` windows i of the clip, drawn uniformly. The shifted partner j of the first
half of them is drawn from the windows at most `near_frames` away, which overlap with the true one;
that of the other half is drawn from the whole clip. Always |i − j| >= `shift_frames`, because
closer windows are nearly in sync. If a window has no partner, its pair counts in neither mean.

The random numbers of a clip depend only on its key and its own frames: neither the other clips of
the batch nor padding changes them.
"""

import jax.numpy as jnp

from ksdiff_jax.config import Config
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.models.clip_mean import clip_mean
from ksdiff_jax.models.sync.config import LossConfig
from ksdiff_jax.models.sync.network import Network, cosines, mouth_of, valid_windows
from ksdiff_jax.models.system import Terms
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.rng import frame_uniform, streams
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int, Key, PyTree

# Smallest distance of a probability from 0 and 1, so that logarithm and gradient are finite.
MARGIN = 1e-4


def probability(cosine: Float[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
    """Return (1 + cos) / 2, moved by at most `MARGIN` away from 0 and 1."""
    return 0.5 + (0.5 - MARGIN) * cosine


def training_terms(
    network: Network,
    params: PyTree,
    batch: Batch,
    keys: Key[Array, "b"],
    *,
    config: Config,
    space: MotionSpace,
) -> Terms:
    """Return the two weighted terms of each clip."""
    variables, loss = {"params": params}, config.loss
    speech = network.apply(variables, batch.speech, method=Network.embed_speech)
    mask = batch.speech.mask
    mouth = mouth_of(batch.motion, mask, config=config.model, space=space)
    motion = network.apply(variables, mouth, method=Network.embed_motion)
    valid = valid_windows(mask, window=config.model.window_frames)
    window, partner, exists = drawn_pairs(valid.sum(axis=1), keys, config=loss)

    def rows(vectors: Float[Array, "b w e"], chosen: Int[Array, "b n"]) -> Float[Array, "b n e"]:
        return jnp.take_along_axis(vectors, chosen[..., None], axis=1)

    of_speech = rows(speech, window)
    true = probability(cosines(of_speech, rows(motion, window)))
    shifted = probability(cosines(of_speech, rows(motion, partner)))
    return {
        "true": loss.true * clip_mean(-jnp.log(true), exists),
        "shifted": loss.shifted * clip_mean(-jnp.log1p(-shifted), exists),
    }


def drawn_pairs(
    windows: Int[Array, "b"], keys: Key[Array, "b"], *, config: LossConfig
) -> tuple[Int[Array, "b n"], Int[Array, "b n"], Bool[Array, "b n"]]:
    """Return windows i of each clip, their shifted partners j, and whether the pair exists.

    `windows` is the number of valid windows of each clip, which are its first ones.
    """
    first = jnp.zeros(keys.shape, jnp.int32)
    place = frame_uniform(streams(keys, "window"), first, config.pairs)
    draw = frame_uniform(streams(keys, "partner"), first, config.pairs)
    count = windows[:, None]
    chosen = _drawn(place, count)
    near = jnp.arange(config.pairs) < config.pairs // 2
    shifts = partner_counts(chosen, count, shift=config.shift_frames, reach=config.near_frames)
    anywhere = partner_counts(chosen, count, shift=config.shift_frames)
    before, after = (jnp.where(near, *pair) for pair in zip(shifts, anywhere, strict=True))
    number = _drawn(draw, before + after)
    exists = before + after > 0
    partner = numbered_partner(chosen, number, before, shift=config.shift_frames)
    return chosen, jnp.where(exists, partner, chosen), exists


def partner_counts(
    window: Int[AnyArray, "*b n"],
    count: Int[AnyArray, "*b 1"],
    *,
    shift: int,
    reach: int | None = None,
) -> tuple[Int[Array, "*b n"], Int[Array, "*b n"]]:
    """Return how many of `count` windows are at least `shift` before a window, and how many at
    least as far after it; with `reach`, at most that far.
    """
    before = jnp.maximum(window - shift + 1, 0)
    after = jnp.maximum(count - window - shift, 0)
    if reach is None:
        return before, after
    most = reach - shift + 1
    return jnp.minimum(before, most), jnp.minimum(after, most)


def numbered_partner(
    window: Int[AnyArray, "*b n"],
    number: Int[AnyArray, "*b n"],
    before: Int[AnyArray, "*b n"],
    *,
    shift: int,
) -> Int[Array, "*b n"]:
    """Return the partner of an index from 0: first the `before` earlier ones, nearest first, then
    the later ones.
    """
    return jnp.where(number < before, window - shift - number, window + shift + number - before)


def _drawn(uniform: Float[Array, "b n"], count: Int[Array, "b #n"]) -> Int[Array, "b n"]:
    """Return a whole number from 0 to below `count`, from one in [0, 1); 0 if the count is 0."""
    number = jnp.floor(uniform * count).astype(jnp.int32)
    return jnp.clip(number, 0, jnp.maximum(count - 1, 0))
