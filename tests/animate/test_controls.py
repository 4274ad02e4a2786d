"""What is done to a sampled motion: strengths, mouth only, head style, silence guard."""

import numpy as np
import pytest

from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.actions import coefficients_of
from ksdiff_jax.motion.space import CAMERA, EXPRESSION, JAW, MOTION_DIMS, ROTATION

PLACES = {
    "lips": [*coefficients_of("mouth"), *range(JAW.start, JAW.stop)],
    "brows": list(coefficients_of("brows")),
    "blinks": list(coefficients_of("blink")),
    "head": [*range(ROTATION.start, ROTATION.stop), *range(CAMERA.start, CAMERA.stop)],
}


def walk(seed: int, *, frames: int = 250, scale: float = 0.01, space: str = "builtin") -> Motion:
    steps = np.random.default_rng(seed).normal(size=(frames, MOTION_DIMS)) * scale
    return Motion.from_coefficients(np.cumsum(steps, axis=0), space=space)


@pytest.mark.parametrize("part", PLACES)
def test_a_strength_scales_its_part_and_leaves_every_other_number(part):
    motion = walk(0)
    weaker = motion.with_strengths(**{part: 0.5})
    others = np.setdiff1d(np.arange(MOTION_DIMS), PLACES[part])
    before, after = motion.coefficients, weaker.coefficients
    np.testing.assert_array_equal(after[:, others], before[:, others])
    own = PLACES[part]
    np.testing.assert_allclose(
        after[:, own].std(axis=0), 0.5 * before[:, own].std(axis=0), rtol=0.02
    )
    assert motion.with_strengths(**{part: 1}) is motion


def test_a_strength_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="strength of the lips: got -1, need 0 to 5"):
        walk(0).with_strengths(lips=-1)
    with pytest.raises(InputError, match="strength of the brows: the motion is of the flame space"):
        walk(0, space="flame").with_strengths(brows=2)


def test_mouth_only_keeps_the_mouth_and_stills_the_rest():
    motion = walk(1)
    still = motion.mouth_only()
    np.testing.assert_array_equal(
        still.coefficients[:, PLACES["lips"]], motion.coefficients[:, PLACES["lips"]]
    )
    rest = np.setdiff1d(np.arange(MOTION_DIMS), PLACES["lips"])
    assert np.ptp(still.coefficients[:, rest], axis=0).max() < 1e-6
    assert np.abs(still.exp[:, PLACES["blinks"]]).max() == 0


def test_a_head_moves_as_far_and_as_fast_as_the_reference_and_the_face_stays():
    motion, reference = walk(2, scale=0.002), walk(3, scale=0.01)
    styled = motion.with_head_style(reference)
    np.testing.assert_array_equal(styled.exp, motion.exp)
    np.testing.assert_array_equal(styled.jaw_pose, motion.jaw_pose)
    speed, std = (
        lambda m: np.abs(np.diff(m.global_orient, axis=0)).mean(),
        lambda m: m.global_orient.std(axis=0).mean(),
    )
    for measure in (speed, std):
        assert measure(styled) == pytest.approx(measure(reference), rel=0.25)
        assert measure(motion) < 0.5 * measure(reference)
    with pytest.raises(InputError, match=r"1\.0 s; need a motion of at least 2 s"):
        motion.with_head_style(walk(3, frames=25))


def test_the_mouth_closes_in_silence_and_nowhere_else():
    motion, draw = walk(4), np.random.default_rng(5)
    audio = draw.normal(size=(250, SAMPLES_PER_MOTION_FRAME)).astype(np.float32) * 0.1
    audio[100:150] = 0
    guarded = motion.with_silence_guard(audio.ravel())
    mouth = PLACES["lips"]
    assert np.abs(guarded.coefficients[106:144, mouth]).max() == 0
    sound = np.r_[:100, 150:250]
    np.testing.assert_array_equal(guarded.coefficients[sound], motion.coefficients[sound])
    brows = PLACES["brows"]
    np.testing.assert_array_equal(guarded.exp[:, brows], motion.exp[:, EXPRESSION][:, brows])
    with pytest.raises(InputError, match="need 640 for each"):
        motion.with_silence_guard(audio.ravel()[:-1])
