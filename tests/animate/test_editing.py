"""Edits and pins around a system whose answer is known."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.editing import NEIGHBOURHOOD_FRAMES, Pins, channel_mask
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import BFM, BUILTIN, CAMERA, JAW, MOTION_DIMS, ROTATION
from tests.animate.fake_system import CONFIG, FakeSystem, pretrained
from tests.animate.test_engine import tone

FRAMES, BUCKETS = 400, (64, 256)  # windows overlap


@dataclasses.dataclass(frozen=True)
class Editable(FakeSystem):
    """Every frame is 1 off where its keyframe differs from the plain one, or anything is held.

    The whole clip is off by 0.1 if anything is edited, as attention over all frames would make it;
    where a frame must stay or a number is pinned, the system returns what it should.
    """

    holds_motion = True

    def sample(self, params, speech, keys, first):
        sample = super().sample(params, speech, keys, first)
        if speech.held is None:
            return sample
        bits = jnp.stack(
            [sample.tracks[f"keyframes_{track}"] for track in ("expression", "head")], axis=-1
        )
        moved = (bits != speech.held.keyframes).any(axis=-1, keepdims=True)
        motion = sample.motion + jnp.where(moved, 1.0, 0.1) * speech.held.free[..., None]
        motion = jnp.where(speech.held.pinned, speech.held.motion, motion)
        return sample._replace(motion=motion)


@pytest.fixture(scope="module")
def animator(tmp_path_factory):
    plain = dataclasses.replace(CONFIG.sample, close_blinks=False)
    shipped = pretrained(tmp_path_factory.mktemp("shipped"), sample=plain)
    config = dataclasses.replace(CONFIG, sample=plain)
    return Animator(shipped, system=Editable(config), buckets=BUCKETS)


@pytest.fixture(scope="module")
def base(animator):
    return animator.animate([tone(FRAMES)])[0]


def of(animator, **edit) -> Motion:
    return animator.animate([animator.edited(tone(FRAMES), **edit)])[0]


def test_an_edited_keyframe_changes_its_second_and_no_other_frame(animator, base):
    edited = base.keyframes_head.copy()
    edited[200] = ~edited[200]
    motion = of(animator, keyframes={"head": edited})
    assert motion.keyframes_head[200] == edited[200]
    np.testing.assert_array_equal(motion.keyframes_expression, base.keyframes_expression)
    change = np.abs(motion.coefficients - base.coefficients).max(axis=1)
    assert change[200] > 0.9 and change[190] > 0.05
    at = np.abs(np.arange(FRAMES) - 200)
    assert change[at > NEIGHBOURHOOD_FRAMES].max() == 0 and change[at <= 20].min() > 0.05


def test_the_keyframes_of_a_motion_and_the_same_keyframes_change_nothing(animator, base):
    np.testing.assert_array_equal(of(animator, keyframes=base).coefficients, base.coefficients)


def test_progress_of_an_edit_counts_once_up_to_its_total(animator, base):
    bits = base.keyframes_head.copy()
    bits[200] = ~bits[200]
    for keyframes in (base, {"head": bits}):  # no window is sampled again, and one is
        counts = []
        utterances = [tone(30), animator.edited(tone(FRAMES), keyframes=keyframes)]
        animator.animate(utterances, progress=lambda *seen, to=counts: to.append(seen))
        done, totals = zip(*counts, strict=True)
        assert len(set(totals)) == 1 and done[-1] == totals[0]
        assert list(done) == sorted(set(done)) and len(done) > 1


def test_pins_come_back_bit_for_bit_across_windows_and_lead_there(animator, base):
    take = animator.animate([tone(FRAMES)], seed=9)[0]
    motion = of(animator, pins=Pins.between(take, 5.0, 9.0, parts=["head", 7]))
    frames = (base.timestamps >= 5) & (base.timestamps < 9)
    channels = np.zeros(MOTION_DIMS, bool)
    channels[[7, *range(ROTATION.start, ROTATION.stop)]] = True
    pinned = np.ix_(frames, channels)
    np.testing.assert_array_equal(motion.coefficients[pinned], take.coefficients[pinned])
    far = np.ones(FRAMES, bool)
    far[125 - NEIGHBOURHOOD_FRAMES : 225 + NEIGHBOURHOOD_FRAMES] = False
    np.testing.assert_array_equal(motion.coefficients[far], base.coefficients[far])


def test_two_pins_may_agree_and_not_contradict(animator, base):
    one, other = Pins.between(base, 1, 3), Pins.between(base, 2, 4, parts=["jaw"])
    motion = of(animator, pins=[one, other])
    np.testing.assert_array_equal(motion.exp[25:75], base.exp[25:75])
    moved = dataclasses.replace(base, jaw_pose=base.jaw_pose + 0.25)
    with pytest.raises(InputError, match=r"channel 53 at 2 s is pinned to .* leave one out"):
        of(animator, pins=[one, Pins.between(moved, 2, 4)])


def test_channels_have_the_names_of_a_motion_in_every_space():
    parts = {"head": ROTATION, "jaw": JAW, "cam": CAMERA}
    for name, place in parts.items():
        assert np.flatnonzero(channel_mask([name], BUILTIN)).tolist() == list(
            range(place.start, place.stop)
        )
    assert np.flatnonzero(channel_mask(["cam"], BFM)).tolist() == [70, 71, 72]
    assert channel_mask(None, BUILTIN).all()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"keyframes": {"head": np.zeros(399, bool)}}, "399 frames, the speech has 400"),
        ({"keyframes": {"lips": [1.0]}}, "keyframes of lips: need expression or head"),
        ({"keyframes": {"head": [17.0]}}, "need a time within the speech"),
        ({"pins": ["short"]}, "a motion of 100 frames, 4.00 s; the speech has 400"),
        ({"pins": ["flame"]}, "a motion of the flame space, the model's is builtin"),
        ({"pins": ["fast"]}, "a motion of 50 frames per second; need 25"),
        ({"pins": ["part"]}, "channel 'nose'; need exp, head, jaw, cam or an index from 0 to 58"),
        ({"pins": ["mask"]}, r"frames of shape \(3,\), need \(400,\)"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(animator, base, edit, message):
    coefficients = base.coefficients
    pins = {
        "short": Pins(Motion.from_coefficients(coefficients[:100])),
        "flame": Pins(Motion.from_coefficients(coefficients, space="flame")),
        "fast": Pins(Motion.from_coefficients(coefficients, fps=50)),
        "part": Pins(base, channels=["nose"]),
        "mask": Pins(base, frames=np.ones(3, bool)),
    }
    if "pins" in edit:
        edit = {"pins": [pins[name] for name in edit["pins"]]}
    with pytest.raises(InputError, match=message):
        animator.edited(tone(FRAMES), **edit)


def test_a_span_without_a_frame_and_a_system_that_cannot_are_refused(tmp_path, base):
    with pytest.raises(InputError, match="no frame of the motion, which lasts 16 s"):
        Pins.between(base, 20, 30)
    other = Animator(pretrained(tmp_path), system=FakeSystem())
    with pytest.raises(InputError, match="cannot hold a part of its motion"):
        other.animate([other.edited(tone(FRAMES), pins=Pins(base))])
