"""Systems that make pictures as the painters that `frame_scores` compares, and their figures in the
validation of a training run.

| system | picture of a target |
|---|---|
| frames stage | painted from the reference and the target's motion |
| autoencoder | D([E(F₁), E(F₂)]) of the reference F₁ and the target F₂ itself |

In validation the first frame of a clip is the reference and its middle one the target. `psnr` is
the mean over clips in dB, `psnr_of_copy` that of the reference in the place of the painted frame.
"""

from collections.abc import Sequence

import jax
import numpy as np

from ksdiff_jax.animate.painter import BLOCK_FRAMES, Painter
from ksdiff_jax.data.picture_rows import chosen_frames
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate import frame_scores
from ksdiff_jax.evaluate.frame_scores import Pictures, Targets, psnr_db, targets_at
from ksdiff_jax.models.fd2talk.autoencoder.system import FD2TalkAutoencoder
from ksdiff_jax.models.fd2talk.frames.first_stage import FirstStage
from ksdiff_jax.models.system import PaintingSystem
from ksdiff_jax.pictures.metrics import ssim
from ksdiff_jax.pictures.values import to_bytes
from ksdiff_jax.typing import PyTree


def painter_of(
    system: FD2TalkAutoencoder | PaintingSystem,
    params: PyTree,
    *,
    seed: int = 0,
    block: int = BLOCK_FRAMES,
) -> frame_scores.Painter:
    """Return a trained system as a painter of targets; it computes `block` of them at once."""
    if isinstance(system, FD2TalkAutoencoder):
        return _decoder_of(system, params, block=block)
    painter = Painter(system, params, seed=seed, block=block)
    return lambda targets: np.stack([*painter.paint(targets.reference, targets.motion)])


def decoder_of(first_stage: FirstStage) -> frame_scores.Painter:
    """Return the autoencoder of a frames stage as a painter, which none with it can surpass by
    much.
    """
    return _decoder_of(first_stage.system, first_stage.params, block=BLOCK_FRAMES)


def _decoder_of(system: FD2TalkAutoencoder, params: PyTree, *, block: int) -> frame_scores.Painter:
    @jax.jit
    def decode(params: PyTree, target: jax.Array, reference: jax.Array) -> jax.Array:
        latents = [system.latents(params, picture) for picture in (target, reference)]
        return system.pictures(params, *latents)

    def paint(targets: Targets) -> Pictures:
        references = np.repeat(targets.reference[None], block, axis=0)
        parts = []
        for start in range(0, len(targets.truth), block):
            some = targets.truth[start : start + block]
            missing = [(0, block - len(some)), (0, 0), (0, 0), (0, 0)]
            found = decode(params, np.pad(some, missing, mode="edge"), references)
            parts.append(to_bytes(found)[: len(some)])
        return np.concatenate(parts)

    return paint


def painted_figures(
    system: FD2TalkAutoencoder | PaintingSystem, params: PyTree, clips: Sequence[Clip]
) -> dict[str, float]:
    """Return `psnr`, `psnr_of_copy` and `ssim`."""
    paint = painter_of(system, params, block=1)
    rows = [targets_at(clip, np.array(chosen_frames(clip.frames, None)[1:])) for clip in clips]
    painted = np.concatenate([paint(row) for row in rows])
    truth = np.concatenate([row.truth for row in rows])
    copies = np.stack([row.reference for row in rows])
    return {
        "psnr": float(psnr_db(painted, truth).mean()),
        "psnr_of_copy": float(psnr_db(copies, truth).mean()),
        "ssim": float(ssim(painted, truth).mean()),
    }
