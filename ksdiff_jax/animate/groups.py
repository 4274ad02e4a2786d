"""Long speech in groups of windows that are sampled as one motion (diffusion/joint.py).

Up to `GROUP_WINDOWS` neighbouring windows are one batch, blended at every step of the sampler. The
first window of a later group holds the motion of the earlier ones in the first half of the frames
that it shares with them, and continues it. So memory is that of one group and time is linear in the
length; the groups depend on the length of the speech alone, not on batch size or devices.

On a CPU the windows of a group are computed in turn, in a program of one batch size. On
accelerators and on several devices they are one batch, split over the devices.
"""

import itertools
from collections.abc import Callable

import jax
import numpy as np

from ksdiff_jax.animate.batches import Job, Runner, bucket_of, row_of_window
from ksdiff_jax.animate.windows import Window, borders_of, only_neighbours_share
from ksdiff_jax.models.system import Sample, System
from ksdiff_jax.speech.utterance import PREDICTED, Joint, Speech

GROUP_WINDOWS = 8  # 5.5 minutes
_KEYFRAMES = ("keyframes_expression", "keyframes_head")


def samples_jointly(system: System, windows: list[Window]) -> bool:
    """Return whether a system, with its options, samples these windows of long speech jointly."""
    wanted = getattr(system.config.sample, "joint_windows", False)
    able = wanted and getattr(system, "joins_windows", False)
    return able and len(windows) > 1 and only_neighbours_share(windows)


def sample_groups(
    runner: Runner, jobs: list[Job], *, known: Sample | None, report: Callable[[int], None]
) -> Sample:
    """Return the sample of a long utterance, whose windows are the jobs; `report` is called with
    the motion frames of the windows of each group.

    With `known`, the sample without the edit of the utterance, a group in which no frame may change
    is not sampled again.
    """
    utterance = jobs[0].utterance
    found = known and jax.tree.map(np.array, known)
    borders = borders_of([job.window for job in jobs], frames=utterance.frames)
    for begin in range(0, len(jobs), GROUP_WINDOWS):
        group = jobs[begin : begin + GROUP_WINDOWS]
        span = slice(group[0].window.start, group[-1].window.stop)
        if known is None or utterance.held.free[span].any():
            rows = _rows(runner, group, found, known=known, held=borders[begin])
            samples = runner.run_rows(rows, group)
            if found is None:
                found = jax.tree.map(
                    lambda a: np.zeros((utterance.frames, *a.shape[1:]), a.dtype), samples[0]
                )
            owned = itertools.pairwise(borders[begin : begin + len(group) + 1])
            for job, sample, frames in zip(group, samples, owned, strict=True):
                _write(found, sample, job.window, frames)
        report(sum(job.window.frames for job in group))
    return found


def _write(found: Sample, sample: Sample, window: Window, frames: tuple[int, int]) -> None:
    """Write the frames of a window's sample that it owns."""
    own = slice(frames[0] - window.start, frames[1] - window.start)
    found.motion[slice(*frames)] = sample.motion[own]
    for name, track in sample.tracks.items():
        found.tracks[name][slice(*frames)] = track[own]


def _rows(
    runner: Runner, group: list[Job], found: Sample | None, *, known: Sample | None, held: int
) -> list[Speech]:
    """Return the rows of a group, of which the first holds the frames up to `held`, an index in the
    clip, of the sample that is `found` so far.
    """
    in_turn = runner.mesh.size == 1 and jax.default_backend() == "cpu"
    size = GROUP_WINDOWS
    if not in_turn:
        size = -(-(1 << (len(group) - 1).bit_length()) // runner.mesh.size) * runner.mesh.size
    bucket = bucket_of(max(job.window.frames for job in group), runner.buckets)
    shared = [
        0,
        *(left.window.stop - right.window.start for left, right in itertools.pairwise(group)),
        *[0] * (size - len(group) + 1),
    ]
    rows = []
    for row in range(size):
        job = group[min(row, len(group) - 1)]
        speech = row_of_window(job, bucket)
        nothing = np.zeros((bucket, runner.system.space.width), np.float32)
        joint = Joint(
            before=np.int32(shared[row]),
            after=np.int32(shared[row + 1]),
            held=np.zeros(bucket, bool),
            motion=nothing,
            unedited=nothing,
            present=np.bool_(row < len(group)) if in_turn else None,
        )
        if speech.keyframes is None and runner.system.config.model.keyframes.enabled:
            speech = speech._replace(keyframes=np.full((bucket, 2), PREDICTED, np.int32))
        rows.append(speech._replace(joint=joint))
    start = group[0].window.start
    if held > start:
        rows[0] = _holding(rows[0], slice(start, held), found, known or found)
    return rows


def _holding(row: Speech, frames: slice, found: Sample, unedited: Sample) -> Speech:
    """Return a row that begins with these frames of a clip, which are found."""
    count = frames.stop - frames.start
    held, motion, before = (row.joint.held.copy(), *(row.joint.motion.copy() for _ in range(2)))
    held[:count] = True
    motion[:count], before[:count] = found.motion[frames], unedited.motion[frames]
    joint = row.joint._replace(held=held, motion=motion, unedited=before)
    if row.keyframes is None:
        return row._replace(joint=joint)
    keyframes = row.keyframes.copy()
    for track, name in enumerate(_KEYFRAMES):
        keyframes[:count, track] = found.tracks[name][frames]
    return row._replace(joint=joint, keyframes=keyframes)
