"""Closed blinks on the lids of the posed head."""

import numpy as np
import pytest

from ksdiff_jax.data.corpus.expression_motion import eyelid_closure, upper_face_actions
from ksdiff_jax.evaluate.blinks import lid_gaps
from ksdiff_jax.evaluate.face_points import builtin_points, moving_points
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.face.blinks import with_closed_blinks
from ksdiff_jax.motion import space

FRAMES = 40
RNG = np.random.default_rng(4)


def expression_of(**actions) -> np.ndarray:
    """Coefficients of actions over time; a name without a side means both."""
    weights = np.zeros((FRAMES, len(ACTIONS)), np.float32)
    for name, weight in actions.items():
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in ACTIONS:
                weights[:, ACTIONS.index(full)] = weight
    return actions_to_expression(weights)


def blink(peak: float) -> np.ndarray:
    """One blink of the corpus at 25 Hz, as high as `peak`."""
    return peak * eyelid_closure(np.arange(FRAMES) / 25, np.array([0.5]))


def open_share(expression) -> np.ndarray:
    """Lid gap of both eyes over that at rest."""
    motion = np.zeros((len(expression), space.MOTION_DIMS), np.float32)
    motion[:, space.EXPRESSION] = expression
    points = builtin_points()
    gaps = lid_gaps(moving_points(points, np.concatenate([motion, 0 * motion[:1]])), points.lids)
    return gaps[:-1] / gaps[-1]


@pytest.mark.parametrize("peak", [0.27, 0.55, 0.7, 0.95])
def test_a_blink_that_stops_half_way_closes(peak):
    given = expression_of(EyeBlink=blink(peak))
    closed = with_closed_blinks(given)
    before, after = open_share(given), open_share(closed)
    assert before.min() > 0.04
    assert np.abs(after.min(axis=0)).max() < 0.01
    assert (after <= before + 1e-5).all()
    away = blink(peak) < 0.1
    np.testing.assert_array_equal(closed[away], given[away])


@pytest.mark.parametrize(
    "other",
    [
        *("EyeWide", "EyeSquint", "LidTightener", "BrowDown", "BrowInnerUp", "BrowOuterUp"),
        *("CheekSquint", "NoseSneer", "MouthSmile"),
    ],
)
def test_a_full_blink_closes_whatever_else_the_face_does(other):
    both = with_closed_blinks(expression_of(EyeBlink=blink(1.0), **{other: 1.0}))
    assert open_share(both).min(axis=0).max() < 0.01  # below 0 a lid covers the other's edge


def test_one_eye_may_wink():
    shares = open_share(with_closed_blinks(expression_of(EyeBlinkLeft=blink(0.6))))
    right, left = shares.min(axis=0)
    assert abs(left) < 0.01 and right > 0.99


def test_what_needs_no_closing_stays_bit_for_bit():
    frames = 500
    corpus = upper_face_actions(
        RNG, frames=frames, accents_s=RNG.uniform(0, 20, 12), accent_strength=np.ones(12)
    )
    noise = RNG.normal(0, 0.3, (FRAMES, len(ACTIONS))).astype(np.float32)
    noise[:, :2] = 0
    for expression in (
        actions_to_expression(corpus),
        expression_of(EyeBlink=blink(0.2), EyeWide=1.0),
        expression_of(EyeBlink=blink(1.1)),
        actions_to_expression(noise),
        expression_of()[:0],
    ):
        np.testing.assert_array_equal(with_closed_blinks(expression), expression)
