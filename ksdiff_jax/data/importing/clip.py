"""Converts a coefficient file and its sound to clips at 25 Hz.

The times of the frames come from, in order of priority: the run's settings, the file's own times
or rate, the frame times of the source video, 25 Hz. The result is compared with the length of the
sound, because a wrong rate has no other visible effect. The error gives the usual rate that would
fit. The rest is cut to the part that motion and sound share (../prepare/overlap.py).
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.data.importing.coefficients import Coefficients, read_coefficients
from ksdiff_jax.data.prepare.overlap import Lengths, Span, check_lengths, overlap, stretch_to
from ksdiff_jax.data.prepare.source import Outcome, Rejected, Settings, Source
from ksdiff_jax.data.prepare.take import Take, clips_of_take, sound_of_take
from ksdiff_jax.data.prepare.track import (
    ALL_WORDS_S,
    sound_of_video,
    sound_span,
    transcript_of,
    wanted,
)
from ksdiff_jax.data.tracking.video import frames as video_frames
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.resample import resampled, resampled_rotations
from ksdiff_jax.typing import Float

BY_VIDEO = "by the video's clock"


def clip_of_coefficients(source: Source, settings: Settings) -> Outcome:
    """Return the clips of a source whose face another tool has tracked.

    Raises `Rejected` if nothing can be used.
    """
    coefficients = read_coefficients(source.coefficients)
    if not (source.audio or source.video):
        raise Rejected(
            "no_sound",
            f"{source.coefficients}: neither a recording nor a video of that name beside it",
        )
    recording = sound_of_video(source, settings)
    times_s, period_s, origin = frame_times(coefficients, source, settings)
    sound_s, factor = len(recording.audio) / SAMPLE_RATE_HZ, 1.0
    own_clock = origin == BY_VIDEO and not source.audio
    if settings.stretch and not own_clock:
        factor = stretch_to(
            motion_s=float(times_s[-1]) + period_s, sound_s=sound_s, what=source.coefficients
        )
        times_s, period_s = times_s * factor, period_s * factor
    elif not own_clock:
        check_lengths(
            Lengths(
                frames=len(times_s),
                period_s=period_s,
                motion_s=float(times_s[-1]) + period_s,
                sound_s=sound_s,
            ),
            what=source.coefficients,
            origin=origin,
            remedy="--coefficient-fps",
        )
    motion = Span(max(0.0, float(times_s[0])), float(times_s[-1]) + period_s)
    shared, cut = overlap(motion, sound_span(recording), wanted=wanted(source))
    start_s, end_s = shared
    frames = int((end_s - start_s) * MOTION_RATE_HZ + 1e-6)
    if frames < max(1.0, settings.min_s * MOTION_RATE_HZ):
        seconds = max(0.0, end_s - start_s)
        raise Rejected(
            "too_short",
            f"{source.coefficients}: {seconds:.2f} s; need {settings.min_s:g} s or more",
        )
    whole = source.start_s == 0 and source.end_s is None and cut.sound_s <= ALL_WORDS_S
    motion = at_motion_rate(coefficients, times_s, start_s=start_s, frames=frames)
    take = Take(
        start_s=start_s,
        expression=motion.expression,
        rotation=motion.rotation,
        jaw=motion.jaw,
        camera=motion.camera,
        shape=motion.shape,
        audio=sound_of_take(recording.audio, start_s=start_s, frames=frames),
        tool=f"{coefficients.tool}, {Path(source.coefficients).name}",
        measures={},
        whole=whole,
        space=coefficients.space,
    )
    clips, rejections = clips_of_take(take, source, transcript_of(source), settings)
    return Outcome(tuple(clips), tuple(rejections), cut._replace(stretch=round(factor, 6)))


def frame_times(
    coefficients: Coefficients, source: Source, settings: Settings
) -> tuple[Float[np.ndarray, "t"], float, str]:
    """Return the time of each frame, in seconds of the sound; the seconds per frame; and the origin
    of these times.
    """
    frames = len(coefficients.expression)
    fps, origin = settings.coefficient_fps, "as requested"
    if fps is None:
        fps, origin = coefficients.fps, "by the file"
    if fps is None and coefficients.times_s is not None:
        steps = np.diff(coefficients.times_s)
        period_s = float(np.median(steps)) if len(steps) else 1 / MOTION_RATE_HZ
        return coefficients.times_s, period_s, "by its times"
    if fps is None and source.video:
        try:
            seen_s = np.array([frame.time_s for frame in video_frames(source.video)])
        except InputError as error:
            raise Rejected("unreadable", str(error)) from error
        if len(seen_s) == frames > 1:
            return seen_s, float(np.median(np.diff(seen_s))), BY_VIDEO
        if len(seen_s) > 1:
            fps, origin = (len(seen_s) - 1) / float(seen_s[-1] - seen_s[0]), "the video's average"
            return float(seen_s[0]) + np.arange(frames) / fps, 1 / fps, origin
    if fps is None:
        fps, origin = float(MOTION_RATE_HZ), "assumed, as no other rate is given"
    return np.arange(frames) / fps, 1 / fps, origin


def at_motion_rate(
    coefficients: Coefficients, times_s: Float[np.ndarray, "n"], *, start_s: float, frames: int
) -> Coefficients:
    """Return the motion at the instants start + i / 25 s."""
    wanted_s = start_s + np.arange(frames) / MOTION_RATE_HZ
    return coefficients._replace(
        expression=resampled(coefficients.expression, times_s, wanted_s),
        rotation=resampled_rotations(coefficients.rotation, times_s, wanted_s),
        jaw=resampled_rotations(coefficients.jaw, times_s, wanted_s),
        camera=resampled(coefficients.camera, times_s, wanted_s),
        fps=float(MOTION_RATE_HZ),
    )
