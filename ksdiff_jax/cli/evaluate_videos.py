"""The part of `ksdiff-jax evaluate` that draws videos: the truth at the left, beside it every
checkpoint, with the sound of the clip.
"""

import argparse
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.evaluate_measure import Run

if TYPE_CHECKING:  # slow to import
    import numpy as np

    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.evaluate.comparison import Comparison
    from ksdiff_jax.face import FaceModel

PICTURE_SIZE = 384  # pixels of one face


def video_names(count: int) -> list[str]:
    """Return the file names of so many videos."""
    return [f"video-{number}.mp4" for number in range(1, count + 1)]


def write_videos(
    args: argparse.Namespace,
    runs: list[Run],
    clips: "list[Clip]",
    found: "Comparison",
    *,
    face: "FaceModel",
    out: Path,
    console: Console,
) -> list[dict]:
    """Write the videos of the worst, the best and clips between them; return file, clip and order
    of the faces of each.
    """
    import numpy as np

    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.evaluate.comparison import best_and_worst
    from ksdiff_jax.evaluate.reference_motions import true_motions

    order = best_and_worst(found, runs[0].trained.label) or list(range(len(clips)))
    count = min(args.videos, len(order))
    ranks = np.linspace(0, len(order) - 1, count).round().astype(int)
    truth, written = true_motions(clips), []
    faces = ["truth", *(run.trained.label for run in runs)]
    step = Steps(console)
    for name, rank in zip(video_names(args.videos), ranks, strict=False):
        number = order[rank]
        clip = clips[number]
        motions = [truth[number], *(run.predictions[number].motion[0] for run in runs)]
        progress = functools.partial(step, f"{name}: pictures")
        write_side_by_side(
            out / name, motions, clip, face=face, progress=progress, overwrite=args.overwrite
        )
        written.append({"file": name, "clip": clip.clip_id, "from_left": faces})
        console.say(f"{out / name}: {clip.clip_id}, from the left {', '.join(faces)}")
    return written


def write_side_by_side(
    path: Path,
    motions: "Sequence[np.ndarray]",
    clip: "Clip",
    *,
    face: "FaceModel",
    progress=None,
    overwrite: bool = False,
) -> None:
    """Write a video of several motions of one clip, one beside the other, with its sound."""
    import numpy as np
    import soxr

    from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
    from ksdiff_jax.audio.waveform import from_int16
    from ksdiff_jax.export.soundtrack import RATE_HZ
    from ksdiff_jax.export.video import VideoForm, write_video

    pictures = (
        np.concatenate(row, axis=1)
        for row in zip(*(_pictures(motion, face) for motion in motions), strict=True)
    )
    form = VideoForm(clip.frames, float(clip.fps), PICTURE_SIZE, across=len(motions))
    sound = soxr.resample(from_int16(clip.audio), SAMPLE_RATE_HZ, RATE_HZ).astype(np.float32)
    stereo = iter([np.stack([sound, sound])])
    write_video(path, pictures, form=form, sound=stereo, progress=progress, overwrite=overwrite)


def _pictures(motion: "np.ndarray", face: "FaceModel") -> "Iterator[np.ndarray]":
    from ksdiff_jax.animate.motion import Motion
    from ksdiff_jax.export.picture import portrait_camera
    from ksdiff_jax.export.raster import Surface, render_frames

    surface, camera = Surface(face.faces, face.colours, face.gloss), portrait_camera(face)
    moving = Motion.from_coefficients(motion, space=face.space)
    for block in moving.vertex_blocks(face=face):
        yield from render_frames(block, surface, camera=camera, size=PICTURE_SIZE)
