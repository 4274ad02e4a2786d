"""The figures of picture systems on validation clips, beside a copy of the reference.

Of every clip the row of `data.picture_rows.frame_pair` is taken: its first frame is the reference,
its middle one is to be painted. `psnr` is the mean over clips in dB, `psnr_of_copy` that of the
reference itself in the place of the painted frame.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.picture_rows import FramePair, frame_pair
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.models.fd2talk.autoencoder.system import FD2TalkAutoencoder
from ksdiff_jax.models.fd2talk.frames.first_stage import with_first_stage
from ksdiff_jax.models.fd2talk.frames.system import FD2TalkFrames
from ksdiff_jax.pictures.metrics import psnr, ssim
from ksdiff_jax.pictures.values import to_bytes
from ksdiff_jax.typing import PyTree, UInt8


def painted_figures(
    system: FD2TalkAutoencoder | FD2TalkFrames, params: PyTree, clips: Sequence[Clip]
) -> dict[str, float]:
    """Return `psnr`, `psnr_of_copy` and `ssim`."""
    rows = [frame_pair(clip, None) for clip in clips]
    answers = decoded_pairs if isinstance(system, FD2TalkAutoencoder) else painted_pairs
    pictures = answers(system, params, rows)
    true = np.stack([row.target for row in rows])
    copies = np.stack([row.reference for row in rows])
    return {
        "psnr": float(psnr(pictures, true).mean()),
        "psnr_of_copy": float(np.minimum(psnr(copies, true), 100).mean()),
        "ssim": float(ssim(pictures, true).mean()),
    }


def decoded_pairs(
    system: FD2TalkAutoencoder, params: PyTree, rows: Sequence[FramePair]
) -> UInt8[np.ndarray, "n y x 3"]:
    """Return D([E(F₁), E(F₂)]) of every row."""

    def decode(params: PyTree, reference: jax.Array, target: jax.Array) -> jax.Array:
        latents = [system.latents(params, picture) for picture in (target, reference)]
        return system.pictures(params, *latents)

    run = jax.jit(decode)
    return np.concatenate(
        [to_bytes(run(params, row.reference[None], row.target[None])) for row in rows]
    )


def painted_pairs(
    system: FD2TalkFrames, params: PyTree, rows: Sequence[FramePair]
) -> UInt8[np.ndarray, "n y x 3"]:
    """Return the painted frame of every row."""
    _, first_stage = with_first_stage(system.config)
    keys = jax.random.split(jax.random.key(0), len(rows))

    def paint(params: PyTree, weights: PyTree, picture, motion, key) -> jax.Array:
        noise_of = key[None], jnp.zeros(1, jnp.int32)
        stage = first_stage._replace(params=weights)
        return system.paint(params, stage, picture[None], motion[None, None], noise_of)[0, 0]

    run = jax.jit(paint)
    return np.stack(
        [
            to_bytes(run(params, first_stage.params, row.reference, jnp.asarray(row.motion), key))
            for row, key in zip(rows, keys, strict=True)
        ]
    )
