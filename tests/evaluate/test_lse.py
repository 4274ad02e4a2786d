"""The offset search on vectors with a known answer, and its agreement with a loop."""

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.lse import (
    MAX_OFFSET_FRAMES,
    UNDEFINED,
    LipSync,
    judged,
    lip_sync,
    lse_figures,
    mean_distances,
    useless,
    windows_of,
)
from ksdiff_jax.face import builtin_face
from tests.evaluate.pretend import talking_clip


@pytest.mark.parametrize("late", [-15, -4, 0, 1, 15])
def test_the_offset_is_the_delay_of_the_pictures(late):
    """Pictures that are `late` frames late show at frame i what is spoken at i - late."""
    spoken = np.random.default_rng(0).standard_normal((90, 8))
    sound = spoken[20:70]
    lips = spoken[20 - late : 70 - late]
    found = lip_sync(lips, sound)
    assert found.offset_frames == found.overlap_offset_frames == late
    inside = 1 - abs(late) / 50  # the rest is compared with the zeros beyond the end
    assert found.distance < (1 - inside) * 4 + 1e-4
    assert lip_sync(lips, np.roll(sound, 7, axis=0)).distance > found.distance


def test_distance_and_confidence_of_two_windows_by_hand():
    """In step, the distances of (3, 4) to (0, 0) and of (0, 0) to (6, 8) are 5 and 10, mean 7.5.
    At k = 1 (3, 4) meets (6, 8) and (0, 0) the zeros beyond the end: 5 and 0, mean 2.5. At any
    other shift both meet zeros, of the sound or beyond it: 5 and 0 again.
    """
    lips = np.array([[3.0, 4.0], [0.0, 0.0]])
    sound = np.array([[0.0, 0.0], [6.0, 8.0]])
    means = mean_distances(lips, sound)
    expected = np.full(31, 2.5)
    expected[15] = 7.5
    np.testing.assert_allclose(means, expected, atol=1e-5)
    found = lip_sync(lips, sound)
    assert found.distance == pytest.approx(2.5, abs=1e-5)
    assert found.confidence == pytest.approx(0.0, abs=1e-5)

    # Three windows that agree: 0 in step, and the median of 31 is that of shifts beyond the clip,
    # where all three meet zeros.
    same = np.array([[3.0, 4.0], [6.0, 8.0], [9.0, 12.0]])
    best = lip_sync(same, same)
    assert (best.distance, best.offset_frames) == (pytest.approx(0, abs=1e-5), 0)
    assert best.confidence == pytest.approx((5 + 10 + 15) / 3, abs=1e-4)


def test_the_means_equal_a_loop_over_windows_and_shifts():
    random = np.random.default_rng(1)
    lips, sound = random.standard_normal((2, 22, 5))
    for k in range(-MAX_OFFSET_FRAMES, MAX_OFFSET_FRAMES + 1):
        distances = []
        for i in range(22):
            other = sound[i + k] if 0 <= i + k < 22 else np.zeros(5)
            distances.append(np.sqrt(np.sum((lips[i] - other + 1e-6) ** 2)))
        assert mean_distances(lips, sound)[k + MAX_OFFSET_FRAMES] == pytest.approx(
            np.mean(distances)
        )


def test_clips_without_a_window_have_no_result_and_are_refused_alone_in_one_line():
    clips = [talking_clip(0, frames=1), talking_clip(1, frames=5)]
    assert [windows_of(clip) for clip in clips] == [-4, 0]
    motions = [np.zeros((clip.frames, 1)) for clip in clips]
    short = judged({}, builtin_face(), clips, motions)
    assert short == [UNDEFINED] * 2
    with pytest.raises(InputError, match="2 clips, none with 6 frames or more"):
        useless(short)


def test_a_network_that_does_not_find_the_truth_in_step_in_half_of_the_clips_is_useless():
    known, lost = LipSync(7.0, 5.0, -1, -1), LipSync(7.0, 5.0, 2, 2)
    assert useless([known] * 3 + [lost] * 3 + [UNDEFINED]) == ""
    assert "in step in 2 of 6 clips" in useless([known] * 2 + [lost] * 4 + [UNDEFINED])
    few = useless([known] * 4 + [LipSync(7.0, 5.0, 0), UNDEFINED])
    assert "4 clips of 35 frames or more, need 5" in few


def test_vectors_that_hardly_differ_are_not_in_step_although_the_zeros_beyond_the_ends_are_far():
    random = np.random.default_rng(4)
    found = [lip_sync(*(1.0 + 0.1 * random.standard_normal((2, 60, 8)))) for _ in range(12)]
    assert {each.offset_frames for each in found} == {0}  # as the original's evaluation has it
    assert "find the truth in step in" in useless(found)


def test_figures_are_means_over_the_clips_that_have_a_window_with_intervals():
    predicted = [LipSync(9.0, 1.0, 0), UNDEFINED, LipSync(11.0, 2.0, -2)]
    truth = [LipSync(7.0, 5.0, 1), UNDEFINED, LipSync(7.0, 7.0, -1)]
    found = lse_figures(predicted, truth)
    assert (found["lse_d"], found["lse_c"], found["lse_in_step"]) == (10.0, 1.5, 0.5)
    assert (found["lse_d_truth"], found["lse_c_truth"], found["lse_in_step_truth"]) == (7, 6, 1)
    assert found["lse_clips"] == 2 and found["lse_in_step_chance"] == 3 / 31
    assert "lse_d_high" not in found, "an interval over two clips is not given"
    found = lse_figures(3 * [predicted[0], predicted[2]], 6 * [truth[0]])
    error = 2.5706 * (1.2 / 6) ** 0.5  # t(5) at 97.5 %
    assert found["lse_d_high"] == pytest.approx(10 + error, abs=1e-4)
