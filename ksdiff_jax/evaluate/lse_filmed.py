"""LSE-C and LSE-D of videos of real people, from crops of the filmed faces (`filmed_crops`).

They are what papers report as ground truth, and they test the weights: SyncNet was trained on
filmed faces, so weights that do not find most videos in step are not the authors'.

| figure | definition |
|---|---|
| lse_d_filmed, lse_c_filmed | mean over videos, no unit |
| lse_..._filmed_low, _high | 95 % interval of the mean over videos (Student's t) |
| lse_in_step_filmed | share of videos whose offset is at most one frame |
| lse_filmed_clips | videos with a face and sound for 6 frames or more |

A video whose sound is late in the file itself has another offset than zero, and its distance and
confidence are those at its own offset.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import load_audio, to_int16
from ksdiff_jax.data.prepare.layouts import find_sources
from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.tracker import FaceTracker, TrackerDied
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.filmed_crops import filmed_crops
from ksdiff_jax.evaluate.intervals import bounded, t_interval
from ksdiff_jax.evaluate.lse import (
    IN_STEP_FRAMES,
    LEAST_FRAMES,
    LipSync,
    embed_lips,
    embed_sound,
    lip_sync,
)
from ksdiff_jax.models.syncnet.network import WINDOW_FRAMES
from ksdiff_jax.typing import PyTree


class Video(NamedTuple):
    """A video of a person, and the file of its sound."""

    name: str
    path: Path
    sound: Path


class JudgedVideos(NamedTuple):
    """The results of the videos that could be measured, and a line for each of the others."""

    names: list[str]
    results: list[LipSync]
    unusable: list[str]


def videos_of(folders: Sequence[str | Path]) -> list[Video]:
    """Return the videos below the folders, sorted; raise `InputError` if there is none."""
    found = [
        Video(source.source_id, Path(source.video), Path(source.audio or source.video))
        for source in find_sources(list(folders))
        if source.video
    ]
    if not found:
        where = ", ".join(map(str, folders))
        raise InputError(
            f"{where}: no video here; LSE of filmed faces needs videos with sound (--real DIR)"
        )
    return found


def judged_videos(
    params: PyTree,
    videos: Sequence[Video],
    tracker: FaceTracker,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> JudgedVideos:
    """Return the result of every video; `progress(done, total)` counts videos."""
    found = JudgedVideos([], [], [])
    for number, video in enumerate(videos, start=1):
        try:
            result = _judged(params, video, tracker)
        except (Rejected, TrackerDied, InputError) as error:
            found.unusable.append(f"{video.name}: {error.args[-1]}")
        else:
            found.names.append(video.name)
            found.results.append(result)
        progress(number, len(videos))
    return found


def _judged(params: PyTree, video: Video, tracker: FaceTracker) -> LipSync:
    filmed = filmed_crops(video.path, tracker)
    audio = to_int16(load_audio(video.sound))[SAMPLES_PER_MOTION_FRAME * filmed.first_frame :]
    windows = min(len(filmed.pictures), len(audio) // SAMPLES_PER_MOTION_FRAME) - WINDOW_FRAMES
    if windows < 1:
        raise InputError(
            f"{windows + WINDOW_FRAMES} frames with a face and sound; need {LEAST_FRAMES} or more"
        )
    sound = embed_sound(params, audio)[:windows]
    return lip_sync(embed_lips(params, filmed.pictures)[: len(sound)], sound)


def filmed_figures(results: Sequence[LipSync]) -> dict[str, float]:
    """Return the figures of the module's table; there is one result at least."""
    distances, confidences, offsets = map(np.array, zip(*(r[:3] for r in results), strict=True))
    return {
        **bounded("lse_d_filmed", t_interval(distances)),
        **bounded("lse_c_filmed", t_interval(confidences)),
        "lse_in_step_filmed": float(np.mean(np.abs(offsets) <= IN_STEP_FRAMES)),
        "lse_filmed_clips": float(len(results)),
    }
