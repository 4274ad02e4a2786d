"""From a video to clips, with a scripted tracker that returns landmarks of a talking built-in
head.
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.audio.waveform import read_recording, write_wav
from ksdiff_jax.data.prepare import track
from ksdiff_jax.data.prepare.source import Cut, Rejected, Settings, Source
from ksdiff_jax.data.prepare.track import (
    clips_of_video,
    face_and_landmarks,
    part_of_face,
    shared_part,
    stretches,
)
from ksdiff_jax.data.schema import check_clip
from ksdiff_jax.data.tracking.follow import FollowedFace
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face
from ksdiff_jax.face.fit import FaceFit
from ksdiff_jax.face.landmarks import HeadPose, builtin_landmarks, landmark_model, posed_landmarks
from tests.data.tracking.scripted import ScriptedTracker, face_at
from tests.data.tracking.videos import noise_pictures, write_video

SECONDS, CENTRE, SIDE = 3.2, (48, 32), 20
ALONE = ((face_at(*CENTRE, SIDE),),)


def _rotation(times_s):
    return np.stack(
        [0.05 * np.sin(2 * times_s), 0.2 * np.sin(1.5 * times_s), 0 * times_s], axis=1
    ).astype(np.float32)


def _seen(times_s, *, jaw_rad=0.12):
    """Landmarks (n, 478, 3) in pixels of a head that turns and says "ba ba ba"."""
    model = landmark_model(builtin_face(), builtin_landmarks())
    jaw = np.zeros((len(times_s), 3), np.float32)
    jaw[:, 0] = jaw_rad * np.clip(np.sin(2 * np.pi * 2 * times_s), 0, 1)
    still = np.zeros((len(times_s), 50), np.float32)
    pose = HeadPose(still, _rotation(times_s), jaw, np.ones((len(times_s), 3), np.float32))
    points = np.asarray(posed_landmarks(model, pose, np.zeros(100, np.float32)))
    pixels = np.concatenate([points, np.zeros((len(times_s), 10, 3))], axis=1)
    return pixels * [100, -100, 0] + [*CENTRE, 0]


def _sound():
    t = np.arange(round(16_000 * SECONDS)) / 16_000
    return (0.2 * np.clip(np.sin(2 * np.pi * 2 * t), 0, 1) * np.sin(2 * np.pi * 220 * t)).astype(
        np.float32
    )


@pytest.fixture
def scripted(monkeypatch):
    """Call with a script of landmarks to have it seen in place of the real tracker."""

    def use(landmarks, looks=ALONE):
        corner = (CENTRE[0] - SIDE, CENTRE[1] - SIDE)
        monkeypatch.setattr(
            track, "Tracker", lambda python: ScriptedTracker(looks, landmarks, corner=corner)
        )

    return use


@pytest.fixture
def fitted(monkeypatch):
    """Call to have every fit end with this jaw (radians, swinging) and this error, without the
    work.
    """

    def use(*, jaw_rad, error):
        def fit(model, seen, weights):
            frames = len(seen)
            jaw = np.zeros((frames, 3), np.float32)
            jaw[:, 0] = jaw_rad * (np.arange(frames) % 8 < 4)
            still = np.zeros((frames, 3), np.float32)
            pose = HeadPose(np.zeros((frames, 50), np.float32), still, jaw, still + 9)
            return FaceFit(pose, np.zeros(100, np.float32), np.full(frames, error, np.float32))

        monkeypatch.setattr(track, "fit_landmarks", fit)

    return use


def _video(folder, times_s, *, sound=True):
    pictures = noise_pictures(len(times_s))
    return str(write_video(folder / "v.mp4", pictures, times_s, sound=_sound() if sound else None))


def test_a_video_of_uneven_rate_becomes_a_clip_at_25_hz(scripted, tmp_path):
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.025, 0.042, 95))
    times_s -= times_s[0]
    scripted(_seen(times_s))
    (tmp_path / "v.txt").write_text("ba ba ba", encoding="utf-8")
    source = Source("v", video=_video(tmp_path, times_s), speaker_id="she", language="en")
    outcome = clips_of_video(source, Settings())
    (clip,), rejections, cut, *_ = outcome
    check_clip(clip)
    assert rejections == ()
    over_s = times_s[-1] + np.median(np.diff(times_s)) - SECONDS
    assert (
        cut.motion_tail_s == pytest.approx(over_s, abs=2e-3)
        and cut.sound_s == 0 == cut.motion_head_s
    )
    assert (clip.fps, clip.speaker_id, clip.transcript) == (25, "she", "ba ba ba")
    assert clip.frames == int(min(times_s[-1] + 0.04, SECONDS) * 25)
    true = Rotation.from_rotvec(_rotation(np.arange(clip.frames) / 25))
    assert np.degrees((Rotation.from_rotvec(clip.rotation) * true.inv()).magnitude()).max() < 1.5
    opens = np.clip(np.sin(2 * np.pi * 2 * np.arange(clip.frames) / 25), 0, 1)
    assert np.corrcoef(clip.jaw[:, 0], opens)[0, 1] > 0.95
    assert clip.measures["reprojection_error"] < 0.01
    # The sound is no speech, from which an offset could be told for sure.
    (offset,) = outcome.offsets
    assert offset.take_id == "v@0.00" and offset.corrected_s == 0


def test_a_still_mouth_under_speech_is_rejected(scripted, fitted, tmp_path):
    times_s = np.arange(96) / 30
    scripted(_seen(times_s))
    fitted(jaw_rad=0.0, error=0.005)
    outcome = clips_of_video(Source("v", video=_video(tmp_path, times_s)), Settings())
    assert [r.reason for r in outcome.rejections] == ["silent_speaker"]


@pytest.mark.parametrize("error", [0.031, np.nan])
def test_what_the_face_model_does_not_fit_is_bad_tracking(scripted, fitted, tmp_path, error):
    times_s = np.arange(96) / 30
    scripted(_seen(times_s))
    fitted(jaw_rad=0.1, error=error)
    outcome = clips_of_video(Source("v", video=_video(tmp_path, times_s)), Settings())
    assert [r.reason for r in outcome.rejections] == ["bad_tracking"]


@pytest.mark.parametrize(
    ("looks", "reason"),
    [([[]], "no_face"), ([[face_at(20, 32, 20), face_at(70, 32, 20)]], "two_faces")],
)
def test_shots_without_one_face_are_counted(scripted, tmp_path, looks, reason):
    scripted([], looks)
    outcome = clips_of_video(Source("v", video=_video(tmp_path, np.arange(96) / 30)), Settings())
    assert outcome.clips == ()
    assert [(r.clip_id, r.reason) for r in outcome.rejections] == [("v@0.00", reason)]


def test_a_short_shot_is_counted(scripted, tmp_path):
    scripted([])
    outcome = clips_of_video(
        Source("v", video=_video(tmp_path, np.arange(96) / 30)), Settings(min_s=5.0)
    )
    assert [r.reason for r in outcome.rejections] == ["too_short"]


def _rejected(source) -> Rejected:
    with pytest.raises(Rejected) as caught:
        clips_of_video(source, Settings())
    return caught.value


def test_a_silent_video_takes_its_sound_from_beside_or_is_rejected(scripted, fitted, tmp_path):
    times_s = np.arange(96) / 30
    video = _video(tmp_path, times_s, sound=False)
    assert _rejected(Source("v", video=video)).reason == "no_sound"
    write_wav(tmp_path / "v.wav", _sound())
    scripted(_seen(times_s))
    fitted(jaw_rad=0.1, error=0.005)
    assert clips_of_video(Source("v", video=video, audio=str(tmp_path / "v.wav")), Settings()).clips


def test_sound_of_another_length_is_rejected(scripted, tmp_path):
    video = _video(tmp_path, np.arange(96) / 30, sound=False)
    write_wav(tmp_path / "v.wav", np.ones(16_000 * 8, np.float32) * 0.1)
    scripted([])
    rejected = _rejected(Source("v", video=video, audio=str(tmp_path / "v.wav")))
    assert rejected.reason == "length_mismatch"
    assert "8.00 s" in rejected.detail


@pytest.mark.parametrize("content", [b"", b"no video " * 100])
def test_what_is_no_video_is_unreadable(content, tmp_path, scripted):
    scripted([])
    (tmp_path / "v.mp4").write_bytes(content)
    rejected = _rejected(Source("v", video=str(tmp_path / "v.mp4")))
    assert rejected.reason == "unreadable" and "sound" not in rejected.detail


def test_a_face_lost_for_long_ends_the_stretch():
    landmarks = np.zeros((120, 478, 2), np.float32)
    landmarks[10:14] = np.nan  # 0.13 s: bridged
    landmarks[60:80] = np.nan
    parts = stretches(FollowedFace(np.arange(120) / 30, landmarks))
    assert [(part.times_s[0], len(part.times_s)) for part in parts] == [(0, 60), (80 / 30, 40)]
    assert (
        stretches(FollowedFace(np.arange(9) / 30, np.full((9, 478, 2), np.nan, np.float32))) == []
    )


def test_long_stretches_are_divided():
    parts = stretches(FollowedFace(np.arange(3000) / 30, np.zeros((3000, 478, 2), np.float32)))
    assert len(parts) == 3
    assert sum(len(part.times_s) for part in parts) == 3000


def test_another_face_needs_its_landmarks():
    with pytest.raises(InputError, match="mediapipe_landmark_embedding"):
        face_and_landmarks(Settings(face="flame.npz"))


def test_pictures_without_sound_are_cut_and_stretched_only_if_asked(tmp_path):
    """4.0 s of pictures beside 3.2 s of sound."""
    times_s = np.arange(100) / 25
    write_wav(tmp_path / "v.wav", _sound())
    source = Source("v", video="v.mp4", audio=str(tmp_path / "v.wav"))
    face = FollowedFace(times_s, np.zeros((100, 478, 2), np.float32))
    with pytest.raises(Rejected, match="--stretch"):  # 96 pictures at 30 a second would be 3.2 s
        shared_part(times_s[:96], read_recording(source.audio), source, stretch=False)
    for stretch, cut, kept in ((False, Cut(motion_tail_s=0.8), 80), (True, Cut(stretch=0.8), 100)):
        shared, found = shared_part(times_s, read_recording(source.audio), source, stretch=stretch)
        assert found == pytest.approx(cut, abs=1e-3)
        part = part_of_face(face, shared, stretch=found.stretch)
        assert len(part.times_s) == kept and part.times_s[-1] < 3.2
    own = Source("v", video="v.mp4")  # one clock: cut, however much
    assert shared_part(times_s[:50], read_recording(source.audio), own, stretch=True)[1] == Cut(
        sound_tail_s=1.2
    )


def test_clips_have_crops_of_their_face_where_pictures_are_asked_for(scripted, fitted, tmp_path):
    times_s = np.arange(80) / 25
    scripted(_seen(times_s, jaw_rad=0.0))
    fitted(jaw_rad=0.1, error=0.001)
    source = Source("v", video=_video(tmp_path, times_s))
    (clip,) = clips_of_video(source, Settings(pictures=32, max_s=2.5, offset="keep")).clips[:1]
    check_clip(clip)
    assert clip.frames < len(times_s)  # it was cut in two
    assert (len(clip.pictures), clip.pictures.side) == (clip.frames, 32)
    assert clip.pictures[clip.frames - 1].shape == (32, 32, 3)
    centre = clip.pictures.boxes[:, :2] + clip.pictures.boxes[:, 2:] / 2
    assert np.abs(centre - CENTRE).max() < SIDE
