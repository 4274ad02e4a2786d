"""Live speech: chunks of samples of any length become one sequence at 16 kHz, of which the latest
part is kept.

Another sample rate is converted by a polyphase filter (Smith, "Digital Audio Resampling"): output m
is at the input position p = m · rate / 16000,

    y_m = Σ_n x_n h(p - n),   h(t) = c sinc(c t) kaiser(t c / `CROSSINGS`)
    c = `PASS` · min(1, 16000 / rate)

and each output is one sum in a fixed order, so that the length of the chunks changes no bit. The
filter needs `CROSSINGS` / c samples after p, 2.2 ms at 48 kHz.
"""

import fractions
import functools
import math
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.pcm import scaled
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

CROSSINGS = 32  # zeros of the filter on either side
PASS = 0.94  # of the lower Nyquist frequency
_KAISER_BETA = 9.0  # 90 dB
RATES_HZ = (1_000, 384_000)


class LiveSound(NamedTuple):
    """The latest samples of a stream."""

    given: int  # samples that the caller gave, at the rate of the stream
    waiting: Float[np.ndarray, "n"]  # the last of them, for outputs still to come
    converted: int  # samples at 16 kHz so far
    latest: Float[np.ndarray, "s"]  # the last of these


def no_sound() -> LiveSound:
    """Return the sound before the first chunk."""
    return LiveSound(0, np.zeros(0, np.float32), 0, np.zeros(0, np.float32))


def check_rate(rate_hz: float | int) -> int:
    """Return a sample rate as an integer; raise `InputError` if it is not one of a microphone."""
    low, high = RATES_HZ
    if not (low <= rate_hz <= high and rate_hz == int(rate_hz)):  # NaN neither
        raise InputError(
            f"sample_rate_hz: got {rate_hz:g}, need a whole number from {low} to {high}, e.g. 16000"
        )
    return int(rate_hz)


def check_chunk(chunk: np.ndarray, *, given: int, rate_hz: int) -> Float[np.ndarray, "n"]:
    """Return a chunk (n,) of float32 or int16 as float32 with full scale 1.

    Raise `InputError` for another type or shape, and for a value that is not finite; `given` is the
    number of samples before the chunk, for the message.
    """
    chunk = np.asarray(chunk)
    if chunk.dtype not in (np.float32, np.int16):
        raise InputError(
            f"stream: got a chunk of {chunk.dtype}, need float32 of full scale 1, or int16"
        )
    if chunk.ndim != 1:
        raise InputError(
            f"stream: got a chunk of shape {chunk.shape}, need (samples,): one channel; mix or "
            "select one of several"
        )
    finite = np.isfinite(chunk)
    if not finite.all():
        at = given + int(np.argmin(finite))
        raise InputError(
            f"stream: sample {at:,} ({at / rate_hz:.3f} s) is NaN or infinite; need finite samples"
        )
    return np.clip(scaled(chunk), -1.0, 1.0)


def with_chunk(
    sound: LiveSound, chunk: Float[np.ndarray, "n"], *, rate_hz: int, last: bool = False
) -> LiveSound:
    """Return the sound with a checked chunk added; with `last` the outputs that need later samples
    are computed too, from zeros.
    """
    waiting, given = np.concatenate([sound.waiting, chunk]), sound.given + len(chunk)
    if rate_hz == SAMPLE_RATE_HZ:
        latest = np.concatenate([sound.latest, chunk])
        return LiveSound(given, waiting[:0], sound.converted + len(chunk), latest)
    up, down, filters = _polyphase(rate_hz)
    half = filters.shape[1] // 2
    if given == len(chunk) and not len(sound.waiting):
        waiting = np.pad(chunk, (half, 0))  # silence before the first sample
    begin = given - len(waiting)  # index of waiting[0]
    total = (given * up + down // 2) // down if last else -(-(given - half) * up // down)
    number = np.arange(sound.converted, max(total, sound.converted))
    padded = np.pad(waiting, (0, 2 * half)) if last else waiting
    start = number * down // up - half + 1 - begin
    rows = padded[start[:, None] + np.arange(2 * half)] * filters[number * down % up]
    converted = sound.converted + len(number)
    needed = converted * down // up - half + 1
    latest = np.concatenate([sound.latest, rows.sum(axis=1, dtype=np.float32)])
    return LiveSound(given, waiting[max(0, needed - begin) :], converted, latest)


def without_past(sound: LiveSound, *, begin: int) -> LiveSound:
    """Return the sound without its samples before `begin`, an index at 16 kHz."""
    first = sound.converted - len(sound.latest)
    return sound._replace(latest=sound.latest[max(0, begin - first) :])


def part(sound: LiveSound, begin: int, end: int) -> Float[np.ndarray, "n"]:
    """Return samples [begin, end) at 16 kHz, which must be among the latest."""
    first = sound.converted - len(sound.latest)
    if not first <= begin <= end <= sound.converted:
        raise ValueError(f"samples {begin} to {end}: {first} to {sound.converted} are kept")
    return sound.latest[begin - first : end - first]


def ended(sound: LiveSound, samples: int) -> LiveSound:
    """Return the sound cut or padded with zeros to this number of samples at 16 kHz."""
    missing = samples - sound.converted
    latest = sound.latest[:missing] if missing < 0 else np.pad(sound.latest, (0, missing))
    return sound._replace(latest=latest, converted=samples)


@functools.lru_cache(maxsize=4)
def _polyphase(rate_hz: int) -> tuple[int, int, Float[np.ndarray, "p n"]]:
    """Return up, down with 16000 / rate = up / down, and the filter of each phase (up, taps)."""
    ratio = fractions.Fraction(SAMPLE_RATE_HZ, rate_hz)
    up, down = ratio.numerator, ratio.denominator
    cutoff = PASS * min(1.0, up / down)
    half = math.ceil(CROSSINGS / cutoff)
    # tap j of phase q is the input at distance q / up - (j - half + 1)
    time = np.arange(up)[:, None] / up - (np.arange(2 * half) - half + 1)
    place = np.clip(time * cutoff / CROSSINGS, -1, 1)
    window = np.i0(_KAISER_BETA * np.sqrt(1 - place**2)) / np.i0(_KAISER_BETA)
    filters = cutoff * np.sinc(cutoff * time) * window
    filters /= filters.sum(axis=1, keepdims=True)  # silence and offsets keep their level
    return up, down, filters.astype(np.float32)
