"""A mask of padding changes no metric; a gap is not a step."""

import numpy as np
import pytest

from ksdiff_jax.evaluate import beats, lips, pose
from ksdiff_jax.evaluate.blinks import clip_blinks
from ksdiff_jax.evaluate.head_speech import clip_pause_ratio
from ksdiff_jax.evaluate.jitter import head_jitter, jitter
from ksdiff_jax.evaluate.keyframes import match_keyframes
from ksdiff_jax.evaluate.mouth_landmarks import landmark_distance
from ksdiff_jax.evaluate.silence import silence_ratio, silence_speed
from ksdiff_jax.evaluate.spectrum import spectrum_distance
from ksdiff_jax.evaluate.speech_level import head_level_correlation, opening_level_correlation
from ksdiff_jax.evaluate.warping import warped_distance

FRAMES, PADDED = 40, 55
_random = np.random.default_rng(0)
POINTS, OTHERS = _random.normal(size=(2, PADDED, 4, 3))
TURNS = _random.normal(size=(2, PADDED, 3)).cumsum(axis=1) / 50
OPENINGS = _random.uniform(size=(2, PADDED))
GAPS = np.where(np.isin(np.arange(PADDED) % 23, [4, 5, 6]), 0.0, 1.0)[:, None].repeat(2, axis=1)
PAUSES = np.arange(PADDED) % 20 < 9
KEYFRAMES = _random.uniform(size=(2, PADDED)) < 0.2
PB = [slice(3, 6), slice(20, 23), slice(FRAMES - 2, FRAMES + 2), slice(50, 53)]


def cut(slices, frames):
    """The slices of a clip of so many frames."""
    return [slice(each.start, min(each.stop, frames)) for each in slices if each.start < frames]


METRICS = {
    "LVE": lambda n, **mask: lips.lip_vertex_error(POINTS[:n], OTHERS[:n], **mask),
    "FDD": lambda n, **mask: lips.dynamics_deviation(POINTS[:n], OTHERS[:n], OTHERS[0], **mask),
    "correlation": lambda n, **mask: lips.pearson(*OPENINGS[:, :n], **mask),
    "LMD": lambda n, **mask: landmark_distance(POINTS[:n], OTHERS[:n], **mask),
    "warped distance": lambda n, **mask: warped_distance(*OPENINGS[:, :n], **mask),
    "jitter": lambda n, **mask: jitter(POINTS[:n], fps=25.0, **mask),
    "head jitter": lambda n, **mask: head_jitter(TURNS[0, :n], fps=25.0, **mask),
    "silence": lambda n, **mask: silence_speed(OPENINGS[0, :n], PAUSES[:n], fps=25.0, **mask),
    "ratio": lambda n, **mask: silence_ratio(OPENINGS[0, :n], PAUSES[:n], fps=25.0, **mask),
    "over time": lambda n, **mask: pose.diversity_over_time(TURNS[0, :n], **mask),
    "between samples": lambda n, **mask: pose.diversity_between_samples(TURNS[:, :n], **mask),
    "spectrum": lambda n, **mask: spectrum_distance(*TURNS[:, :n], fps=25.0, **mask),
    "keyframes": lambda n, **mask: match_keyframes(*KEYFRAMES[:, :n], **mask),
    "closures": lambda n, **mask: lips.closures(0.05 * OPENINGS[0, :n], cut(PB, n), **mask),
    "above chance": lambda n, **mask: lips.closure_above_chance(
        0.05 * OPENINGS[0, :n], cut(PB, n), **mask
    ),
    "precision": lambda n, **mask: lips.justified_closures(*KEYFRAMES[:, :n], **mask),
    "blinks": lambda n, **mask: tuple(clip_blinks(GAPS[:n], fps=25.0, **mask).durations_s),
    "opening with the level": lambda n, **mask: opening_level_correlation(*OPENINGS[:, :n], **mask),
    "head with the level": lambda n, **mask: head_level_correlation(
        TURNS[0, :n], OPENINGS[0, :n], **mask
    ),
    "pause ratio": lambda n, **mask: clip_pause_ratio(TURNS[0, :n], PAUSES[:n], **mask),
    "beats": lambda n, **mask: tuple(beats.kinematic_beats(TURNS[0, :n], **mask)),
}


@pytest.mark.parametrize("name", METRICS)
def test_padding_that_a_mask_leaves_out_changes_no_metric(name):
    masked = METRICS[name](PADDED, mask=np.arange(PADDED) < FRAMES)
    assert masked == pytest.approx(METRICS[name](FRAMES), rel=1e-9)
    assert masked != pytest.approx(METRICS[name](PADDED), rel=1e-9)


def test_a_jump_across_masked_frames_is_not_a_step():
    mask = np.arange(20) != 10
    opening = np.where(np.arange(20) < 10, 0.0, 1.0)  # jumps where the mask has its gap
    assert silence_speed(opening, np.ones(20, bool), fps=25.0, mask=mask) == 0.0
    assert jitter(opening[:, None, None], fps=25.0, mask=mask) == 0.0
    assert jitter(opening[:, None, None], fps=25.0) > 0.0
