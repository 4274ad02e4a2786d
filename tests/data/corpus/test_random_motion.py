"""Head, brows and blinks: random, with the statistics of real heads (wide margins, because these
are draws).
"""

import functools

import numpy as np
import pytest

from ksdiff_jax.data.corpus.expression_motion import (
    blink_times_s,
    eyelid_closure,
    upper_face_actions,
)
from ksdiff_jax.data.corpus.head_motion import (
    bump,
    camera,
    head_rotation,
    lowered,
    nod,
    pace,
    smooth_noise,
)
from ksdiff_jax.face.actions import ACTIONS

NONE = np.zeros(0)


def test_blinks_come_at_the_rate_of_people():
    rng = np.random.default_rng(0)
    count = sum(len(blink_times_s(rng, duration_s=6.0)) for _ in range(1000))
    assert 0.28 <= count / 6000.0 <= 0.45


def test_blinks_are_spread_evenly_over_the_clip():
    rng = np.random.default_rng(0)
    times = np.concatenate([blink_times_s(rng, duration_s=6.0) for _ in range(1000)])
    counts, _ = np.histogram(times, bins=6, range=(0, 6))
    assert counts.max() < 1.25 * counts.min()


def test_a_blink_closes_holds_and_opens():
    times = np.array([0.99, 1.04, 1.08, 1.1, 1.16, 1.235, 1.32])
    np.testing.assert_allclose(
        eyelid_closure(times, np.array([1.0])), [0, 0.5, 1, 1, 1, 0.5, 0], atol=1e-9
    )


@functools.cache
def heads(count: int = 60) -> tuple[np.ndarray, dict]:
    """Draws of the head (n, t, 3) in degrees for 12 s of speech, and that speech."""
    pauses = np.array([[0.0, 0.5], [4.5, 5.5], [8.5, 9.2]])
    accents = np.array([t for t in np.arange(0.7, 12, 0.43) if not spoken_pause(t, pauses)])
    strength = np.random.default_rng(9).uniform(0.4, 1.6, len(accents))
    speech = {"accents_s": accents, "accent_strength": strength, "pauses_s": pauses}
    rng = np.random.default_rng(0)
    draws = [np.degrees(head_rotation(rng, frames=300, **speech)) for _ in range(count)]
    return np.stack(draws), speech


def spoken_pause(time_s: float, pauses_s: np.ndarray) -> bool:
    return bool(np.any((pauses_s[:, 0] <= time_s) & (time_s < pauses_s[:, 1])))


def speeds(draws: np.ndarray) -> np.ndarray:
    """Degrees a second of draws of small rotations."""
    steps = np.linalg.norm(np.diff(draws, axis=1), axis=-1) * 25
    return np.concatenate([steps[:, :1], steps], axis=1)


def test_head_deviation_speed_and_spectrum_are_those_of_real_heads():
    clips, _ = heads()
    deviation = np.median(clips.std(axis=1), axis=0)
    assert np.all(deviation > [1.1, 1.8, 1.8]) and np.all(deviation < [4.6, 6.0, 6.0])
    fast = np.median(np.percentile(speeds(clips), 95, axis=1))
    assert 22 < fast < 42 and 4 < np.median(speeds(clips)) < 14
    moved = clips - clips.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(moved, axis=1)) ** 2).sum(axis=(0, 2))
    share, frequency = np.cumsum(power) / power.sum(), np.fft.rfftfreq(300, 1 / 25)
    assert 0.1 <= frequency[np.searchsorted(share, 0.5)] < 0.43
    assert 0.4 < frequency[np.searchsorted(share, 0.9)] < 1.7


def test_the_head_rests_in_pauses_and_starts_with_the_voice():
    draws, speech = heads()
    times, mean = np.arange(300) / 25, speeds(draws).mean(axis=0)
    quiet = np.array([spoken_pause(time, speech["pauses_s"]) for time in times])
    assert 0.22 < mean[quiet].mean() / mean[~quiet].mean() < 0.55  # of the real clips
    assert mean[(times > 4.6) & (times < 5.3)].max() < 0.6 * mean.mean()
    assert mean[(times > 5.46) & (times < 5.7)].min() > 1.2 * mean.mean()


def test_speech_explains_part_of_the_heads_speed_and_nothing_of_its_direction():
    found = {}
    for name, values in (("speed", speeds(heads()[0])), ("yaw", heads()[0][..., 1])):
        within = values.var(axis=0, ddof=1).mean()
        found[name] = (values.mean(axis=0).var() - within / len(values)) / within
    assert found["speed"] > 0.3 and abs(found["yaw"]) < 0.05


def test_the_pace_of_the_drift_depends_on_the_speech_alone_and_is_even_without_it():
    times, silence = np.arange(100) / 25, {"accents_s": NONE, "accent_strength": NONE}
    talking = pace(times, **silence, pauses_s=np.zeros((0, 2)))
    np.testing.assert_allclose(talking, talking[0])
    listening = pace(times, **silence, pauses_s=np.array([[0.0, 4.2]]))
    assert np.all(listening[:90] < 0.5 * talking[:90])


def test_a_nod_raises_the_face_before_the_accent_and_lowers_it_after():
    pitch = nod(np.array([0.0, 0.9, 1.14, 3.0]), 1.0)
    assert pitch[1] < -0.2 and pitch[2] > 0.8 and np.abs(pitch[[0, 3]]).max() < 1e-3


def test_the_face_sinks_at_the_end_of_a_phrase_and_rises_with_the_next():
    at = lowered(np.array([0.0, 0.8, 1.5, 2.08, 3.0]), 1.0, 2.0)
    np.testing.assert_allclose(at, [0, 0.5, 1, 0.5, 0], atol=0.01)


def test_smooth_noise_has_unit_deviation_over_many_draws():
    rng = np.random.default_rng(0)
    draws = np.stack([smooth_noise(rng, frames=100, corner_hz=0.2) for _ in range(2000)])
    assert draws[:, 50].std() == pytest.approx(1.0, abs=0.06)


def test_bump_is_one_at_its_peak_and_falls_slower_than_it_rises():
    height = bump(np.array([0.8, 1.0, 1.2]), 1.0, rise_s=0.1, fall_s=0.2)
    np.testing.assert_allclose(height, [np.exp(-2.0), 1.0, np.exp(-0.5)])


def test_the_camera_hardly_moves():
    steps = np.diff(camera(np.random.default_rng(0), frames=250), axis=0)
    assert np.linalg.norm(steps, axis=1).max() < 0.01


def test_brows_rise_on_accents_and_the_mouth_is_left_alone():
    rng = np.random.default_rng(0)
    weights = np.mean(
        [
            upper_face_actions(
                rng, frames=100, accents_s=np.array([2.0]), accent_strength=np.ones(1)
            )
            for _ in range(300)
        ],
        axis=0,
    )
    brow = weights[:, ACTIONS.index("BrowInnerUp")]
    assert brow[50] > brow[20] + 0.04
    assert not weights[:, [name.startswith(("Mouth", "Lip", "Jaw")) for name in ACTIONS]].any()
