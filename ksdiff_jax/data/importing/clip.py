"""A coefficient file and its sound to clips at 25 Hz.

The instants of the frames are, in this order of trust: what the run's settings say, the file's own rate, the frame
times of the video they come from, 25 Hz. The result is compared with the length of the sound, because a wrong rate
looks like nothing else: the error names the usual rate that would fit.
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.data.importing.coefficients import Coefficients, read_coefficients
from ksdiff_jax.data.prepare.source import Outcome, Rejected, Settings, Source
from ksdiff_jax.data.prepare.take import Take, clips_of_take, sound_of_take
from ksdiff_jax.data.prepare.track import sound_of_video, transcript_of
from ksdiff_jax.data.tracking.video import frames as video_frames
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.resample import resampled, resampled_rotations
from ksdiff_jax.typing import Float

USUAL_RATES_HZ = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60000 / 1001, 60.0, 100.0)
TOLERANCE_S, TOLERANCE_SHARE = 0.2, 0.01


def clip_of_coefficients(source: Source, settings: Settings) -> Outcome:
    """The clips of a source whose face another tool has tracked. Raises `Rejected` where nothing can be used."""
    coefficients = read_coefficients(source.coefficients)
    if not (source.audio or source.video):
        raise Rejected("no_sound", f"{source.coefficients}: neither a recording nor a video of that name beside it")
    audio = sound_of_video(source)
    times_s, period_s, origin = frame_times(coefficients, source, settings)
    check_lengths(times_s, period_s, origin=origin, sound_s=len(audio) / SAMPLE_RATE_HZ, source=source)
    start_s = max(source.start_s, float(times_s[0]), 0.0)
    ends_s = [float(times_s[-1]) + period_s, len(audio) / SAMPLE_RATE_HZ, source.end_s]
    end_s = min(end for end in ends_s if end is not None)
    frames = int((end_s - start_s) * MOTION_RATE_HZ + 1e-6)
    if frames < max(1.0, settings.min_s * MOTION_RATE_HZ):
        seconds = max(0.0, end_s - start_s)
        raise Rejected("too_short", f"{source.coefficients}: {seconds:.2f} s; need {settings.min_s:g} s or more")
    motion = at_motion_rate(coefficients, times_s, start_s=start_s, frames=frames)
    take = Take(
        start_s=start_s,
        expression=motion.expression,
        rotation=motion.rotation,
        jaw=motion.jaw,
        camera=motion.camera,
        shape=motion.shape,
        audio=sound_of_take(audio, start_s=start_s, frames=frames),
        tool=f"{coefficients.tool}, {Path(source.coefficients).name}",
        measures={},
        whole=source.start_s == 0 and source.end_s is None,
    )
    clips, rejections = clips_of_take(take, source, transcript_of(source), settings)
    return Outcome(tuple(clips), tuple(rejections))


def frame_times(
    coefficients: Coefficients, source: Source, settings: Settings
) -> tuple[Float[np.ndarray, "t"], float, str]:
    """When each frame was seen, in seconds of the sound; seconds per frame; and who says so."""
    frames = len(coefficients.expression)
    fps, origin = settings.coefficient_fps, "as asked for"
    if fps is None:
        fps, origin = coefficients.fps, "by the file"
    if fps is None and source.video:
        try:
            seen_s = np.array([frame.time_s for frame in video_frames(source.video)])
        except InputError as error:
            raise Rejected("unreadable", str(error)) from error
        if len(seen_s) == frames > 1:
            return seen_s, float(np.median(np.diff(seen_s))), "by the video's clock"
        if len(seen_s) > 1:
            fps, origin = (len(seen_s) - 1) / float(seen_s[-1] - seen_s[0]), "the video's average"
    if fps is None:
        fps, origin = float(MOTION_RATE_HZ), "assumed, as nothing says another"
    return np.arange(frames) / fps, 1 / fps, origin


def check_lengths(
    times_s: Float[np.ndarray, "t"], period_s: float, *, origin: str, sound_s: float, source: Source
) -> None:
    """Raise `Rejected("length_mismatch")` where motion and sound last differently."""
    motion_s = float(times_s[-1]) + period_s
    allowed_s = max(TOLERANCE_S, TOLERANCE_SHARE * sound_s)
    if abs(motion_s - sound_s) <= allowed_s:
        return
    best = min(USUAL_RATES_HZ, key=lambda rate: abs(len(times_s) / rate - sound_s))
    fits = abs(len(times_s) / best - sound_s) <= allowed_s
    remedy = f"{best:.5g} fps would fit: --coefficient-fps {best:.5g}" if fits else "no usual rate would fit"
    raise Rejected(
        "length_mismatch",
        f"{source.coefficients}: {len(times_s)} frames at {1 / period_s:.5g} fps ({origin}) are {motion_s:.2f} s, "
        f"its sound {sound_s:.2f} s; {remedy}",
    )


def at_motion_rate(
    coefficients: Coefficients, times_s: Float[np.ndarray, "n"], *, start_s: float, frames: int
) -> Coefficients:
    """The motion at the instants start + i / 25 s."""
    wanted_s = start_s + np.arange(frames) / MOTION_RATE_HZ
    return coefficients._replace(
        expression=resampled(coefficients.expression, times_s, wanted_s),
        rotation=resampled_rotations(coefficients.rotation, times_s, wanted_s),
        jaw=resampled_rotations(coefficients.jaw, times_s, wanted_s),
        camera=resampled(coefficients.camera, times_s, wanted_s),
        fps=float(MOTION_RATE_HZ),
    )
