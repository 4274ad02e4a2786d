"""Drawn gaze: its law, its independence of blocks and length, and eyes that stay on their point."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.drawn_gaze import (
    DrawnGaze,
    chosen_gaze,
    frame_loudness,
    with_drawn_gaze,
)
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.head.mesh import eye_centres
from tests.animate.fake_system import FakeSystem, pretrained

MINUTE = 25 * 60


def gaze(seed, frames, *, head=None, closure=None, loudness=None):
    head = np.zeros((frames, 3)) if head is None else head
    closure = np.zeros(frames) if closure is None else closure
    loudness = np.full(frames, 0.1) if loudness is None else loudness
    return DrawnGaze(jax.random.key(seed)).following(head, closure=closure, loudness=loudness)


def directions(eyes, head):
    """Unit vectors of both lines of sight in the world."""
    turn = Rotation.from_rotvec(head)
    return [(turn * Rotation.from_rotvec(eyes[:, k : k + 3])).apply([0, 0, 1]) for k in (0, 3)]


def test_blocks_and_lengths_do_not_change_a_frame_and_keys_do():
    rng = np.random.default_rng(0)
    given = {
        "head": 0.1 * rng.normal(size=(200, 3)),
        "closure": rng.random(200),
        "loudness": rng.random(200),
    }
    whole = gaze(1, 200, **given)
    blocks = DrawnGaze(jax.random.key(1))
    for start, stop in ((0, 7), (7, 90), (90, 150)):
        part = {name: values[start:stop] for name, values in given.items()}
        np.testing.assert_array_equal(blocks.following(part.pop("head"), **part), whole[start:stop])
    assert np.abs(gaze(2, 200, **given) - whole).max() > 0.01


def test_the_loudness_of_long_sound_is_that_of_its_frames():
    frames = 1600  # more than a block
    sound = (
        np.random.default_rng(0)
        .normal(size=SAMPLES_PER_MOTION_FRAME * frames - 100)
        .astype(np.float32)
    )
    rows = np.pad(sound.astype(np.float64), (0, 100)).reshape(frames, -1)
    expected = np.sqrt(np.square(rows).mean(axis=1))
    np.testing.assert_array_equal(frame_loudness(sound, frames=frames), expected)


def test_the_law_of_the_literature():
    minutes = [np.degrees(gaze(seed, MINUTE)) for seed in range(20)]
    yaw = np.stack([(eyes[:, 1] + eyes[:, 4]) / 2 for eyes in minutes])
    pitch = np.stack([eyes[:, 0] for eyes in minutes])
    assert np.abs(yaw).max() < 18 and np.abs(pitch).max() < 15
    moving = np.hypot(np.diff(yaw), np.diff(pitch)) > 0.2
    begun = moving[:, 1:] & ~moving[:, :-1]
    assert 0.7 < begun.sum() / 20 / 60 < 1.3  # shifts a second
    still = (~moving).mean()
    assert still > 0.9  # saccades are short
    aside = np.hypot(yaw, pitch - 1.8) > 5  # the mouth of the viewer is at most 4.2 degrees away
    assert 0.04 < aside.mean() < 0.23
    converged = np.stack([eyes[:, 4] - eyes[:, 1] for eyes in minutes])
    assert converged.min() > 0.5 and converged.max() < 5.5  # of 3 m to 0.8 m
    assert np.median(converged) == pytest.approx(2 * 1.9, abs=0.3)  # 1 m


def test_the_eyes_stay_on_their_point_while_the_head_turns():
    frames = 100
    head = np.radians(8) * np.sin(np.arange(frames)[:, None] / 9 + [0.0, 1.0, 2.0])
    for still, turning in zip(
        directions(gaze(5, frames), np.zeros((frames, 3))),
        directions(gaze(5, frames, head=head), head),
        strict=True,
    ):
        off = np.degrees(np.arccos(np.clip((still * turning).sum(axis=1), -1, 1)))
        # The limit of the eyes is soft.
        assert off.max() < 3.0
        assert np.degrees(np.linalg.norm(head, axis=1)).max() > 9


def test_both_lines_of_sight_meet():
    eyes, head = gaze(3, 50), np.zeros((50, 3))
    left, right = directions(eyes, head)
    across = np.cross(left, right)
    apart = eye_centres()[1] - eye_centres()[0]
    gap = np.abs(across @ apart) / np.linalg.norm(across, axis=1)
    assert gap.max() < 2e-3


def test_blinks_lower_the_eyes_and_bring_forward_a_shift():
    closure = np.zeros(50)
    closure[20:26] = [0.5, 1.0, 1.0, 0.8, 0.5, 0.2]
    plain, blinking = gaze(8, 50), gaze(8, 50, closure=closure)
    np.testing.assert_array_equal(plain[:20], blinking[:20])
    later = [gaze(seed, 50, closure=closure)[22] - gaze(seed, 50)[22] for seed in range(30)]
    assert np.degrees(np.mean(later, axis=0))[[0, 3]].min() > 0.5


def test_speech_after_a_pause_often_begins_with_a_look_aside():
    loudness = np.full(60, 0.1)
    loudness[10:40] = 0.0
    aside = {}
    for name, sound in (("pause", loudness), ("none", np.full(60, 0.1))):
        eyes = [np.degrees(gaze(seed, 60, loudness=sound)[43]) for seed in range(120)]
        aside[name] = np.mean([np.hypot((e[1] + e[4]) / 2, e[0] - 1.8) > 5 for e in eyes])
    assert aside["pause"] > aside["none"] + 0.1


def test_animators_draw_it_by_default_and_not_when_told(tmp_path):
    animator = Animator(pretrained(tmp_path), system=FakeSystem(), buckets=(64,))
    sound = np.sin(np.arange(50 * SAMPLES_PER_MOTION_FRAME) / 20).astype(np.float32) / 2
    (drawn, other), (none,) = (
        animator.samples(sound, count=2, sample_rate_hz=16_000),
        animator.samples(sound, count=1, sample_rate_hz=16_000, gaze="none"),
    )
    assert drawn.meta["gaze"] == "drawn" and none.meta["gaze"] == "none"
    np.testing.assert_array_equal(drawn.coefficients, none.coefficients)
    assert not none.eyes_pose.any() and drawn.eyes_pose.any()
    assert np.abs(drawn.eyes_pose - other.eyes_pose).max() > 0.01
    again = with_drawn_gaze(none, sound)
    np.testing.assert_array_equal(again.eyes_pose, drawn.eyes_pose)
    turned = dataclasses.replace(none, global_orient=none.global_orient + 0.1)
    assert np.abs(with_drawn_gaze(turned, sound).eyes_pose - drawn.eyes_pose).max() > 0.05


def test_gaze_is_refused_on_another_face_and_by_an_unknown_name():
    assert chosen_gaze(None, "flame") == chosen_gaze("none", "flame") == "none"
    with pytest.raises(InputError, match="of the flame space; need none"):
        chosen_gaze("drawn", "flame")
    with pytest.raises(InputError, match="got 'fixed', need one of drawn, none"):
        chosen_gaze("fixed", "builtin")
