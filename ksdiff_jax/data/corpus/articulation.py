"""Converts phoneme times and the sound to the motion of jaw and lips.

1. `refine_closures` moves the start of each stop back to where its silence begins: espeak marks a
stop at its burst, but the lips of a /p/ are closed *before* the burst.
2. Every phoneme becomes segments with targets (`phonemes.py`). The opening of a vowel is scaled by
   its stress and its loudness: loud, stressed syllables open the mouth wide. In addition, the whole
   opening follows the envelope of the sound, as it does in real speakers. A model that is unsure of
   a phoneme can then still use the loudness.
3. The targets are blended per articulator (`dominance.py`). Each articulator is ahead of the sound
   by its own lead: the jaw a little, rounding longer. Closures coincide with the sound.
4. The articulators are mapped to jaw rotation and action weights. The closure c multiplies every
   opening action by (1 - c) and adds MouthClose over the open jaw, so that at c = 1 the lips touch
   for every jaw angle.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.data.corpus.dominance import Segments, blend
from ksdiff_jax.data.corpus.espeak import PhonemeTime
from ksdiff_jax.data.corpus.targets import PHONETIC, Targets
from ksdiff_jax.face.actions import ACTIONS, MOUTH_CLOSE_JAW_RAD
from ksdiff_jax.typing import Bool, Float

WIDEST_JAW_RAD = 0.23  # an /a/ in a stressed syllable of clear speech
LONGEST_STOP_GAP_S = 0.14
SHORTEST_CLOSURE_S = 0.06  # a closure between two video frames would not be visible
STRESS_GAIN = (0.70, 0.95, 1.16)
LOUDNESS_EXPONENT = 0.35  # of a vowel's RMS
ENVELOPE_EXPONENT = 0.2  # of the RMS of each frame
ENVELOPE_SIGMA_FRAMES = 1.5
PAUSE_CLOSING_S, PAUSE_OPENING_S = 0.4, 0.25


class MouthParts(NamedTuple):
    """What the targets of one recording are applied to; n segments, t frames at 25 Hz."""

    segments: list[ph.Segment]
    start_s: Float[np.ndarray, "n"]
    end_s: Float[np.ndarray, "n"]
    gain: Float[np.ndarray, "n"]  # of the opening, by stress and loudness
    times_s: Float[np.ndarray, "t"]
    envelope: Float[np.ndarray, "t"]


class MouthMotion(NamedTuple):
    actions: Float[np.ndarray, "t 50"]
    jaw: Float[np.ndarray, "t 3"]


def refine_closures(
    phonemes: tuple[PhonemeTime, ...], samples: Float[np.ndarray, "n"], *, sample_rate_hz: int
) -> tuple[PhonemeTime, ...]:
    """Assign the silence in front of a stop's burst to the stop instead of the phoneme before
    it.
    """
    window = max(1, round(0.005 * sample_rate_hz))
    power = (
        np.add.reduceat(samples.astype(np.float64) ** 2, np.arange(0, max(len(samples), 1), window))
        / window
    )
    silent = power < 1e-4 * np.percentile(power, 95)
    refined = list(phonemes)
    for index in range(1, len(refined)):
        stop, previous = refined[index], refined[index - 1]
        letters = [letter for letter in stop.ipa if letter in ph.TARGETS]
        if not letters or letters[0] not in ph.STOPS:
            continue
        burst = min(len(silent) - 1, int(stop.start_s * sample_rate_hz / window))
        earliest = int(
            max(previous.start_s, stop.start_s - LONGEST_STOP_GAP_S) * sample_rate_hz / window
        )
        begin = burst
        while begin > earliest and not silent[begin] and burst - begin < 4:
            begin -= 1  # the burst may begin up to 20 ms before its event
        while begin > earliest and silent[begin - 1]:
            begin -= 1
        start_s = begin * window / sample_rate_hz
        if silent[begin] and previous.start_s < start_s < stop.start_s:
            refined[index - 1] = previous._replace(end_s=start_s)
            refined[index] = stop._replace(start_s=start_s)
    return tuple(refined)


def mouth_motion(
    phonemes: tuple[PhonemeTime, ...],
    samples: Float[np.ndarray, "n"],
    *,
    sample_rate_hz: int,
    frames: int,
    opening_gain: float = 1.0,
    targets: Targets = PHONETIC,
) -> MouthMotion:
    """Return jaw and lip motion at 25 Hz; `opening_gain` scales how wide this speaker opens the
    mouth.
    """
    parts = mouth_parts(phonemes, samples, sample_rate_hz=sample_rate_hz, frames=frames)
    parts = parts._replace(gain=opening_gain * parts.gain)
    tracks = [articulator_track(a, parts, targets) for a in range(len(ph.ARTICULATORS))]
    return mouth_of_tracks(np.stack(tracks, axis=1))


def mouth_parts(
    phonemes: tuple[PhonemeTime, ...],
    samples: Float[np.ndarray, "n"],
    *,
    sample_rate_hz: int,
    frames: int,
) -> MouthParts:
    """Return the segments of a recording with their times and gains, without regard to targets."""
    parts = [part for phoneme in phonemes for part in ph.segments(*phoneme)]
    parts = _with_rests(parts, end_s=frames / MOTION_RATE_HZ)
    start, end = (
        np.array([part.start_s for part in parts]),
        np.array([part.end_s for part in parts]),
    )
    gain = _vowel_gains(parts, samples, sample_rate_hz=sample_rate_hz)
    times = np.arange(frames) / MOTION_RATE_HZ
    envelope = _envelope(samples[: frames * sample_rate_hz // MOTION_RATE_HZ], frames=frames)
    return MouthParts(parts, start, end, gain, times, envelope)


def _with_rests(parts: list[ph.Segment], *, end_s: float) -> list[ph.Segment]:
    """Add silence before the first and after the last segment, so that some segment dominates
    everywhere.
    """
    first = parts[0].start_s if parts else end_s
    last = parts[-1].end_s if parts else end_s
    return [
        ph.Segment("", min(-1.0, first), first, 0),
        *parts,
        ph.Segment("", last, max(end_s, last) + 1.0, 0),
    ]


def _vowel_gains(
    parts: list[ph.Segment], samples: Float[np.ndarray, "n"], *, sample_rate_hz: int
) -> Float[np.ndarray, "n_parts"]:
    """Return the opening gain of every segment: 1 for consonants, stress × loudness for vowels.

    Loudness is the segment's RMS over the median vowel's, to a power below 1 (the ear and the jaw
    both compress).
    """
    level = np.array(
        [
            _rms(samples[int(p.start_s * sample_rate_hz) : int(p.end_s * sample_rate_hz)])
            for p in parts
        ]
    )
    vowel = np.array([part.symbol in ph.VOWELS for part in parts])
    if not vowel.any():
        return np.ones(len(parts))
    reference = max(float(np.median(level[vowel])), 1e-6)
    loudness = np.clip((level / reference) ** LOUDNESS_EXPONENT, 0.6, 1.3)
    stress = np.array([STRESS_GAIN[part.stress] for part in parts])
    return np.where(vowel, stress * loudness, 1.0)


def _envelope(samples: Float[np.ndarray, "n"], *, frames: int) -> Float[np.ndarray, "t"]:
    """Return the opening gain of every frame from its loudness: near 1 in loud speech, small in the
    silence of a stop.
    """
    power = np.array([_rms(block) ** 2 for block in np.array_split(samples, frames)])
    level = np.sqrt(gaussian_filter1d(power, ENVELOPE_SIGMA_FRAMES, mode="nearest"))
    return np.minimum(level / max(float(np.percentile(level, 95)), 1e-6), 1.2) ** ENVELOPE_EXPONENT


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def articulator_track(
    articulator: int, parts: MouthParts, targets: Targets
) -> Float[np.ndarray, "t"]:
    """Return the track of one articulator: its targets blended, ahead of the sound by its lead,
    and, of an opening, scaled by the envelope.
    """
    before, after, lead_s = targets.rates[articulator]
    of_parts = [targets.of_symbol[part.symbol] for part in parts.segments]
    named = [index for index, of_part in enumerate(of_parts) if articulator in of_part]
    own = [of_parts[index][articulator] for index in named]
    value = np.array([target.value for target in own])
    dominance = np.array([target.dominance for target in own])
    opens = articulator in (ph.JAW, ph.LOWER, ph.UPPER)
    if opens:
        value = value * parts.gain[named]
    pause = np.array([not parts.segments[index].symbol for index in named])
    core_start, core_end = _cores(
        parts.start_s[named],
        parts.end_s[named],
        pause,
        hold=articulator in (ph.CLOSE, ph.TUCK),
    )
    track = blend(
        parts.times_s + lead_s,
        Segments(core_start, core_end, value, dominance),
        rate_before_hz=before,
        rate_after_hz=after,
    )
    return track * parts.envelope if opens else track


def _cores(
    start: Float[np.ndarray, "n"],
    end: Float[np.ndarray, "n"],
    pause: Bool[np.ndarray, "n"],
    *,
    hold: bool,
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Return the part of each segment in which its dominance is full: the middle half, or all of it
    for contacts.

    The mouth closes slowly when speech stops and opens before it starts again. The core of a pause
    therefore begins late and ends early, and a short pause is hardly visible.
    """
    middle, half = (start + end) / 2, (end - start) / 2
    held = np.maximum(half, SHORTEST_CLOSURE_S / 2) if hold else 0.5 * half
    rest_start, rest_end = (
        np.minimum(start + PAUSE_CLOSING_S, middle),
        np.maximum(end - PAUSE_OPENING_S, middle),
    )
    return np.where(pause, rest_start, middle - held), np.where(pause, rest_end, middle + held)


def mouth_of_tracks(tracks: Float[np.ndarray, "t n"]) -> MouthMotion:
    """Map articulators to jaw rotation (radians about +x) and action weights."""
    close = np.clip((tracks[:, ph.CLOSE] - 0.1) / 0.75, 0.0, 1.0)
    tuck = np.clip((tracks[:, ph.TUCK] - 0.1) / 0.75, 0.0, 1.0) * (1 - close)
    opened = (1 - close) * (1 - 0.9 * tuck)
    angle = WIDEST_JAW_RAD * np.clip(tracks[:, ph.JAW], 0.0, 1.6)
    weights = {
        "MouthClose": (close + tuck) * angle / MOUTH_CLOSE_JAW_RAD,
        "LipTuckLower": 0.7 * tuck,
        "MouthPucker": 0.8 * tracks[:, ph.PUCKER],
        "MouthFunnel": 0.22 * tracks[:, ph.FUNNEL] * (1 - close),
        "MouthStretchLeft": 0.5 * tracks[:, ph.STRETCH],
        "MouthStretchRight": 0.5 * tracks[:, ph.STRETCH],
        "MouthSmileLeft": 0.2 * tracks[:, ph.STRETCH],
        "MouthSmileRight": 0.2 * tracks[:, ph.STRETCH],
        "MouthLowerDownLeft": 0.4 * tracks[:, ph.LOWER] * opened,
        "MouthLowerDownRight": 0.4 * tracks[:, ph.LOWER] * opened,
        "MouthUpperUpLeft": 0.35 * tracks[:, ph.UPPER] * (1 - close),
        "MouthUpperUpRight": 0.35 * tracks[:, ph.UPPER] * (1 - close),
        "ChinRaiser": 0.4 * tracks[:, ph.CHIN],
        "CheekPuff": 0.3 * tracks[:, ph.CHEEK],
    }
    actions = np.zeros((len(tracks), len(ACTIONS)), np.float32)
    for name, weight in weights.items():
        actions[:, ACTIONS.index(name)] = weight
    jaw = np.zeros((len(tracks), 3), np.float32)
    jaw[:, 0] = angle
    return MouthMotion(actions, jaw)
