"""Fundamental frequency by probabilistic YIN (Mauch and Dixon, 2014), in NumPy.

The method, its constants and its decisions are those of `librosa.pyin`. librosa compiles its
functions in the first process that imports it, for which an animation of a few seconds would wait
longer than for anything else, and loads them in every later one.

    d(k)     difference function of a window (de Cheveigné and Kawahara, 2002), normalised by its
             cumulative mean; its local minima (troughs) are candidates for the period
    P(bin)   of a candidate: the probability, over a threshold from a beta distribution, that its
             trough is chosen among those below the threshold, of which shorter periods are likelier
    path     Viterbi over pitch bins, each voiced or unvoiced
"""

import functools

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_SPEECH_FRAME
from ksdiff_jax.typing import Float, Int

F0_RANGE_HZ = (65.0, 500.0)
WINDOW_SAMPLES = 2048  # 128 ms; halving it loses 12 % of the voicing decisions
# Bins in a semitone; librosa's 10 cost 2.5 times as much and change 1 % of the decisions.
BINS_PER_SEMITONE = 5
_SHORTEST = int(SAMPLE_RATE_HZ / F0_RANGE_HZ[1])  # periods in samples
_LONGEST = int(np.ceil(SAMPLE_RATE_HZ / F0_RANGE_HZ[0]))
_BINS_PER_OCTAVE = 12 * BINS_PER_SEMITONE
_BINS = int(_BINS_PER_OCTAVE * np.log2(F0_RANGE_HZ[1] / F0_RANGE_HZ[0])) + 1
# The cumulative distribution of Beta(2, 18) over the thresholds.
_THRESHOLDS = np.linspace(0, 1, 101)
_THRESHOLD_PROBABILITIES = -np.diff((1 - _THRESHOLDS) ** 18 * (1 + 18 * _THRESHOLDS))
_DECAY = 2.0  # of the Boltzmann distribution over troughs
_NO_TROUGH = 0.01  # probability of the deepest trough if none is below the threshold
_STAY = 0.99  # probability of voiced after voiced, and of unvoiced after unvoiced
_OCTAVES_PER_S = 35.92  # the fastest glide
_TINY = np.finfo(np.float64).tiny  # probability of what is impossible
_FRAMES_TOGETHER = 100  # in the Fourier transform, which bounds its memory


def pyin_hz(samples: Float[np.ndarray, "s"]) -> Float[np.ndarray, "f"]:
    """Return f0 in Hz, 0 where unvoiced, of windows of `WINDOW_SAMPLES` at 16 kHz, one for each
    20 ms; f = 1 + (s - 2048) // 320, the first window begins at the first sample.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), WINDOW_SAMPLES)
    windows = windows[::SAMPLES_PER_SPEECH_FRAME]
    blocks = range(0, len(windows), _FRAMES_TOGETHER)
    difference = np.concatenate(
        [normalised_difference(windows[first : first + _FRAMES_TOGETHER]) for first in blocks]
    )
    states = _likeliest_path(_observations(difference))
    f0_hz = F0_RANGE_HZ[0] * 2 ** (np.arange(_BINS) / _BINS_PER_OCTAVE)
    return np.where(states < _BINS, f0_hz[states % _BINS], 0.0)


def normalised_difference(windows: Float[np.ndarray, "f s"]) -> Float[np.ndarray, "f p"]:
    """Return the difference function of each window over its cumulative mean, for the periods from
    the shortest to the longest of `F0_RANGE_HZ`.
    """
    points = 2 * windows.shape[1]  # twice the window, so that no end meets the beginning
    spectrum = np.fft.rfft(windows, points)
    power = spectrum.real**2 + spectrum.imag**2
    correlation = np.fft.irfft(power, points)[:, : _LONGEST + 1]
    energy = np.cumsum(np.square(windows[:, :_LONGEST]), axis=1)
    difference = 2 * (correlation[:, :1] - correlation[:, 1:]) - energy
    mean = np.cumsum(difference, axis=1) / np.arange(1, _LONGEST + 1)
    return difference[:, _SHORTEST - 1 :] / (mean[:, _SHORTEST - 1 :] + _TINY)


def _observations(difference: Float[np.ndarray, "f p"]) -> Float[np.ndarray, "n f"]:
    """Return the probability of each state, n = 2 `_BINS`: the voiced bins, then the unvoiced."""
    before, here, after = difference[:, :-2], difference[:, 1:-1], difference[:, 2:]
    trough = np.empty(difference.shape, bool)
    trough[:, 1:-1] = (here < before) & (here <= after)
    trough[:, 0] = difference[:, 0] < difference[:, 1]
    trough[:, -1] = difference[:, -1] < difference[:, -2]
    curvature, slope = after + before - 2 * here, (after - before) / 2
    shift = np.zeros_like(difference)  # of the minimum of a parabola through three points
    inside = np.abs(slope) < np.abs(curvature)
    np.divide(-slope, curvature, out=shift[:, 1:-1], where=inside)
    chances = np.zeros_like(difference)
    for frame, depths in enumerate(difference):
        chances[frame, trough[frame]] = _chances(depths[trough[frame]])
    period, frame = np.nonzero(chances.T)
    hz = SAMPLE_RATE_HZ / (_SHORTEST + period + shift[frame, period])
    bins = np.round(_BINS_PER_OCTAVE * np.log2(hz / F0_RANGE_HZ[0]))
    found = np.zeros((2 * _BINS, len(difference)))
    found[np.clip(bins, 0, _BINS).astype(int), frame] = chances[frame, period]
    voiced = np.clip(found[:_BINS].sum(axis=0), 0, 1)
    found[_BINS:] = (1 - voiced) / _BINS
    return found


def _chances(depths: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """Return the probabilities of the troughs of a window, from the shortest period."""
    if not len(depths):
        return depths
    below = depths[:, None] < _THRESHOLDS[1:]
    order = np.cumsum(below, axis=0) - 1
    chances = np.where(below, _boltzmann()[order, order[-1] + 1], 0.0) @ _THRESHOLD_PROBABILITIES
    deepest = np.argmin(depths)
    none_below = np.count_nonzero(~below[deepest])
    chances[deepest] += _NO_TROUGH * _THRESHOLD_PROBABILITIES[:none_below].sum()
    return chances


@functools.cache
def _boltzmann() -> Float[np.ndarray, "t n"]:
    """Return the probability of trough t, counted from the shortest period, of n troughs."""
    most = _LONGEST - _SHORTEST + 1
    order, troughs = np.arange(most)[:, None], np.arange(1, most + 1)
    chances = (1 - np.exp(-_DECAY)) / (1 - np.exp(-_DECAY * troughs)) * np.exp(-_DECAY * order)
    return np.pad(chances, ((0, 0), (1, 0)))


@functools.cache
def _transitions() -> tuple[int, Float[np.ndarray, "2 b 2 w"]]:
    """Return the first of the w bins, relative to bin b, from which b can be reached, and the
    logarithms of the probabilities of these transitions. The axes are: voiced and unvoiced state,
    its bin, voiced and unvoiced state before it, its bin.
    """
    semitones = round(_OCTAVES_PER_S * 12 * SAMPLES_PER_SPEECH_FRAME / SAMPLE_RATE_HZ)
    width = semitones * BINS_PER_SEMITONE + 1
    half = width // 2
    rise = (2 * np.arange(1, half + 1) - 1) / width  # a triangle; its width is even
    triangle = np.concatenate([rise, rise[::-1]])
    local = np.zeros((_BINS, _BINS + width))  # from bin i to i + half - w, moved by half
    for bin_ in range(_BINS):
        local[bin_, bin_ : bin_ + width] = triangle
    local = local[:, half : half + _BINS]
    local = local / local.sum(axis=1, keepdims=True)
    switch = np.array([[_STAY, 1 - _STAY], [1 - _STAY, _STAY]])
    reached = np.arange(_BINS)
    first = 1 - half
    before = reached[:, None] + first + np.arange(width)
    exists = (before >= 0) & (before < _BINS)
    chances = local[before.clip(0, _BINS - 1), reached[:, None]]
    logs = np.log(switch[:, None, :, None] * chances[None, :, None] + _TINY)
    return first, np.where(exists[None, :, None], logs, -np.inf)


def _likeliest_path(observations: Float[np.ndarray, "n f"]) -> Int[np.ndarray, "f"]:
    """Return the states of the likeliest path (Viterbi). Transitions out of reach are all equally
    improbable, so only the one from the likeliest state is compared.
    """
    first, transitions = _transitions()
    width = transitions.shape[-1]
    logs = np.log(observations.T + _TINY)
    frames, states = logs.shape
    padded = np.full((2, _BINS + width - 1), -np.inf)
    value = padded[:, -first : _BINS - first]
    reach = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1).swapaxes(0, 1)
    sums = np.empty_like(transitions)
    every, bins = np.arange(states), np.arange(states) % _BINS
    value[:] = (logs[0] + np.log(1 / states + _TINY)).reshape(2, _BINS)
    before = np.zeros((frames, states), np.uint16)
    for frame in range(1, frames):
        np.add(reach, transitions, out=sums)
        choices = sums.reshape(states, 2 * width)
        chosen = choices.argmax(axis=1)
        best = choices[every, chosen]
        kind, offset = np.divmod(chosen, width)
        likeliest = int(value.argmax())
        jump = value.flat[likeliest] + np.log(_TINY)
        before[frame] = np.where(best < jump, likeliest, kind * _BINS + bins + first + offset)
        value[:] = (logs[frame] + np.maximum(best, jump)).reshape(2, _BINS)
    path = np.empty(frames, np.intp)
    path[-1] = value.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = before[frame, path[frame]]
    return path
