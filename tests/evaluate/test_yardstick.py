from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.evaluate import yardstick
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.evaluate.yardstick import score_openings

PEOPLE = ("anna", "anna", "ben", "carl")


def clips_of_people(people=PEOPLE, *, frames=100):
    """Clips with a random opening and a /p/ at 1 s."""
    random = np.random.default_rng(0)
    return [
        MeasuredClip(
            f"c{k}",
            person,
            Path("c.wav"),
            random.uniform(0, 0.1, frames * (1 + k)),
            bilabials=(("p", 1.0, 1.0),),
        )
        for k, person in enumerate(people)
    ]


def test_people_weigh_the_same_and_their_clips_weigh_by_seconds():
    clips = clips_of_people()
    scored = score_openings([[clip.opening for clip in clips]], clips)
    marked = [
        score._replace(correlation=value)
        for score, value in zip(scored.scores[0], (0.0, 0.3, 0.5, 0.8), strict=True)
    ]
    scored = scored._replace(scores=[marked])
    of_people = scored.of_people(lambda score: score.correlation)
    np.testing.assert_allclose(of_people[:, 0], [(0.0 * 4 + 0.3 * 8) / 12, 0.5, 0.8])
    interval = yardstick.correlation_interval(scored)
    assert interval.mean == pytest.approx(of_people.mean())
    assert interval.count == 3
    by_seconds = scored.by_seconds(lambda score: score.correlation)
    assert by_seconds == pytest.approx((0.3 * 8 + 0.5 * 12 + 0.8 * 16) / 40)


def test_the_real_mouth_itself_has_ratios_of_one_and_no_difference_to_itself():
    clips = clips_of_people()
    scored = score_openings([[clip.opening for clip in clips]] * 2, clips)
    for name in yardstick.MOVEMENTS:
        assert yardstick.movement_ratio(scored, name).mean == pytest.approx(1.0)
    assert yardstick.precision_interval(scored).mean == 1.0
    assert yardstick.difference_interval(scored, scored).mean == pytest.approx(0.0)
    assert yardstick.movements(scored) == pytest.approx(yardstick.real_movements(clips))


def test_twice_the_opening_has_twice_the_std_and_speed():
    clips = clips_of_people()
    scored = score_openings([[2 * clip.opening for clip in clips]], clips)
    assert yardstick.movement_ratio(scored, "std").mean == pytest.approx(2.0)
    assert yardstick.movement_ratio(scored, "speed").mean == pytest.approx(2.0)
    assert yardstick.movement_ratio(scored, "half_hz").mean == pytest.approx(1.0)


def test_closures_are_a_ratio_of_sums_over_people_that_have_phone_times():
    clips = clips_of_people()
    clips[3] = clips[3]._replace(bilabials=())
    openings = [np.full(len(clip.opening), 0.1) for clip in clips]
    openings[0][25] = 0.0
    scored = score_openings([openings], clips)
    interval = yardstick.closure_interval(scored)
    assert (interval.mean, interval.count) == (pytest.approx(1 / 3), 2)
    none = score_openings([openings], [clip._replace(bilabials=()) for clip in clips])
    assert np.isnan(yardstick.closure_interval(none).mean)


def test_chance_compares_with_other_people_only():
    clips = clips_of_people(("anna", "anna", "ben"))
    same = clips[0].opening
    clips = [clip._replace(opening=same) for clip in clips]
    openings = [same, same, np.random.default_rng(1).uniform(0, 0.1, len(same))]
    chance = yardstick.chance_correlations(openings, clips)
    assert chance[0, 0] < 0.5  # ben's prediction
    assert chance[1, 0] == pytest.approx(1.0)  # anna's


def test_lags_are_counted_from_those_of_a_reference():
    clips = clips_of_people(("anna", "ben"))
    exact = score_openings([[clip.opening for clip in clips]], clips)
    late = score_openings(
        [[np.concatenate([clip.opening[:2], clip.opening]) for clip in clips]], clips
    )
    np.testing.assert_array_equal(yardstick.lags_from(late, exact), [2, 2])
