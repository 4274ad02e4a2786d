"""The real tracker on real videos, and on a video of the built-in head with known motion."""

import numpy as np
import pytest

from ksdiff_jax.data.prepare.source import Settings, Source
from ksdiff_jax.data.prepare.track import clips_of_video
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tracking.tracker import tracker_python
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening

LARGEST_LAG_FRAMES = 4


@pytest.fixture(scope="module", autouse=True)
def tracker():
    try:
        tracker_python()
    except InputError:
        pytest.skip("no face tracker here; `make tracker` installs it")


def _opening(clip: Clip) -> np.ndarray:
    face = builtin_face()
    vertices = face_vertices(face, clip.expression, shape=clip.shape, jaw_pose=clip.jaw)
    return np.asarray(mouth_opening(face, vertices)) / face_height(face)


def _correlation(ours: np.ndarray, measured: np.ndarray) -> float:
    """Pearson's r at the best shift: one of the reference clips begins two frames into its
    video.
    """
    count = min(len(ours), len(measured)) - LARGEST_LAG_FRAMES
    shifts = range(LARGEST_LAG_FRAMES + 1)
    pairs = [(ours[k : count + k], measured[:count]) for k in shifts]
    pairs += [(ours[:count], measured[k : count + k]) for k in shifts]
    return max(float(np.corrcoef(a, b)[0, 1]) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bbaf2n", "brbk7n", "lbax4n", "lwbsza", "swiz3n"])
def test_real_mouths_are_followed(name, shared_data):
    video = shared_data / "video" / f"grid_{name}.mpg"
    (clip,), rejections, *_ = clips_of_video(Source(name, video=str(video)), Settings())
    assert rejections == ()
    measured = np.load(shared_data / "lips" / f"grid_{name}.npz")["opening"]
    assert _correlation(_opening(clip), measured) >= 0.95
    assert clip.measures["reprojection_error"] < 0.01


@pytest.mark.slow
def test_a_speech_of_26_seconds_is_followed_and_cut(shared_data):
    source = Source(
        "speech",
        video=str(shared_data / "video" / "styletalk_reagan_clip1.mp4"),
        audio=str(shared_data / "audio" / "styletalk_reagan_clip1_16k.wav"),
    )
    clips, rejections, *_ = clips_of_video(source, Settings())
    assert rejections == ()
    assert max(clip.duration_s for clip in clips) <= 20
    measured = np.load(shared_data / "lips" / "styletalk_reagan_clip1.npz")["opening"]
    assert _correlation(np.concatenate([_opening(clip) for clip in clips]), measured) >= 0.95


@pytest.mark.slow
def test_a_video_of_the_built_in_head_gives_its_motion_back(tmp_path):
    """Rendered, encoded, seen by MediaPipe, fitted: rotation and mouth come out as they went in."""
    from ksdiff_jax.audio.waveform import to_int16, write_wav
    from ksdiff_jax.export.picture import picture_form, pictures
    from ksdiff_jax.export.soundtrack import soundtrack
    from ksdiff_jax.export.video import VideoForm, write_video

    face, t = builtin_face(), np.arange(75) / 25
    rotation = np.stack(
        [0.08 * np.sin(2 * t), 0.2 * np.sin(1.7 * t), 0.06 * np.sin(2.3 * t)], axis=1
    )
    jaw = np.zeros((75, 3), np.float32)
    jaw[:, 0] = 0.12 * np.clip(np.sin(2 * np.pi * 1.5 * t), 0, 1)
    still = np.zeros((75, 50), np.float32)
    vertices = np.asarray(
        face_vertices(face, still, global_orient=rotation.astype(np.float32), jaw_pose=jaw)
    )
    sound = 0.1 * np.sin(np.arange(48_000) / 20).astype(np.float32)
    assert to_int16(sound).any()
    write_wav(tmp_path / "v.wav", sound)
    video, sound = tmp_path / "v.mp4", soundtrack(tmp_path / "v.wav")
    drawn = pictures([vertices], face, picture_form())
    write_video(video, drawn, form=VideoForm(75, 25), sound=sound)
    (clip,), *_ = clips_of_video(Source("head", video=str(video)), Settings())
    true = np.asarray(mouth_opening(face, face_vertices(face, still, jaw_pose=jaw))) / face_height(
        face
    )
    # 0.929; the tree before the present teeth had 0.963, at a deviation of the opening of 0.0184 in
    # place of 0.0213 (true: 0.0249). Real mouths are held to 0.95.
    assert _correlation(_opening(clip), true) > 0.9
    for axis in range(3):
        assert np.corrcoef(clip.rotation[:75, axis], rotation[: clip.frames, axis])[0, 1] > 0.95
    turned = np.degrees(
        np.abs(clip.rotation - clip.rotation.mean(0) - rotation[: clip.frames] + rotation.mean(0))
    )
    assert turned.mean() < 2
