"""Mean opinion scores: against hand-computed figures, and what their intervals hold."""

import numpy as np
import pytest

from ksdiff_jax.ratings.answers import Answers
from ksdiff_jax.ratings.opinions import comparisons, opinions, pigeonhole_interval, score_table
from ksdiff_jax.ratings.page import Item, Key
from ksdiff_jax.ratings.questions import CRITERIA

KEY = Key(
    "s",
    ("ours", "truth"),
    {f"{system}{clip}": Item(system, clip, "") for system in ("ours", "truth") for clip in "ab"},
    (),
    4,
)


def answers(**scores) -> Answers:
    """Answers with the same score for every criterion, by item."""
    trials = tuple({item: {c.name: score for c in CRITERIA}} for item, score in scores.items())
    return Answers(None, "p", "s", "", len(trials), len(trials), trials)


def test_scores_differences_and_preferences_are_those_by_hand():
    # The second participant did not rate the clip b of the truth.
    given = [answers(oursa=2, oursb=3, trutha=4, truthb=3), answers(oursa=1, oursb=5, trutha=2)]
    table = score_table(given, KEY)
    found = opinions(table, KEY)
    assert found["ours"]["fluency"].mean == pytest.approx((2 + 3 + 1 + 5) / 4)
    assert found["truth"]["fluency"][::3] == (pytest.approx(3.0), 3)
    compared = {each.criterion: each for each in comparisons(table, KEY)}
    assert list(compared) == [criterion.name for criterion in CRITERIA]
    of = compared["lip_sync"]
    assert (of.system, of.reference) == ("truth", "ours")
    assert of.difference[::3] == (pytest.approx((2 + 0 + 1) / 3), 3)
    assert of.shares == pytest.approx((2 / 3, 1 / 3, 0)) and of.preferred.mean == 2.5 / 3


def test_two_scores_of_one_video_by_one_participant_count_as_their_mean():
    twice = answers(trutha=5)._replace(
        trials=({"oursa": {"fluency": 1}}, {"oursa": {"fluency": 4}}, {"trutha": {"fluency": 5}})
    )
    table = score_table([twice], KEY)
    fluency = [criterion.name for criterion in CRITERIA].index("fluency")
    assert table[0, fluency, 0, 0] == 2.5
    assert np.isnan(table[0, 0]).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_the_interval_holds_what_participants_and_what_clips_vary(axis):
    values = np.random.default_rng(3).normal(3, 1, 24)
    table = np.repeat(np.expand_dims(values, 1 - axis), 400, axis=1 - axis)
    found = pigeonhole_interval(table)
    # All of the spread is between the 24, so that the 400 do not make it smaller.
    half = 1.96 * values.std() / np.sqrt(24)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.05
    )


def test_the_interval_is_the_bootstrap_written_as_a_loop():
    table = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 3.0]])
    random = np.random.default_rng(8)
    means = []
    for _ in range(6000):
        people, clips = random.integers(2, size=2), random.integers(3, size=3)
        if np.isfinite(drawn := table[np.ix_(people, clips)]).any():
            means.append(np.nanmean(drawn))
    found = pigeonhole_interval(table, draws=6000)
    assert found[1:3] == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))), abs=0.01)
    assert pigeonhole_interval(np.full((2, 2), np.nan)).count == 0


def test_one_participant_or_one_clip_give_no_bounds():
    for table in (np.array([[1.0, 5.0]]), np.array([[1.0, np.nan], [5.0, np.nan]])):
        assert pigeonhole_interval(table) == (3.0, -np.inf, np.inf, 2)
        assert pigeonhole_interval(table).sign == 0
