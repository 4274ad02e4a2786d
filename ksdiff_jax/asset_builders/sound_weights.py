"""Builds `assets/sound_weights.npz`: the mouth opening that a sound suggests, as weights of its
log-mel bands (data/tracking/speaker.py).

    python -m ksdiff_jax.asset_builders.sound_weights OUT.npz

A ridge regression over 150 clips of the built-in corpus of 1,000, of at most 10 s each. Rows x are
standardised; the target y is the gap of the lips, of mean 0 and deviation 1 in each clip:

    w = (XᵀX + λ I)⁻¹ Xᵀ y        λ = 3000, divided by the deviations of X in the end

The corpus is synthesised, so that the weights contain nothing of a recording.
"""

import sys
from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import samples_of_motion_frames
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.data.tracking.speaker import MEL_BANDS, mel_rows
from ksdiff_jax.face.lip_gap import builtin_lip_gap
from ksdiff_jax.files import cache_folder
from ksdiff_jax.train.sources import built_in_corpus

CORPUS_CLIPS, CLIPS, LONGEST_FRAMES, RIDGE = 1000, 150, 256, 3000.0


def main(out: str) -> None:
    """Fit the weights and write them."""
    folder = built_in_corpus(CORPUS_CLIPS, cache_folder(), tell=print)
    reader, gap = ShardReader(folder, "train"), builtin_lip_gap()
    inputs, targets = [], []
    for number in range(0, len(reader), max(1, len(reader) // CLIPS)):
        clip = reader[number]
        frames = min(clip.frames, LONGEST_FRAMES)
        opening = motion_of_clip(clip)[:frames] @ gap.directions
        sound = np.zeros(samples_of_motion_frames(frames), np.float32)
        part = from_int16(clip.audio[: len(sound)])
        sound[: len(part)] = part
        inputs.append(mel_rows(sound))
        targets.append((opening - opening.mean()) / (opening.std() + 1e-9))
    x, y = np.concatenate(inputs).astype(np.float64), np.concatenate(targets).astype(np.float64)
    deviation = x.std(axis=0) + 1e-6
    z = (x - x.mean(axis=0)) / deviation
    weights = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ y) / deviation
    np.savez_compressed(Path(out), weights=weights.reshape(-1, MEL_BANDS).astype(np.float32))
    print(f"{out}: {len(inputs)} clips, {len(x) / 25:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1])
