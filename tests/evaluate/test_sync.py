"""The trials of the lip-sync figures."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate import sync
from ksdiff_jax.models.sync.expert import Expert
from tests.data.clips import make_clip
from tests.models.sync.conftest import SHIFT, WINDOW, tiny  # noqa: F401
from tests.models.sync.plain import cosine

FRAMES = 30
WINDOWS = FRAMES - WINDOW + 1


@pytest.fixture
def expert(tiny) -> Expert:  # noqa: F811
    return Expert(*tiny)


def clip_with_pause(number: int, *, frames: int = FRAMES):
    """A random clip whose second half is silent."""
    clip = make_clip(number, frames=frames)
    loud = np.arange(len(clip.audio)) < len(clip.audio) // 2
    return dataclasses.replace(clip, audio=np.where(loud, clip.audio, 0).astype(np.int16))


def test_a_window_is_spoken_where_half_of_its_frames_are_loud():
    spoken = sync.spoken_windows(clip_with_pause(0), window=WINDOW)
    # Frames 0 to 14 are loud, so windows that start at 12 or before have three of six.
    assert spoken.tolist() == [start <= 12 for start in range(WINDOWS)]
    silence = dataclasses.replace(
        make_clip(1), audio=np.zeros(40 * SAMPLES_PER_MOTION_FRAME, np.int16)
    )
    assert not sync.spoken_windows(silence, window=WINDOW).any()
    assert len(sync.spoken_windows(make_clip(2, frames=WINDOW - 1), window=WINDOW)) == 0


def test_a_trial_is_won_where_the_true_motion_has_the_larger_cosine_of_two(expert):
    """The partner of each window is seen through a motion that equals its speech in one place."""
    clip, rng = clip_with_pause(3), np.random.default_rng(0)
    speech, motion = rng.normal(size=(2, WINDOWS, 5))
    found = sync._judged(expert, clip, speech, motion)
    for window in range(WINDOWS):
        true = cosine(speech[window], motion[window])
        others = [cosine(speech[window], motion[j]) for j in range(WINDOWS)]
        allowed = [c for j, c in enumerate(others) if abs(j - window) >= SHIFT]
        # Won for sure, or lost for sure, where it beats all or none of the allowed partners.
        if true > max(allowed):
            assert found.won[window] == 1
        if true < min(allowed):
            assert found.won[window] == 0
        assert found.probability[window] == pytest.approx((1 + true) / 2, abs=1e-3)
    near = np.array([[abs(i - j) < SHIFT for j in range(WINDOWS)] for i in range(WINDOWS)])
    vectors = np.where(near, 1.0, -1.0)  # of motion j: 1 in the components of its neighbours
    one_hot = np.eye(WINDOWS)
    assert sync._judged(expert, clip, one_hot, vectors).won.tolist() == [1.0] * WINDOWS
    assert sync._judged(expert, clip, one_hot, -vectors).won.tolist() == [0.0] * WINDOWS
    assert sync._judged(expert, clip, one_hot, np.ones((WINDOWS, WINDOWS))).won[0] == 0.5


def test_the_offset_of_a_motion_is_found_where_somebody_speaks():
    spoken = np.ones(40, bool)
    for late in (-3, 0, 5):
        cosine = np.eye(40, k=late)
        assert sync.best_offset(cosine, spoken) == late
    assert sync.best_offset(np.eye(40, k=4), np.zeros(40, bool)) == 0


def test_a_clip_is_judged_alike_beside_others_and_one_of_every_length_is_counted_once(expert):
    clips = [clip_with_pause(n, frames=frames) for n, frames in ((1, 30), (2, 4), (3, 24))]
    motions = [motion_of_clip(clip) for clip in clips]
    together = sync.judge(expert, clips, motions)
    for clip, motion, found in zip(clips, motions, together, strict=True):
        (alone,) = sync.judge(expert, [clip], [motion])
        assert len(found.won) == len(found.spoken) == max(0, clip.frames - WINDOW + 1)
        np.testing.assert_array_equal(found.won, alone.won)
        np.testing.assert_allclose(found.probability, alone.probability, rtol=1e-4)


def test_the_accuracy_on_held_out_pairs_that_a_checkpoint_records_is_among_the_figures(expert):
    recorded = {"held_out_accuracy": 0.9, "people": 7, "windows": 120, "loss": 0.1}
    recorded |= {"held_out_accuracy_low": 0.8, "held_out_accuracy_high": 0.96}
    known = expert._replace(recorded=recorded)
    clips = [clip_with_pause(1)]
    figures = sync.sync_figures(known, clips)
    assert {n: v for n, v in figures.items() if n.startswith("sync_held_out")} == {
        "sync_held_out_accuracy": 0.9,
        "sync_held_out_accuracy_low": 0.8,
        "sync_held_out_accuracy_high": 0.96,
        "sync_held_out_people": 7.0,
        "sync_held_out_windows": 120.0,
    }
    note = sync.accuracy_note(figures | {"sync_accuracy": 0.75})
    assert "tells 75.0 % of the true pairs" in note and "chance is 50 %" in note
    assert "of 7 people held out of its training 90.0 % [80.0, 96.0]" in note
    # a training run records its last validation
    trained = sync.held_out_figures(expert._replace(recorded={"sync_accuracy": 0.7}))
    assert trained == {"sync_held_out_accuracy": 0.7}
    assert "sync_held_out_accuracy" not in sync.sync_figures(expert, clips)
    unknown = sync.accuracy_note({"sync_accuracy": float("nan")})
    assert "an undefined share" in unknown and "records no accuracy on held-out pairs" in unknown


def test_the_figures_are_means_over_the_clips_that_can_be_judged(expert):
    clips = [clip_with_pause(n, frames=frames) for n, frames in ((1, 30), (2, 4), (3, 24))]
    figures = sync.sync_figures(expert, clips, [motion_of_clip(clip) for clip in clips])
    found = sync.judge(expert, clips, [motion_of_clip(clip) for clip in clips])
    shares = [j.won[j.spoken].mean() for j in (found[0], found[2])]
    assert figures["sync_accuracy"] == pytest.approx(np.mean(shares))
    assert figures["sync_clips"] == 2 and figures["sync_chance"] == 0.5
    assert "sync_accuracy_low" not in figures  # of two clips
    every = [j.won.mean() for j in (found[0], found[2])]
    assert figures["sync_accuracy_all"] == pytest.approx(np.mean(every))
    assert figures["sync_confidence"] == figures["sync_confidence_truth"]
    assert set(figures) - set(sync.sync_figures(expert, clips)) == {
        "sync_confidence",
        "sync_accuracy_predicted",
    }
