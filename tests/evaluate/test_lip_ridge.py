from pathlib import Path

import numpy as np

from ksdiff_jax.evaluate.lip_ridge import ridge_openings
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.evaluate.mouth_scores import lagged_correlation

WIDTH = 4


def world(*, lags, strangers=(), frames=80):
    """Features and clips: an opening is a fixed sum of the features, late by the clip's lag."""
    random = np.random.default_rng(0)
    rows, clips = [], []
    for number, lag in enumerate(lags):
        features = random.normal(size=(frames + 16, WIDTH))
        weights = [-1.0, 2.0, 0.0, 1.0] if number in strangers else [1.0, 2.0, -1.0, 0.5]
        whole = 0.05 + 0.01 * features @ weights
        rows.append(features[8:-8])
        opening = whole[8 - lag : 8 - lag + frames]
        clips.append(MeasuredClip(f"c{number}", f"p{number}", Path("c.wav"), opening))
    return rows, clips


def test_people_are_predicted_from_others_whose_clips_are_aligned_by_their_own_lags():
    lags = [0, 2, -1, 0, 1, 0, -2, 0]
    rows, clips = world(lags=lags)
    groups = [f"g{number // 2}" for number in range(8)]
    openings = ridge_openings(rows, clips, groups=groups, trains=[True] * 8)
    for opening, clip, lag in zip(openings, clips, lags, strict=True):
        score, found = lagged_correlation(opening, clip.opening)
        assert score > 0.99
        assert found == -lag


def test_nothing_of_a_group_enters_its_own_prediction():
    rows, clips = world(lags=[0] * 6)
    groups = list("aabbcc")
    before = ridge_openings(rows, clips, groups=groups, trains=[True] * 6)
    other = [
        clip._replace(opening=1 - clip.opening) if k < 2 else clip for k, clip in enumerate(clips)
    ]
    after = ridge_openings(rows, other, groups=groups, trains=[True] * 6)
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.allclose(before[2], after[2])


def test_people_who_must_not_be_trained_on_are_predicted_and_change_nothing():
    rows, clips = world(lags=[0] * 5, strangers=(4,))
    trains = [True] * 4 + [False]
    whole = ridge_openings(rows, clips, groups=list("abcde"), trains=trains)
    without = ridge_openings(rows[:4], clips[:4], groups=list("abcd"), trains=trains[:4])
    np.testing.assert_array_equal(whole[0], without[0])
    assert len(whole[4]) == len(rows[4])


def test_one_group_alone_has_nobody_to_learn_from():
    rows, clips = world(lags=[0, 0])
    assert ridge_openings(rows, clips, groups=["a", "a"], trains=[True, True]) is None
