"""Head, brows and blinks: random, with the statistics of real heads (wide margins, because these
are draws).
"""

import numpy as np
import pytest

from ksdiff_jax.data.corpus.expression_motion import (
    blink_times_s,
    eyelid_closure,
    upper_face_actions,
)
from ksdiff_jax.data.corpus.head_motion import bump, camera, head_rotation, smooth_noise
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


def test_head_deviation_and_spectrum_are_those_of_real_heads():
    rng = np.random.default_rng(0)
    clips = [
        np.degrees(
            head_rotation(
                rng,
                frames=500,
                accents_s=np.arange(0.5, 20, 0.7),
                accent_strength=np.ones(28),
                phrase_ends_s=NONE,
            )
        )
        for _ in range(60)
    ]
    deviation = np.median([clip.std(axis=0) for clip in clips], axis=0)
    assert np.all(deviation > [1.1, 1.8, 1.8]) and np.all(deviation < [2.8, 4.5, 4.5])
    power = np.mean([np.abs(np.fft.rfft(c - c.mean(0), axis=0)) ** 2 for c in clips], axis=0).sum(
        axis=1
    )
    share, frequency = np.cumsum(power) / power.sum(), np.fft.rfftfreq(500, 1 / 25)
    assert 0.05 < frequency[np.searchsorted(share, 0.5)] < 0.4
    assert 0.3 < frequency[np.searchsorted(share, 0.9)] < 1.3


def test_head_nods_follow_accents():
    accents = np.arange(1.0, 19.0, 2.0)
    options = {"frames": 500, "phrase_ends_s": NONE, "accent_strength": np.ones(len(accents))}
    rng = np.random.default_rng(1)
    pitch = np.mean(
        [head_rotation(rng, accents_s=accents, **options)[:, 0] for _ in range(300)], axis=0
    )
    assert pitch[25:475:50].mean() > pitch[50:450:50].mean() + np.radians(0.2)


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
