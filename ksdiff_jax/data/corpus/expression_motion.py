"""The upper face: blinks at a natural rate, and brows that rise with the accents of speech.

Blinks occur 0.28 to 0.45 times a second, close in 80 ms, stay closed for 80 ms and open in 150 ms
(the lid falls faster than it rises). Each speaker has a rate, and the time to the next blink is
random with a lower bound, so that two never overlap. Brows rise on some of the accents, in addition
to a slow random offset.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.corpus.head_motion import bump, smooth_noise
from ksdiff_jax.face.actions import ACTIONS
from ksdiff_jax.typing import Float

BLINK_RATE_HZ = (0.28, 0.45)
BLINK_CLOSE_S, BLINK_HOLD_S, BLINK_OPEN_S = 0.08, 0.08, 0.15
SHORTEST_BLINK_GAP_S = 0.8
BROW_SHARE = 0.3  # of accents
BROW_RISE = 0.3


def blink_times_s(rng: np.random.Generator, *, duration_s: float) -> Float[np.ndarray, "n"]:
    """Return the onsets of blinks in a clip: a renewal process that started before the clip."""
    return np.array(list(itertools.takewhile(lambda s: s < duration_s, blink_onsets_s(rng))))


def blink_onsets_s(rng: np.random.Generator) -> Iterator[float]:
    """Yield the onsets of blinks of a face that is never switched off."""
    mean_gap_s = 1.0 / rng.uniform(*BLINK_RATE_HZ)
    excess_s = mean_gap_s - SHORTEST_BLINK_GAP_S
    # It starts long before the clip, so that a blink is as likely in the first second as in any
    # other.
    time_s = -20.0 * rng.uniform(0.5, 1.0)
    while True:
        if time_s >= 0:
            yield time_s
        time_s += SHORTEST_BLINK_GAP_S + rng.gamma(2.0, excess_s / 2.0)


def eyelid_closure(
    times_s: Float[np.ndarray, "t"], onsets_s: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "t"]:
    """Return 0 open to 1 closed at each time; every blink closes, holds and opens in straight
    lines.
    """
    shut = np.zeros_like(times_s)
    for onset_s in onsets_s:
        since = times_s - onset_s
        falling = since / BLINK_CLOSE_S
        rising = 1.0 - (since - BLINK_CLOSE_S - BLINK_HOLD_S) / BLINK_OPEN_S
        shut = np.maximum(shut, np.clip(np.minimum(falling, rising), 0.0, 1.0))
    return shut


def lids_actions(rng: np.random.Generator, *, frames: int) -> Float[np.ndarray, "t 50"]:
    """Return action weights of the eyelids alone, over 25 Hz frames: blinks, and a slow squint."""
    times = np.arange(frames) / MOTION_RATE_HZ
    shut = eyelid_closure(times, blink_times_s(rng, duration_s=frames / MOTION_RATE_HZ))
    actions = np.zeros((frames, len(ACTIONS)), np.float32)
    for name, weight in (("EyeBlink", shut), ("EyeSquint", squint(rng, frames=frames))):
        for side in ("Left", "Right"):
            actions[:, ACTIONS.index(name + side)] = weight
    return actions


def squint(rng: np.random.Generator, *, frames: int) -> Float[np.ndarray, "t"]:
    """Return the slow narrowing of the eyes."""
    return np.clip(0.05 * smooth_noise(rng, frames=frames, corner_hz=0.15), 0.0, 1.0)


def upper_face_actions(
    rng: np.random.Generator,
    *,
    frames: int,
    accents_s: Float[np.ndarray, "a"],
    accent_strength: Float[np.ndarray, "a"],
) -> Float[np.ndarray, "t 50"]:
    """Return action weights of eyelids, brows and eye corners; all other actions are 0."""
    times = np.arange(frames) / MOTION_RATE_HZ
    shut = eyelid_closure(times, blink_times_s(rng, duration_s=frames / MOTION_RATE_HZ))
    brows = np.zeros(frames)
    for time_s, strength in zip(accents_s, accent_strength, strict=True):
        if rng.random() < BROW_SHARE:
            size = BROW_RISE * strength * rng.uniform(0.4, 1.4)
            brows = np.maximum(brows, size * bump(times, time_s, rise_s=0.12, fall_s=0.25))
    mood = 0.06 * smooth_noise(rng, frames=frames, corner_hz=0.1)
    weights = {
        "EyeBlink": shut,
        "BrowOuterUp": np.clip(0.8 * brows + mood, 0.0, 1.0),
        "BrowDown": np.clip(-mood, 0.0, 1.0),
        "EyeSquint": squint(rng, frames=frames),
        "EyeWide": np.clip(0.3 * brows, 0.0, 1.0) * (1 - shut),
    }
    actions = np.zeros((frames, len(ACTIONS)), np.float32)
    for name, weight in weights.items():
        for side in ("Left", "Right"):
            actions[:, ACTIONS.index(name + side)] = weight
    actions[:, ACTIONS.index("BrowInnerUp")] = np.clip(brows + mood, 0.0, 1.0)
    return actions
