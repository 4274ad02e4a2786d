"""From sampled windows to the motion of an utterance: joined, and with the blinks that the options
ask for.
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from ksdiff_jax.animate.batches import Job, Runner
from ksdiff_jax.animate.drawn_blinks import with_drawn_blinks
from ksdiff_jax.animate.groups import sample_groups, samples_jointly
from ksdiff_jax.animate.windows import Window, join_windows, owned_frames, plan_windows
from ksdiff_jax.face.blinks import with_closed_blinks
from ksdiff_jax.models.system import Sample, System
from ksdiff_jax.motion.space import BUILTIN, EXPRESSION
from ksdiff_jax.speech.utterance import Utterance
from ksdiff_jax.typing import Array, Key


def sample_whole(
    runner: Runner,
    utterances: Sequence[Utterance],
    keys: Sequence[Key[Array, ""]],
    *,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    known: Sequence[Sample] | None = None,
) -> list[Sample]:
    """Return the samples of whole utterances with these keys, before blinks.

    With `known`, the samples without the edits of the utterances, a window in which no frame may
    change is not sampled again and counts as done. `progress(done, total)` is called after each
    batch, in motion frames.
    """
    longest = runner.buckets[-1]
    parts: list[dict[Window, Sample]] = [{} for _ in utterances]
    jobs, long = [], {}
    for item, (utterance, key) in enumerate(zip(utterances, keys, strict=True)):
        windows = plan_windows(utterance.frames, longest=longest)
        if samples_jointly(runner.system, windows):
            long[item] = [Job(item, window, utterance, key) for window in windows]
            continue
        for window in windows:
            frames = slice(*window)
            if known is not None and not utterance.held.free[frames].any():
                cut = lambda array, frames=frames: array[frames]  # noqa: E731
                parts[item][window] = jax.tree.map(cut, known[item])
            else:
                jobs.append(Job(item, window, utterance, key))
    total = window_frames(utterances, longest=longest)
    in_groups = sum(job.window.frames for of_item in long.values() for job in of_item)
    done = total - in_groups - sum(job.window.frames for job in jobs)

    def report(frames: int) -> None:
        nonlocal done
        done += frames
        if progress:
            progress(done, total)

    if not jobs and not long:
        report(0)
    for group, samples in runner.run(jobs, batch_size):
        for job, sample in zip(group, samples, strict=True):
            parts[job.item][job.window] = sample
        report(sum(job.window.frames for job in group))
    finished = {
        item: sample_groups(runner, of_item, known=known and known[item], report=report)
        for item, of_item in long.items()
    }
    return [
        finished[item]
        if item in finished
        else joined_windows(
            [of_item[window] for window in sorted(of_item)],
            frames=utterance.frames,
            longest=longest,
        )
        for item, (of_item, utterance) in enumerate(zip(parts, utterances, strict=True))
    ]


def window_frames(utterances: Sequence[Utterance], *, longest: int) -> int:
    """Return the motion frames of all windows of the utterances."""
    windows = (plan_windows(utterance.frames, longest=longest) for utterance in utterances)
    return sum(window.frames for of_one in windows for window in of_one)


def part_of_progress(
    progress: Callable[[int, int], None] | None, *, before: int = 0, after: int = 0
) -> Callable[[int, int], None] | None:
    """Return the progress function of one part of a work, for which `before` frames are done
    earlier and `after` frames follow.
    """
    if progress is None:
        return None
    return lambda done, total: progress(before + done, before + total + after)


def joined_windows(parts: list[Sample], *, frames: int, longest: int) -> Sample:
    """Return the samples of the windows of `plan_windows` as one of `frames` frames."""
    windows = plan_windows(frames, longest=longest)
    tracks = {
        name: owned_frames([part.tracks[name] for part in parts], windows, frames=frames)
        for name in parts[0].tracks
    }
    motion = join_windows([part.motion for part in parts], windows, frames=frames)
    return Sample(motion, tracks)


def with_blinks(
    sample: Sample, utterance: Utterance, key: Key[Array, ""], *, system: System
) -> Sample:
    """Return a sample of the built-in head with its blinks; one of another space is unchanged."""
    if system.space.name != BUILTIN.name:
        return sample
    motion = sample.motion.copy()
    motion[:, EXPRESSION] = _blinking(
        motion[:, EXPRESSION], key, closes=not utterance.causal, options=system.config.sample
    )
    return sample._replace(motion=motion)


def _blinking(expression: np.ndarray, key: Key[Array, ""], *, closes: bool, options) -> np.ndarray:
    """Return the coefficients of the built-in head with the blinks that the options ask for.

    Blinks are not closed if `closes` is False: whether a blink closes on its own is not known
    before its end.
    """
    if options.blinks == "drawn":
        expression = with_drawn_blinks(expression, key)
    return with_closed_blinks(expression) if closes and options.close_blinks else expression
