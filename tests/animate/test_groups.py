"""Long speech in groups of windows, by a small KSDiff with random parameters."""

import functools

import numpy as np
import pytest

from ksdiff_jax.animate import groups
from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.batches import Job, Runner
from ksdiff_jax.animate.editing import NEIGHBOURHOOD_FRAMES, Pins
from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.animate.windows import Window, borders_of, plan_windows
from ksdiff_jax.models import build_system
from ksdiff_jax.models.pretrained import Pretrained
from ksdiff_jax.models.system import Sample
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.overrides import override
from tests.animate.fake_system import STATISTICS
from tests.animate.test_engine import tone
from tests.models.ksdiff.conftest import TINY, drawn

SETTINGS = {"sample.steps": "3", "sample.lip_temperature": "0.5", "sample.close_blinks": "false"}
CONFIG = override(TINY, SETTINGS | {"model.width": "8", "model.keyframes.layers": "1"})
SYSTEM = build_system(CONFIG, STATISTICS)
BUCKETS, FRAMES = (256,), 700  # four windows


def utterance(frames: int = FRAMES):
    random = np.random.default_rng(3)
    sound = tone(frames)
    tokens = np.zeros(CONFIG.transcript_tokens, np.int32)
    return sound._replace(
        audio=random.normal(0, 0.1, len(sound.audio)).astype(np.float32),
        prosody=random.normal(size=sound.prosody.shape).astype(np.float32),
        tokens=tokens,
        token_mask=tokens > 0,
    )


@functools.cache
def engine(**options) -> Engine:
    return Engine(SYSTEM, drawn(SYSTEM), buckets=BUCKETS).with_options(**options)


@pytest.mark.slow
def test_groups_of_windows_are_one_motion_and_one_program_and_short_speech_is_as_before():
    windows = plan_windows(FRAMES, longest=256)
    assert len(windows) == 4
    (whole,) = engine(joint_windows=True).sample([utterance()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "GROUP_WINDOWS", 2)
        (pairs,) = engine(joint_windows=True).sample([utterance()])
        (joined,) = engine(joint_windows=False).sample([utterance()])
    scale = joined.motion.std()
    for found in (whole, pairs):
        assert found.motion.shape == joined.motion.shape
        assert 1e-4 < np.abs(found.motion - joined.motion).max() / scale < 2
        steps = np.abs(np.diff(found.motion, axis=0)).mean(axis=1)
        for border in borders_of(windows, frames=FRAMES)[1:-1]:
            assert steps[border - 1] < steps.mean() + 6 * steps.std()
    short = utterance(200)
    (one,), (other,) = (engine(joint_windows=on).sample([short]) for on in (True, False))
    np.testing.assert_array_equal(one.motion, other.motion)


@pytest.mark.long
def test_pins_of_long_speech_come_back_and_change_their_neighbourhood(tmp_path):
    params = drawn(SYSTEM)
    animator = Animator(Pretrained(CONFIG, params, STATISTICS, "0" * 64, tmp_path), buckets=BUCKETS)
    counts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "GROUP_WINDOWS", 2)
        base = animator.animate([utterance()], gaze="none", joint_windows=True)[0]
        moved = Motion.from_coefficients(base.coefficients + np.float32(0.01))
        edited = animator.edited(utterance(), pins=Pins.between(moved, 12.0, 14.0))
        motion = animator.animate(
            [edited], gaze="none", joint_windows=True, progress=lambda *seen: counts.append(seen)
        )[0]
    assert counts[-1][0] == counts[-1][1]
    pinned = slice(300, 350)
    np.testing.assert_array_equal(motion.coefficients[pinned], moved.coefficients[pinned])
    change = np.abs(motion.coefficients - base.coefficients).max(axis=1)
    assert change[: 300 - NEIGHBOURHOOD_FRAMES].max() == 0
    assert change[349 + NEIGHBOURHOOD_FRAMES + 1 :].max() == 0 and change[290:300].min() > 0


class Recorder(Runner):
    """Keeps the rows in `params`, and returns the number of the group everywhere."""

    def run_rows(self, rows, jobs):
        self.params.append(rows)
        number = len(self.params)
        return [
            Sample(
                np.full((job.window.frames, MOTION_DIMS), number, np.float32),
                {
                    name: np.full(job.window.frames, number % 2 > 0)
                    for name in ("keyframes_expression", "keyframes_head")
                },
            )
            for job in jobs
        ]


class Devices:
    """A mesh by its size."""

    def __init__(self, size):
        self.size = size


@pytest.mark.parametrize(("devices", "sizes"), [(1, [8, 8]), (2, [8, 2]), (3, [9, 3])])
def test_a_later_group_holds_the_earlier_one_up_to_the_border(devices, sizes):
    recorder, reported = Recorder(SYSTEM, [], Devices(devices), BUCKETS), []
    windows = [Window(start, start + 250) for start in range(0, 1351, 150)]
    long = utterance(windows[-1].stop)
    jobs = [Job(0, window, long, None) for window in windows]
    found = groups.sample_groups(recorder, jobs, known=None, report=reported.append)
    assert reported == [8 * 250, 2 * 250] and [len(rows) for rows in recorder.params] == sizes
    border = (windows[7].stop + windows[8].start) // 2
    np.testing.assert_array_equal(found.motion[:, 0], np.repeat([1, 2], [border, 1600 - border]))
    first, second = recorder.params
    assert [int(row.joint.before) for row in first[:8]] == [0] + [100] * 7
    assert [int(row.joint.after) for row in first[:8]] == [100] * 7 + [0]
    assert not any(row.joint.held.any() for row in (*first, *second[1:]))
    held = second[0].joint.held
    assert held.sum() == 50 and held[:50].all()
    assert (second[0].joint.motion[:50] == 1).all() and (second[0].keyframes[:50] == 1).all()
    assert (second[0].joint.motion[50:] == 0).all() and (second[0].keyframes[50:] == -1).all()
    if devices == 1:
        assert [bool(row.joint.present) for row in second] == [True] * 2 + [False] * 6
    else:
        assert second[0].joint.present is None
