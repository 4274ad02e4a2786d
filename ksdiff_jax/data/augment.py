"""Random changes to the sound of a training clip, so that a model trained on clean synthetic speech
also handles real recordings.

The changes follow the order of a recording: the talker in a room, a microphone, noise, a channel:

    y = channel( gain · clip( room * microphone * x  +  noise ) )

`*` is convolution. Room (a synthetic impulse response), microphone (a smooth random frequency
response) and the channel's band limits are applied in one FFT; noise is added at a random
signal-to-noise ratio. Nothing shifts the sound in time: the direct path of the room stays at lag 0
and every other filter has zero phase, so the motion stays in sync.

All random values are drawn from the given generator: the same generator state gives the same
result.
"""

import numpy as np
import scipy.fft

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.config import AugmentConfig
from ksdiff_jax.typing import Float

REVERBERATION_S = (0.1, 0.6)  # time for the tail to decay by 60 dB
DIRECT_TO_REVERBERANT_DB = (-2.0, 15.0)
LONGEST_TAIL_S = 0.4  # the rest of the tail is below -40 dB
EARLY_REFLECTIONS = (2, 8)  # number of reflections
EARLY_REFLECTIONS_S = (0.002, 0.03)  # delay after the direct path
EQUALISER_DB = 10.0  # largest boost or cut
EQUALISER_POINTS = 8  # knots of the frequency response, evenly spaced on a logarithmic axis
EQUALISER_RANGE_HZ = (60.0, 8000.0)
TELEPHONE_HZ = (300.0, 3400.0)
LOW_PASS_HZ = (3000.0, 7500.0)
HIGH_PASS_HZ = (60.0, 300.0)
KNOCKS_HZ = (1.0, 6.0)
KNOCK_DECAY_S = (0.005, 0.08)
MU = 255.0  # of the mu-law companding of telephony
CLIP_LEVEL = (0.2, 0.9)  # of the peak


def augment(
    audio: Float[np.ndarray, "s"], rng: np.random.Generator, *, config: AugmentConfig
) -> np.ndarray:
    """Return samples at 16 kHz as another recording of the same speech would contain them; float32,
    same length, in [-1, 1].
    """
    limits = _band_limits(rng) if rng.random() < config.band_limit else None
    room = rng.random() < config.reverberation
    microphone = rng.random() < config.equaliser
    out = audio.astype(np.float32)
    if room or microphone or limits:
        out = _filter(
            out,
            impulse=room_impulse(rng) if room else None,
            response_db=_random_response_db(rng) if microphone else None,
            limits=limits,
        )
    level = float(np.sqrt(np.mean(out**2)))
    if rng.random() < config.noise and level > 0:
        noise = random_noise(out, rng, limits=limits)
        ratio = 10.0 ** (-rng.uniform(*config.noise_snr_db) / 20)
        out = out + noise * np.float32(level * ratio / max(float(np.sqrt(np.mean(noise**2))), 1e-9))
    if rng.random() < config.distortion:
        peak = float(np.abs(out).max()) * rng.uniform(*CLIP_LEVEL)
        out = np.clip(out, -peak, peak)
    out = out * np.float32(10.0 ** (rng.uniform(*config.gain_db) / 20))
    out = np.clip(out, -1.0, 1.0)
    if limits is not None and rng.random() < 0.3:
        out = _mu_law(out)
    return out.astype(np.float32)


def lose_pitch(
    prosody: Float[np.ndarray, "f 2"], rng: np.random.Generator
) -> Float[np.ndarray, "f 2"]:
    """Return raw prosody (f0 in Hz, log energy) in which the pitch tracker missed a random part of
    the voiced frames, in runs.

    Trackers miss half the voicing of noisy recordings, but almost none of synthetic speech.
    """
    frames = len(prosody)
    kept = np.repeat(rng.random(frames // 6 + 1) > rng.uniform(0.1, 0.7), 6)[:frames]
    return np.stack([prosody[:, 0] * kept, prosody[:, 1]], axis=-1).astype(np.float32)


def room_impulse(rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """Return the impulse response of a synthetic room: the direct path (1 at sample 0), early
    reflections, an exponential tail of noise.
    """
    decay_s = rng.uniform(*REVERBERATION_S)
    time_s = np.arange(int(min(decay_s, LONGEST_TAIL_S) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(time_s), dtype=np.float32) * 10.0 ** (-3.0 * time_s / decay_s)
    tail[: int(EARLY_REFLECTIONS_S[0] * SAMPLE_RATE_HZ)] = 0.0
    count = int(rng.integers(*EARLY_REFLECTIONS))
    at = (rng.uniform(*EARLY_REFLECTIONS_S, size=count) * SAMPLE_RATE_HZ).astype(int)
    tail[at] += 6.0 * rng.choice([-1.0, 1.0], size=count) * 10.0 ** (-3.0 * time_s[at] / decay_s)
    reverberant_db = -rng.uniform(*DIRECT_TO_REVERBERANT_DB)
    impulse = tail * 10.0 ** (reverberant_db / 20) / np.sqrt(np.sum(tail**2))
    impulse[0] = 1.0
    return impulse.astype(np.float32)


def random_noise(
    speech: Float[np.ndarray, "s"], rng: np.random.Generator, *, limits: tuple[float, float] | None
) -> Float[np.ndarray, "s"]:
    """Return noise of any level: coloured, gusts, hum, knocks, or babble, which is the speech
    itself reversed and shifted.
    """
    samples = len(speech)
    kind = rng.choice(
        ["coloured", "gusts", "hum", "knocks", "babble"], p=[0.4, 0.15, 0.1, 0.1, 0.25]
    )
    if kind == "babble":
        voices = [
            np.roll(speech[::-1], int(rng.integers(samples))) * rng.uniform(0.3, 1.0)
            for _ in range(5)
        ]
        return np.sum(voices, axis=0, dtype=np.float32)
    if kind == "hum":
        time_s = np.arange(samples, dtype=np.float32) / SAMPLE_RATE_HZ
        mains_hz = float(rng.choice([50.0, 60.0]))
        hum = sum(
            np.float32(rng.random() / k) * np.sin(np.float32(2 * np.pi * mains_hz * k) * time_s)
            for k in (1, 2, 3, 5)
        )
        return hum + np.float32(0.1) * rng.standard_normal(samples, dtype=np.float32)
    noise = _coloured_noise(samples, rng, slope=rng.uniform(0.0, 2.0), limits=limits)
    if kind == "knocks":
        return noise * _knocks(samples, rng)
    # noise that rises and falls within a second, as of wind, traffic and rustling
    if kind == "gusts":
        knots = rng.uniform(0.0, 1.0, size=2 + 4 * samples // SAMPLE_RATE_HZ)
        at = np.linspace(0, len(knots) - 1, samples)
        noise = noise * np.interp(at, np.arange(len(knots)), knots**2).astype(np.float32)
    return noise


def _knocks(samples: int, rng: np.random.Generator) -> Float[np.ndarray, "s"]:
    """Return an envelope of sudden onsets that decay, 1 to 6 a second, over a floor: steps, taps,
    keys, doors.
    """
    count = max(1, int(samples / SAMPLE_RATE_HZ * rng.uniform(*KNOCKS_HZ)))
    even = (np.arange(count) + rng.uniform()) / count
    at = np.clip(even + rng.uniform(0.0, 0.5 / count) * rng.standard_normal(count), 0.0, 1.0) * (
        samples - 1
    )
    strikes = np.zeros(samples, np.float32)
    strikes[at.astype(int)] = 10.0 ** (rng.uniform(-12.0, 0.0, size=count) / 20)
    decay_s = rng.uniform(*KNOCK_DECAY_S)
    ring = np.exp(
        -np.arange(int(4 * decay_s * SAMPLE_RATE_HZ)) / (decay_s * SAMPLE_RATE_HZ)
    ).astype(np.float32)
    from scipy.signal import fftconvolve  # a slow import, which inference does not need

    return fftconvolve(strikes, ring)[:samples].astype(np.float32) + np.float32(
        10.0 ** (rng.uniform(-60.0, -25.0) / 20)
    )


def _coloured_noise(
    samples: int, rng: np.random.Generator, *, slope: float, limits: tuple[float, float] | None
) -> Float[np.ndarray, "s"]:
    """Return Gaussian noise of power 1 / frequency^slope above 50 Hz: 0 is white, 1 pink, 2
    brown.
    """
    points = scipy.fft.next_fast_len(samples, real=True)
    frequency_hz = np.fft.rfftfreq(points, 1 / SAMPLE_RATE_HZ).astype(np.float32)
    gain = np.maximum(frequency_hz, np.float32(50.0)) ** np.float32(-slope / 2)
    if limits is not None:
        gain = gain * _band_gain(frequency_hz, limits)
    spectrum = rng.standard_normal(2 * len(gain), dtype=np.float32).view(np.complex64) * gain
    return scipy.fft.irfft(spectrum, points)[:samples]


def _filter(
    audio: Float[np.ndarray, "s"],
    *,
    impulse: Float[np.ndarray, "n"] | None,
    response_db: Float[np.ndarray, "k"] | None,
    limits: tuple[float, float] | None,
) -> Float[np.ndarray, "s"]:
    """Apply room, microphone and channel as one product of spectra; the output has the input's
    level.
    """
    # The room's tail, and a margin for the ringing of the zero-phase filters, so that nothing wraps
    # around to the start.
    points = scipy.fft.next_fast_len(
        len(audio) + (0 if impulse is None else len(impulse)) + 1024, real=True
    )
    spectrum = scipy.fft.rfft(audio, points)
    frequency_hz = np.fft.rfftfreq(points, 1 / SAMPLE_RATE_HZ).astype(np.float32)
    if impulse is not None:
        spectrum *= scipy.fft.rfft(impulse, points)
    if response_db is not None:
        low, high = np.log(EQUALISER_RANGE_HZ)
        position = (
            (np.log(np.maximum(frequency_hz, 1.0)) - low) / (high - low) * (len(response_db) - 1)
        )
        spectrum *= np.exp(
            np.interp(position, np.arange(len(response_db)), response_db) * (np.log(10) / 20)
        ).astype(np.float32)
    if limits is not None:
        spectrum *= _band_gain(frequency_hz, limits)
    out = scipy.fft.irfft(spectrum, points)[: len(audio)]
    before, after = float(np.sqrt(np.mean(audio**2))), float(np.sqrt(np.mean(out**2)))
    return out * np.float32(before / after) if after > 0 else out


def _random_response_db(rng: np.random.Generator) -> Float[np.ndarray, "k"]:
    """Return gains in dB at the knots: a random tilt plus random bumps."""
    tilt = rng.uniform(-1, 1) * np.linspace(-1, 1, EQUALISER_POINTS) * EQUALISER_DB / 2
    return tilt + rng.uniform(-1, 1, size=EQUALISER_POINTS) * EQUALISER_DB / 2


def _band_limits(rng: np.random.Generator) -> tuple[float, float]:
    """Return the lowest and highest frequency of a channel, Hz: a telephone, or a codec without
    bits above a corner frequency.
    """
    if rng.random() < 0.3:
        return TELEPHONE_HZ
    return float(rng.uniform(*HIGH_PASS_HZ)), float(rng.uniform(*LOW_PASS_HZ))


def _band_gain(
    frequency_hz: Float[np.ndarray, "n"], limits: tuple[float, float]
) -> Float[np.ndarray, "n"]:
    """Return a zero-phase band pass: 24 dB per octave below and a raised-cosine edge, 10 % wide,
    above.
    """
    low, high = limits
    below = 1.0 / (1.0 + (low / np.maximum(frequency_hz, 1.0)) ** 4)
    above = 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency_hz / high - 0.95) * 10.0, 0.0, 1.0))
    return (below * above).astype(np.float32)


def _mu_law(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
    """Encode as eight-bit mu-law and decode: the quantisation of a telephone line."""
    companded = np.sign(audio) * np.log1p(MU * np.abs(audio)) / np.log1p(MU)
    quantised = np.rint(companded * 127) / 127
    return np.sign(quantised) * np.expm1(np.abs(quantised) * np.log1p(MU)) / MU
