import numpy as np
import pytest

from ksdiff_jax.evaluate import lips


def two_vertex_clip() -> np.ndarray:
    """Three frames of two vertices, all at the origin."""
    return np.zeros((3, 2, 3), np.float32)


def test_lip_vertex_error_equals_a_hand_computation():
    truth, predicted = two_vertex_clip(), two_vertex_clip()
    predicted[0, 0] = [0.003, 0.0, 0.004]  # 5 mm, worst of frame 0
    predicted[0, 1] = [0.001, 0.0, 0.0]
    predicted[1, 1] = [0.0, 0.002, 0.0]  # 2 mm, worst of frame 1
    error = lips.lip_vertex_error(predicted, truth)
    assert error.squared_m2 == pytest.approx((25e-6 + 4e-6) / 3)
    assert error.root_m == pytest.approx(((25e-6 + 4e-6) / 3) ** 0.5)
    assert error.distance_m == pytest.approx((5e-3 + 2e-3) / 3)


def test_lip_vertex_error_agrees_with_plain_loops():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 5, 4, 3)).astype(np.float32)
    worst = [
        max(sum((a[t, v, k] - b[t, v, k]) ** 2 for k in range(3)) for v in range(4))
        for t in range(5)
    ]
    assert lips.lip_vertex_error(a, b).squared_m2 == pytest.approx(sum(worst) / 5, rel=1e-5)


def test_the_deviation_of_dynamics_is_known_for_vertices_that_swing():
    template = np.zeros((2, 3), np.float32)
    still = np.full((4, 2, 3), 0.01, np.float32)
    assert lips.dynamics_deviation(still, still, template) == (0.0, 0.0, 0.0)
    swinging = np.zeros((4, 2, 3), np.float32)
    swinging[::2, 0, 1] = 2.0  # squared displacement 4, 0, 4, 0: std 2; the other vertex rests
    found = lips.dynamics_deviation(still, swinging, template)
    assert found == pytest.approx((1.0, 0.5, 1.0))  # n is 2, 0, 2, 0: std 1
    assert lips.dynamics_deviation(swinging, still, template) == pytest.approx((-1.0, -0.5, 1.0))
    # the wrong vertex swings: the signed forms do not notice
    other = swinging[:, ::-1].copy()
    assert lips.dynamics_deviation(other, swinging, template) == pytest.approx((0.0, 0.0, 2.0))


def test_pearson_is_one_for_an_affine_copy_zero_for_a_constant_and_undefined_for_a_constant_truth():
    truth = np.array([0.0, 1.0, 0.5, 2.0])
    assert lips.pearson(3 * truth + 1, truth) == pytest.approx(1.0)
    assert lips.pearson(-truth, truth) == pytest.approx(-1.0)
    assert lips.pearson(np.ones(4), truth) == 0.0
    assert np.isnan(lips.pearson(truth, np.ones(4)))


def test_bilabial_intervals_are_widened_by_one_frame_and_cut_to_the_clip():
    phonemes = [
        ("p", 0.40, 0.48),
        ("a", 0.48, 0.60),
        ("ˈm", 0.0, 0.01),
        ("bʰ", 0.97, 1.10),
        ("t", 0.7, 0.8),
    ]
    found = lips.bilabial_frames(phonemes, frames=25, fps=25.0)
    assert found == [slice(9, 14), slice(0, 2), slice(24, 25)]


def test_an_interval_counts_as_closed_when_any_of_its_frames_is():
    ratio = np.array([0.1, 0.1, 0.01, 0.1, 0.1, 0.016])
    assert lips.closures(ratio, [slice(0, 3), slice(3, 6)]) == lips.Closure(closed=1, intervals=2)


def test_a_mouth_that_never_opens_has_the_precision_of_chance():
    truth = np.zeros(100, bool)
    truth[[10, 50]] = True
    always, exact = np.ones(100, bool), truth.copy()
    justified, predicted = lips.justified_closures(always, truth)
    assert (justified, predicted) == (6, 100)
    assert lips.justified_closures(exact, truth) == (2, 2)
    one_late = np.roll(truth, 1)
    assert lips.justified_closures(one_late, truth) == (2, 2)


def test_closures_above_chance_are_those_minus_the_ones_at_all_other_times():
    opening = np.array([0.1, 0.1, 0.0, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1, 0.1])
    spans = [slice(1, 4), slice(5, 7)]  # both closed, and the second one ends at a closed frame
    shut = opening < lips.CLOSED_BELOW
    by_shift = [
        np.mean([any(shut[(f + shift) % 10] for f in range(s.start, s.stop)) for s in spans])
        for shift in range(10)
    ]
    expected = by_shift[0] - np.mean(by_shift[1:])
    assert by_shift[0] == 1.0 > expected > 0.5
    assert lips.closure_above_chance(opening, spans) == pytest.approx(expected)


def test_a_mouth_that_is_always_shut_closes_no_more_than_by_chance():
    spans = [slice(1, 4), slice(8, 10)]
    assert lips.closure_above_chance(np.zeros(10), spans) == 0.0
    assert lips.closure_above_chance(np.ones(10), spans) == 0.0
    assert np.isnan(lips.closure_above_chance(np.zeros(10), []))
