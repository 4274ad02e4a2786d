"""Prosody of live speech: raw values with a bounded look-ahead, and running statistics in place of
those of the whole recording (`audio.prosody`).

`sliding_prosody` tracks pitch in windows, one for each step of up to `STEP_FRAMES`, that end
`ahead` frames after the first frame of the step; no frame depends on later sound. A constant offset
is the mean of all samples so far.

`normalise_so_far` computes the model's input: z(x)_i = (x_i - mean_i) / std_i, of frame i and those
before it, each frame weighted by its age, and of a prior that counts as `PRIOR_FRAMES` frames:

    n_i = λ n_{i-1} + 1,   s_i = λ s_{i-1} + x_i,   q_i = λ q_{i-1} + x_i²
    mean_i = s_i / n_i,    std_i² = q_i / n_i - mean_i²,   λ = exp(-1 / `MEMORY_FRAMES`)

with n, s and q of the prior before the first frame. The statistics of log f0 count voiced frames
only. An unvoiced frame has the last voiced log f0; before the first one, the value is 0.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.prosody import SMALLEST_DEVIATION, log_energy, track_pitch_hz
from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME
from ksdiff_jax.typing import Bool, Float

STEP_FRAMES = 4
PAST_FRAMES = 25  # half a second, in which the Viterbi path converges
MEMORY_FRAMES = 1000.0  # 20 s; a recording of usual length has nearly the statistics of its whole
PRIOR_FRAMES = 50.0
# Means and deviations over clips of the built-in corpus and of read English sentences.
LOG_F0 = (5.0, 0.2)
LOG_ENERGY = (-4.0, 1.8)


def sliding_prosody(audio: Float[np.ndarray, "s"], *, ahead: int) -> Float[np.ndarray, "f 2"]:
    """Return raw prosody, f = s // 320: f0 in Hz (0 where unvoiced) and log RMS, as
    `audio.prosody.extract_prosody` does.

    Frame i depends on the sound before the end of frame i + `ahead` only.
    """
    hop = SAMPLES_PER_SPEECH_FRAME
    frames = len(audio) // hop
    audio = audio[: frames * hop].astype(np.float32)
    ends = np.cumsum(audio, dtype=np.float64)[hop - 1 :: hop]
    offset = ends / (hop * np.arange(1, frames + 1))
    energy = log_energy(audio - np.repeat(offset, hop))
    pitch = np.zeros(frames)
    step = min(STEP_FRAMES, ahead + 1)
    for start in range(0, frames, step):
        first, stop = max(0, start - PAST_FRAMES), min(frames, start + step)
        last = min(frames, start + ahead + 1)
        found = track_pitch_hz(audio[first * hop : last * hop])
        pitch[start:stop] = found[start - first : stop - first]
    return np.stack([pitch, energy], axis=-1).astype(np.float32)


def normalise_so_far(raw: Float[np.ndarray, "f 2"]) -> Float[np.ndarray, "f 2"]:
    """Return [log f0, log energy] of one utterance, normalised by running statistics (module
    docstring).
    """
    f0_hz, energy = raw[:, 0].astype(np.float64), raw[:, 1].astype(np.float64)
    voiced = f0_hz > 0
    log_f0 = np.log(np.where(voiced, f0_hz, 1.0))
    latest = np.maximum.accumulate(np.where(voiced, np.arange(len(raw)), -1))
    held = np.where(latest >= 0, log_f0[latest], LOG_F0[0])
    mean, std = _statistics(log_f0, voiced, LOG_F0)
    pitch = np.where(latest >= 0, (held - mean) / std, 0.0)
    mean, std = _statistics(energy, np.ones(len(raw), bool), LOG_ENERGY)
    return np.stack([pitch, (energy - mean) / std], axis=-1).astype(np.float32)


class ProsodySoFar(NamedTuple):
    """What the prosody of later frames of a stream needs of those before."""

    frames: int = 0
    total: float = 0.0  # sum of all samples
    voiced: bool = False  # whether a frame was
    log_f0: float = LOG_F0[0]  # of the last voiced frame
    # n, s and q of log f0 and of log energy, of the distances from the means of the priors
    pitch: tuple[float, float, float] = (PRIOR_FRAMES, 0.0, PRIOR_FRAMES * LOG_F0[1] ** 2)
    energy: tuple[float, float, float] = (PRIOR_FRAMES, 0.0, PRIOR_FRAMES * LOG_ENERGY[1] ** 2)


def next_prosody(
    so_far: ProsodySoFar, sound: Float[np.ndarray, "s"], *, count: int, past: int
) -> tuple[ProsodySoFar, Float[np.ndarray, "n 2"]]:
    """Return the prosody of the next `count` frames of a stream, normalised by the statistics so
    far, and the state behind them.

    `sound` begins `past` frames before them, at most `PAST_FRAMES`, and ends with the look-ahead.
    """
    hop = SAMPLES_PER_SPEECH_FRAME
    new = sound[past * hop : (past + count) * hop].astype(np.float32)
    sums = np.cumsum(new.astype(np.float64).reshape(count, hop).sum(axis=1)) + so_far.total
    offset = sums / (hop * np.arange(so_far.frames + 1, so_far.frames + count + 1))
    energy = log_energy(new - np.repeat(offset, hop))
    f0_hz = track_pitch_hz(sound.astype(np.float32))[past : past + count]
    rows = np.zeros((count, 2), np.float32)
    for index in range(count):
        voiced = bool(f0_hz[index] > 0)
        log_f0 = float(np.log(f0_hz[index])) if voiced else so_far.log_f0
        so_far = so_far._replace(
            voiced=so_far.voiced or voiced,
            log_f0=log_f0,
            pitch=_counted(so_far.pitch, log_f0 - LOG_F0[0] if voiced else None),
            energy=_counted(so_far.energy, float(energy[index]) - LOG_ENERGY[0]),
        )
        rows[index, 0] = _standard(so_far.pitch, log_f0 - LOG_F0[0]) if so_far.voiced else 0.0
        rows[index, 1] = _standard(so_far.energy, float(energy[index]) - LOG_ENERGY[0])
    return so_far._replace(frames=so_far.frames + count, total=float(sums[-1])), rows


def _counted(sums: tuple[float, float, float], value: float | None) -> tuple[float, float, float]:
    """Return n, s and q with one frame more, whose value does not count if it is None."""
    faded = [float(np.exp(-1 / MEMORY_FRAMES)) * each for each in sums]
    new = (0.0, 0.0, 0.0) if value is None else (1.0, value, value**2)
    return (faded[0] + new[0], faded[1] + new[1], faded[2] + new[2])


def _standard(sums: tuple[float, float, float], value: float) -> float:
    count, total, square = sums
    mean = total / count
    return (value - mean) / float(np.sqrt(max(square / count - mean**2, SMALLEST_DEVIATION**2)))


def _statistics(
    values: Float[np.ndarray, "f"], counted: Bool[np.ndarray, "f"], prior: tuple[float, float]
) -> tuple[Float[np.ndarray, "f"], Float[np.ndarray, "f"]]:
    """Return mean and deviation of the counted values up to each frame, and of the prior."""
    kept = np.exp(-1 / MEMORY_FRAMES)

    def faded(terms: np.ndarray, before: float) -> np.ndarray:
        terms = np.where(counted, terms, 0.0)
        from scipy.signal import lfilter  # a slow import

        return lfilter([1.0], [1.0, -kept], terms, zi=[kept * before])[0]

    about = values - prior[0]  # small numbers, whose squares lose nothing
    count = faded(np.ones(len(values)), PRIOR_FRAMES)
    mean = faded(about, 0.0) / count
    square = faded(about**2, PRIOR_FRAMES * prior[1] ** 2) / count
    # of a long constant, which the prior has left, the difference is rounding of either sign
    return mean + prior[0], np.sqrt(np.maximum(square - mean**2, SMALLEST_DEVIATION**2))
