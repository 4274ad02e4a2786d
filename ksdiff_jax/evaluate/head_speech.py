"""How the head moves, and how much of it depends on the speech (the group "head" of the scores).

With s_k(t) the angular speed of the head in sample k of a clip, and cov and var over the frames,

    share = Σ_clips mean_{k≠l} cov(s_k, s_l) / Σ_clips mean_k var(s_k)

is the share of the variance of the speed that the speech explains: two samples of one clip have
nothing in common but the speech. For many samples it is the variance of their mean over that of
single samples; for few it has no bias, where the variance of a mean of n samples would contain 1/n
of their noise. The baseline `_shuffled` pairs the first sample of a clip with the second one of the
next clip.

The definitions are ours; the shares have no unit.

A pause is half a second or more of sound that is 30 dB below the clip's loud frames (95th
percentile). Speeds and spectra are medians over the clips of 7 s or more, or over all clips if none
is as long; the figures of recordings from data.md's real people are in the same units.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate.intervals import Interval, bounded, ratio_interval
from ksdiff_jax.evaluate.jitter import head_jitter
from ksdiff_jax.evaluate.pose import angular_speed
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.spectrum import spectrum_distance
from ksdiff_jax.evaluate.valid_frames import Mask, valid_steps
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Bool, Float

LONG_CLIP_S = 7.0
PAUSE_FRAMES = round(0.5 * MOTION_RATE_HZ)
QUIET_DB = 30.0


class HeadStatistics(NamedTuple):
    """Of one rotation: degrees a second, and the frequencies below which its power lies."""

    median: float
    fast: float  # 95th percentile
    half_power_hz: float
    most_power_hz: float  # 90 %


def head_figures(clips: Sequence[Clip], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return the figures of the group; those of the share of the speech need two samples of each
    clip, those of pauses clips with pauses.
    """
    turns = [prediction.motion[..., space.ROTATION] for prediction in predictions]
    speeds = [np.stack([speed_of(turn) for turn in samples]) for samples in turns]
    truth = [speed_of(clip.rotation)[None] for clip in clips]
    pauses = [pauses_of(clip) for clip in clips]
    figures = _statistics(clips, [samples[0] for samples in turns], suffix="")
    figures |= _statistics(clips, [clip.rotation for clip in clips], suffix="_truth")
    distances = [
        spectrum_distance(samples[0], clip.rotation, fps=float(MOTION_RATE_HZ))
        for clip, samples in zip(clips, turns, strict=True)
    ]
    defined = [distance for distance in distances if np.isfinite(distance)]
    figures["head_spectrum_distance_hz"] = float(np.mean(defined or [np.nan]))
    others = [np.resize(other, len(own)) for own, other in zip(pauses, _next(pauses), strict=True)]
    for suffix, moved, quiet in (
        ("", speeds, pauses),
        ("_truth", truth, pauses),
        ("_shuffled", speeds, others),
    ):
        figures |= bounded(f"head_pause_speed_ratio{suffix}", pause_ratio(moved, quiet), low=0.0)
    if all(len(samples) > 1 for samples in speeds):
        figures |= bounded("head_speech_share", speech_share(speeds), high=1.0)
        mixed = [mixed_pair(*pair) for pair in zip(speeds, _next(speeds), strict=True)]
        if len(mixed) > 1:
            figures |= bounded("head_speech_share_shuffled", speech_share(mixed), high=1.0)
    return figures


def speed_of(rotation: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t"]:
    """Return the angular speed of a head at 25 Hz, degrees a second."""
    return np.degrees(angular_speed(rotation, fps=float(MOTION_RATE_HZ)))


def head_statistics(rotation: Float[np.ndarray, "t 3"]) -> HeadStatistics:
    """Return the speed and the spectrum of a rotation at 25 Hz; Hann window, power of all axes."""
    speed = speed_of(rotation)
    moved = (rotation - rotation.mean(axis=0)) * np.hanning(len(rotation))[:, None]
    power = np.sum(np.abs(np.fft.rfft(moved, axis=0)) ** 2, axis=1)
    if not power.any():
        return HeadStatistics(0.0, 0.0, float("nan"), float("nan"))
    share = np.cumsum(power) / power.sum()
    hz = np.fft.rfftfreq(len(rotation), 1 / MOTION_RATE_HZ)
    bounds = (float(hz[np.searchsorted(share, part)]) for part in (0.5, 0.9))
    return HeadStatistics(float(np.median(speed)), float(np.percentile(speed, 95)), *bounds)


def pauses_of(clip: Clip) -> Bool[np.ndarray, "t"]:
    """Return the frames of a clip in pauses of half a second or more."""
    sound = from_int16(clip.audio)[: clip.frames * SAMPLES_PER_MOTION_FRAME]
    sound = np.pad(sound, (0, clip.frames * SAMPLES_PER_MOTION_FRAME - len(sound)))
    power = np.mean(sound.reshape(clip.frames, -1).astype(np.float64) ** 2, axis=1)
    quiet = (
        10 * np.log10(power + 1e-12) < 10 * np.log10(np.percentile(power, 95) + 1e-12) - QUIET_DB
    )
    edges = np.flatnonzero(np.diff(np.pad(quiet.astype(int), 1)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        quiet[begin:end] = end - begin >= PAUSE_FRAMES
    return quiet


def pause_ratio(
    speeds: Sequence[Float[np.ndarray, "n _"]], pauses: Sequence[Bool[np.ndarray, "_"]]
) -> Interval:
    """Return the ratio of the mean speed in pauses to that in speech, over the clips with both."""
    pairs = [
        (samples[:, quiet].mean(), samples[:, ~quiet].mean())
        for samples, quiet in zip(speeds, pauses, strict=True)
        if quiet.any() and not quiet.all()
    ]
    return _ratio(pairs)


def clip_pause_ratio(
    rotation: Float[np.ndarray, "t 3"], pauses: Bool[np.ndarray, "t"], *, mask: Mask = None
) -> float:
    """Return the mean speed of one head in pauses over that in speech; 1 for a head that never
    moves, NaN for a clip without pauses or without speech.
    """
    speed = speed_of(rotation)
    if mask is not None:  # a speed is that of the step into a frame
        counted = np.concatenate([mask[:1], valid_steps(mask, len(mask), order=1)])
        speed, pauses = speed[counted], pauses[counted]
    if not pauses.any() or pauses.all():
        return float("nan")
    quiet, spoken = float(speed[pauses].mean()), float(speed[~pauses].mean())
    if not quiet and not spoken:
        return 1.0
    return quiet / spoken if spoken else float("inf")


def speech_share(speeds: Sequence[Float[np.ndarray, "n _"]]) -> Interval:
    """Return the share of the variance of the speed that is common to the samples of a clip."""
    pairs = []
    for samples in speeds:
        covariance = np.cov(samples)
        variance, count = float(np.trace(covariance)), len(samples)
        pairs.append(((covariance.sum() - variance) / (count * (count - 1)), variance / count))
    return _ratio(pairs)


def mixed_pair(
    own: Float[np.ndarray, "n t"], other: Float[np.ndarray, "m u"]
) -> Float[np.ndarray, "2 _"]:
    """Return a sample of a clip and one of another clip, cut to the shorter length."""
    frames = min(own.shape[1], other.shape[1])
    return np.stack([own[0, :frames], other[1, :frames]])


def _statistics(
    clips: Sequence[Clip], rotations: Sequence[Float[np.ndarray, "_ 3"]], *, suffix: str
) -> dict[str, float]:
    longest = max(clip.duration_s for clip in clips)
    chosen = [
        head_statistics(rotation)
        for clip, rotation in zip(clips, rotations, strict=True)
        if clip.duration_s >= min(LONG_CLIP_S, longest)
    ]
    names = ("speed_median_deg_s", "speed_p95_deg_s", "half_power_hz", "power_90_hz")
    figures = {
        f"head_{name}{suffix}": float(np.median(values))
        for name, values in zip(names, zip(*chosen, strict=True), strict=True)
    }
    shaking = [head_jitter(rotation, fps=float(MOTION_RATE_HZ)) for rotation in rotations]
    defined = [value for value in shaking if np.isfinite(value)]
    return figures | {f"head_jitter{suffix}_deg_s3": float(np.median(defined or [np.nan]))}


def _next(items: Sequence) -> list:
    return [*items[1:], *items[:1]]


def _ratio(pairs: Sequence[tuple[float, float]]) -> Interval:
    parts, wholes = np.array(pairs, np.float64).reshape(-1, 2).T
    if not len(parts) or not wholes.sum() > 0:
        return Interval(float("nan"), float("-inf"), float("inf"), len(parts))
    return ratio_interval(parts, wholes)
