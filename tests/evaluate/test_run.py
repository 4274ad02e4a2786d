import numpy as np
import pytest

from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.run import (
    evaluate_clips,
    read_clips,
    swapped_predictions,
    true_predictions,
)
from ksdiff_jax.evaluate.scores import score
from ksdiff_jax.models.ksdiff.config import KeyframeConfig
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.evaluate.pretend import loudness_engine, talking_clip


@pytest.fixture(scope="module")
def clips():
    return [talking_clip(number, frames=50 + 10 * number) for number in range(4)]


def test_the_truth_scores_perfectly(clips):
    figures = score(clips, true_predictions(clips, keyframe_config=KeyframeConfig()))
    assert figures["lve_squared_m2"] == 0.0
    assert figures["lve_ratio"] == 0.0
    assert figures["fdd_m2"] == pytest.approx(0.0, abs=1e-12)
    for name in (
        "jaw_correlation",
        "jaw_correlation_pooled",
        "opening_correlation",
        "opening_correlation_pooled",
    ):
        assert figures[name] == pytest.approx(1.0)
    assert figures["closure_intervals"] == 12
    assert figures["closure_rate"] == figures["closure_rate_truth"] == 1.0
    assert figures["closure_precision"] == 1.0
    # this expression never moves: no keyframes to find
    assert figures["keyframe_expression_f1"] in (0.0, 1.0)
    assert figures["keyframe_head_f1"] == 1.0 > figures["keyframe_head_f1_random"]
    # these settings, without a model's path of the jaw, count it
    assert figures["keyframe_head_f1_with_jaw"] == 1.0 > figures["keyframe_head_f1_without_jaw"]
    assert figures["opening_warped_distance_mm"] == 0.0
    assert figures["lip_jitter_m_s3"] == figures["lip_jitter_truth_m_s3"] > 0.0
    assert figures["head_spectrum_distance_hz"] == 0.0
    assert figures["head_jitter_deg_s3"] == figures["head_jitter_truth_deg_s3"] > 0.0
    assert figures["diversity_of_angles_over_time_deg"] == pytest.approx(
        np.degrees(figures["diversity_over_time_rad"]),
        rel=1e-3,  # they turn about one axis
    )
    assert figures["beat_align"] == figures["beat_align_truth"]


def test_a_face_that_never_moves_fails(clips):
    frozen = []
    for clip in clips:
        motion = np.zeros((1, clip.frames, MOTION_DIMS), np.float32)
        motion[..., 53] = 0.1
        frozen.append(Prediction(motion, np.zeros(clip.frames, bool), np.zeros(clip.frames, bool)))
    figures = score(clips, frozen)
    assert figures["jaw_correlation"] == 0.0
    assert figures["lve_ratio"] >= 0.99  # no constant pose is better than the best one
    assert figures["closure_rate"] == 0.0
    assert figures["keyframe_head_f1"] == 0.0
    assert figures["diversity_over_time_rad"] == 0.0
    assert figures["beat_align"] == 0.0


def test_a_mouth_that_stays_shut_closes_in_every_bilabial_but_is_not_precise(clips):
    shut = [
        Prediction(
            np.zeros((1, c.frames, MOTION_DIMS), np.float32), *2 * [np.zeros(c.frames, bool)]
        )
        for c in clips
    ]
    figures = score(clips, shut, groups=("lips",))
    assert figures["closure_rate"] == 1.0
    assert figures["closure_precision"] < 0.8
    assert figures["closed_share"] == 1.0 > figures["closed_share_truth"]


def test_a_system_is_read_sampled_and_scored_from_shards(clips, tmp_path):
    write_dataset(
        tmp_path / "data", {"train": clips[:1], "test": clips}, licence="none", made_by="test"
    )
    engine, read = loudness_engine(), read_clips(tmp_path / "data", split="test")
    figures = evaluate_clips(engine, read, samples=2)
    assert figures["clips"] == 4
    assert figures["jaw_correlation"] > 0.999
    assert figures["lve_ratio"] < 0.01
    assert figures["lip_difference_mm"] == pytest.approx(0.0, abs=1e-4)
    assert figures["head_difference_deg"] > 1.0
    assert figures == evaluate_clips(loudness_engine(), read, samples=2)
    assert len(read_clips(tmp_path / "data", split="test", clips=2)) == 2
    with pytest.raises(InputError, match="validation"):
        read_clips(tmp_path / "data", split="validation")


def test_every_figure_is_a_plain_number(clips):
    figures = score(
        clips, [Prediction(motion_of_clip(c)[None], *2 * [np.zeros(c.frames, bool)]) for c in clips]
    )
    assert all(type(value) is float for value in figures.values())


def test_the_motion_of_other_clips_is_natural_and_to_other_words(clips):
    swapped = swapped_predictions(clips, keyframe_config=KeyframeConfig())
    assert [prediction.motion.shape for prediction in swapped] == [
        (1, clip.frames, MOTION_DIMS) for clip in clips
    ]
    for prediction, other in zip(swapped, [*clips[1:], clips[0]], strict=True):
        shared = min(prediction.motion.shape[1], other.frames)
        np.testing.assert_array_equal(prediction.motion[0, :shared], motion_of_clip(other)[:shared])
        assert prediction.keyframes_head.shape == prediction.motion.shape[1:2]
    figures = score(clips, swapped)
    assert figures["jaw_correlation"] < 0.5
    assert figures["diversity_over_time_rad"] == pytest.approx(
        figures["diversity_over_time_truth_rad"], rel=0.2
    )


def test_one_clip_has_no_other(clips):
    with pytest.raises(InputError, match="needs 2 or more"):
        swapped_predictions(clips[:1], keyframe_config=KeyframeConfig())
