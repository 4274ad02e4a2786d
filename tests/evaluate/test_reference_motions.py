import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.reference_motions import (
    CONSTANT,
    FITTED,
    LEVEL,
    OTHER,
    RIDGE,
    TRUTH,
    constant_pose,
    fit_motion,
    fitted_motions,
    true_motions,
    unfitted_motions,
)
from ksdiff_jax.motion.space import JAW, MOTION_DIMS
from tests.evaluate.pretend import talking_clip

CLIPS = [talking_clip(number) for number in range(8)]


def test_the_truth_is_the_clips_own_motion_and_another_clip_is_not():
    found = unfitted_motions(CLIPS)
    assert list(found) == [TRUTH, OTHER]
    np.testing.assert_array_equal(found[TRUTH][0][:, JAW], CLIPS[0].jaw)
    np.testing.assert_array_equal(found[OTHER][0][:, JAW], CLIPS[1].jaw)
    assert list(unfitted_motions(CLIPS[:1])) == [TRUTH]


@pytest.mark.slow
def test_baselines_follow_the_speech_of_new_clips_as_far_as_their_features_allow():
    counts = []
    found = fitted_motions(
        CLIPS[:2], CLIPS[2:], face=None, progress=lambda stage, done, total: counts.append(done)
    )
    assert tuple(found) == FITTED and counts == [1, 2, 3, 4, 5, 6, 1, 2]
    jaw = CLIPS[0].jaw[:, 0]
    follows = {
        name: np.corrcoef(motions[0][:, JAW.start], jaw)[0, 1]
        for name, motions in found.items()
        if name != CONSTANT
    }
    assert follows[RIDGE] > 0.8 and follows[LEVEL] > 0.5  # the jaw is the loudness
    assert all(
        motion.shape == (60, MOTION_DIMS) for motions in found.values() for motion in motions
    )
    assert np.ptp(found[CONSTANT][0], axis=0).max() == 0.0
    with pytest.raises(InputError, match="got no training clips"):
        fitted_motions(CLIPS[:1], [], face=None)


def test_the_constant_pose_without_a_face_is_the_mean():
    motions = true_motions(CLIPS)
    np.testing.assert_allclose(
        constant_pose(motions, None), np.concatenate(motions).mean(axis=0), rtol=1e-6
    )


def test_the_penalty_is_chosen_on_training_clips_that_were_not_fitted_to():
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(20, 30)) for _ in range(10)]
    told = [rows[:, :1] + 0.01 * rng.normal(size=(20, 1)) for rows in noise]
    useless = [rng.normal(size=(20, 1)) for _ in range(10)]
    # targets that the rows tell are followed, those that they do not tell are shrunk
    assert abs(fit_motion(noise, told).weights[0, 0] - 1) < 0.1
    assert np.abs(fit_motion(noise, useless).weights).max() < 0.03
