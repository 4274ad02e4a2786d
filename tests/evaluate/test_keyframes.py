from itertools import combinations, permutations

import numpy as np
import pytest

from ksdiff_jax.evaluate import keyframes


def at(frames, length: int = 30) -> np.ndarray:
    track = np.zeros(length, bool)
    track[list(frames)] = True
    return track


def test_a_keyframe_two_frames_off_hits_and_three_off_misses():
    assert keyframes.match_keyframes(at([10]), at([12])).hits == 1
    assert keyframes.match_keyframes(at([10]), at([13])).hits == 0


def test_each_true_keyframe_is_matched_once():
    counts = keyframes.match_keyframes(at([9, 10, 11]), at([10]))
    assert counts == keyframes.KeyframeCounts(hits=1, predicted=3, true=1)
    assert counts.precision == pytest.approx(1 / 3)
    assert counts.recall == 1.0
    assert counts.f1 == pytest.approx(0.5)


def test_the_matching_is_of_maximum_size():
    random = np.random.default_rng(0)
    for _ in range(50):
        a, b = (sorted(random.choice(20, size=4, replace=False)) for _ in range(2))
        best = 0
        for size in range(5):
            for chosen in combinations(a, size):
                if any(
                    all(abs(x - y) <= 2 for x, y in zip(chosen, p, strict=True))
                    for p in permutations(b, size)
                ):
                    best = size
        assert keyframes.match_keyframes(at(a), at(b)).hits == best


def test_no_keyframes_at_all_score_zero_without_dividing_by_zero():
    empty = keyframes.pooled([])
    assert (empty.precision, empty.recall, empty.f1) == (0.0, 0.0, 0.0)


def test_scores_are_pooled_over_clips():
    counts = [keyframes.KeyframeCounts(1, 1, 1), keyframes.KeyframeCounts(0, 3, 1)]
    assert keyframes.pooled(counts).f1 == pytest.approx(2 / 6)


def test_random_keyframes_score_what_chance_says():
    # isolated targets: a guess hits one with probability 40 * 5 / 2000 = 0.1
    truth = at(range(25, 2000, 50), 2000)
    score = keyframes.random_keyframes_f1([truth], [0.02], seeds=40)
    assert score == pytest.approx(0.1, abs=0.02)
    assert score == keyframes.random_keyframes_f1([truth], [0.02], seeds=40)


def test_the_fixed_interval_predictor_finds_a_regular_truth():
    assert keyframes.fixed_interval_f1([at(range(6, 300, 20), 300)]) == 1.0
    scattered = at(np.random.default_rng(0).choice(2000, size=60, replace=False), 2000)
    assert 0.1 < keyframes.fixed_interval_f1([scattered]) < 0.5
