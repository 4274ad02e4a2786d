"""Coefficient files with their sound become clips at 25 Hz, for real and synthetic files."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation, Slerp

from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.data.importing.clip import clip_of_coefficients
from ksdiff_jax.data.prepare.source import Cut, Rejected, Settings, Source
from ksdiff_jax.data.schema import check_clip, decode_clip, encode_clip
from ksdiff_jax.data.tracking.video import Frame


@pytest.fixture
def reagan(shared_data) -> Source:
    return Source(
        "reagan",
        audio=str(shared_data / "audio/styletalk_reagan_clip1_16k.wav"),
        coefficients=str(shared_data / "coeffs/styletalk_reagan_clip1.mat"),
    )


def test_real_basel_coefficients_become_clips_whose_rotation_is_that_of_the_file(reagan):
    outcome = clip_of_coefficients(reagan, Settings(coefficient_fps=30.0))
    assert not outcome.rejections and sum(clip.frames for clip in outcome.clips) == 650
    angles = scipy.io.loadmat(reagan.coefficients)["coeff"][:, 224:227]
    head = Slerp(np.arange(len(angles)) / 30, Rotation.from_euler("xyz", angles))
    for clip in outcome.clips:
        check_clip(clip)
        assert (
            clip.space == "bfm"
            and clip.frames <= 500
            and clip.prosody.shape == (2 * clip.frames, 2)
        )
        times_s = np.minimum(
            clip.measures["start_s"] + np.arange(clip.frames) / 25, (len(angles) - 1) / 30
        )
        assert (Rotation.from_rotvec(clip.rotation).inv() * head(times_s)).magnitude().max() < 1e-3
        np.testing.assert_array_equal(decode_clip(encode_clip(clip)).expression, clip.expression)


def test_a_wrong_rate_is_told_with_both_lengths_and_the_one_that_fits(reagan):
    with pytest.raises(Rejected) as caught:
        clip_of_coefficients(reagan, Settings())
    assert caught.value.reason == "length_mismatch"
    for part in ("780 frames at 25 fps", "31.20 s", "26.01 s", "30 fps would fit"):
        assert part in caught.value.detail


def made(tmp_path, *, frames: int, seconds: float, **extra) -> Source:
    rng = np.random.default_rng(0)
    arrays = {"exp": rng.normal(size=(frames, 50)), "pose": rng.normal(scale=0.1, size=(frames, 6))}
    np.savez(tmp_path / "a.npz", **arrays, shape=np.zeros(100), cam=np.ones((frames, 3)), **extra)
    write_wav(tmp_path / "a.wav", rng.uniform(-0.3, 0.3, round(16000 * seconds)).astype(np.float32))
    return Source("a", audio=str(tmp_path / "a.wav"), coefficients=str(tmp_path / "a.npz"))


def test_the_rate_in_the_file_is_believed_before_the_default_and_after_the_settings(tmp_path):
    source = made(tmp_path, frames=100, seconds=2.0, fps=50.0)
    assert clip_of_coefficients(source, Settings()).clips[0].frames == 50
    with pytest.raises(Rejected, match="as requested"):
        clip_of_coefficients(source, Settings(coefficient_fps=25.0))


def test_at_25_hz_the_numbers_are_those_of_the_file(tmp_path):
    source = made(tmp_path, frames=75, seconds=3.0)
    (clip,) = clip_of_coefficients(source, Settings()).clips
    with np.load(source.coefficients) as file:
        np.testing.assert_allclose(clip.expression, file["exp"], atol=1e-5)
        np.testing.assert_allclose(clip.jaw, file["pose"][:, 3:], atol=1e-5)
    assert clip.source == "DECA, a.npz: a" and clip.clip_id == "a@0.00"


def test_only_the_part_that_is_meant_becomes_a_clip(tmp_path):
    source = made(tmp_path, frames=100, seconds=4.0)
    (clip,) = clip_of_coefficients(replace(source, start_s=1.0, end_s=3.0), Settings()).clips
    with np.load(source.coefficients) as file:
        np.testing.assert_allclose(clip.expression, file["exp"][25:75], atol=1e-5)
    assert clip.frames == 50 and len(clip.audio) == 32000


def test_motion_without_sound_and_motion_that_is_too_short_are_refused(tmp_path):
    source = made(tmp_path, frames=20, seconds=0.8)
    with pytest.raises(Rejected) as caught:
        clip_of_coefficients(source, Settings())
    assert caught.value.reason == "too_short" and "0.80 s; need 1 s" in caught.value.detail
    with pytest.raises(Rejected) as caught:
        clip_of_coefficients(Source("a", coefficients=source.coefficients), Settings())
    assert caught.value.reason == "no_sound"


def test_real_coefficients_beside_their_silent_video_take_its_rate(reagan, shared_data):
    source = replace(reagan, video=str(shared_data / "video/styletalk_reagan_clip1.mp4"))
    outcome = clip_of_coefficients(source, Settings())
    assert abs(sum(clip.frames for clip in outcome.clips) - 650) <= 1 and not outcome.rejections


def test_frames_of_a_variable_rate_are_taken_at_the_instants_of_the_video(tmp_path, monkeypatch):
    source = replace(made(tmp_path, frames=75, seconds=3.0), video="phone.mp4")
    times_s = np.concatenate([[0.0], np.cumsum(np.random.default_rng(1).uniform(0.03, 0.05, 74))])
    times_s *= 2.96 / times_s[-1]
    seen = [Frame(float(time_s), None) for time_s in times_s]
    monkeypatch.setattr("ksdiff_jax.data.importing.clip.video_frames", lambda _: iter(seen))
    (clip,) = clip_of_coefficients(source, Settings()).clips
    with np.load(source.coefficients) as file:
        want = np.stack(
            [np.interp(np.arange(clip.frames) / 25, times_s, column) for column in file["exp"].T],
            axis=1,
        )
    np.testing.assert_allclose(clip.expression, want, atol=1e-5)


def test_sound_and_motion_are_cut_to_their_common_part_and_it_is_told(tmp_path):
    outcome = clip_of_coefficients(made(tmp_path, frames=100, seconds=5.0), Settings())
    assert [clip.frames for clip in outcome.clips] == [100] and not outcome.rejections
    assert outcome.cut == Cut(sound_tail_s=1.0)
    outcome = clip_of_coefficients(made(tmp_path, frames=100, seconds=3.5), Settings())
    assert [clip.frames for clip in outcome.clips] == [87] and outcome.cut == Cut(motion_tail_s=0.5)


def test_words_without_times_are_left_out_where_much_of_the_sound_is_cut(tmp_path):
    source = replace(made(tmp_path, frames=100, seconds=5.0), transcript="all of it")
    assert clip_of_coefficients(source, Settings()).clips[0].transcript == ""
    source = replace(made(tmp_path, frames=100, seconds=4.1), transcript="all of it")
    assert clip_of_coefficients(source, Settings()).clips[0].transcript == "all of it"


def test_motion_is_stretched_to_the_sound_only_if_asked(tmp_path):
    """100 frames at 25 a second under 4.8 s of sound: frame k is shown at k / 25 x 1.2 s."""
    source = made(tmp_path, frames=100, seconds=4.8)
    assert clip_of_coefficients(source, Settings()).cut == Cut(sound_tail_s=0.8)
    outcome = clip_of_coefficients(source, Settings(stretch=True))
    assert outcome.cut == Cut(stretch=1.2) and outcome.clips[0].frames == 120
    with np.load(source.coefficients) as file:
        want = np.stack(
            [np.interp(np.arange(115) / 25 / 1.2, np.arange(100) / 25, c) for c in file["exp"].T],
            axis=1,
        )
    np.testing.assert_allclose(outcome.clips[0].expression[:115], want, atol=1e-4)
