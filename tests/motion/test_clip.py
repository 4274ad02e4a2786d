"""The motion value and its file."""

import json
import os
import zipfile

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion import clip as clip_module
from ksdiff_jax.motion import space
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MOTION_DIMS

FILE_KEYS = {
    "exp": (np.float32, (7, 50)),
    "global_orient": (np.float32, (7, 3)),
    "jaw_pose": (np.float32, (7, 3)),
    "neck_pose": (np.float32, (7, 3)),
    "eyes_pose": (np.float32, (7, 6)),
    "cam": (np.float32, (7, 3)),
    "shape": (np.float32, (100,)),
    "timestamps": (np.float64, (7,)),
    "fps": (np.float64, ()),
    "keyframes_expression": (np.bool_, (7,)),
    "keyframes_head": (np.bool_, (7,)),
    "keyframe_score_expression": (np.float32, (7,)),
    "keyframe_score_head": (np.float32, (7,)),
}


def coefficients(frames=7):
    return np.random.default_rng(0).normal(size=(frames, MOTION_DIMS)).astype(np.float32)


def clip(frames=7):
    keyframes = np.arange(frames) % 3 == 0
    return MotionClip.from_coefficients(
        coefficients(frames), tracks={"keyframes_head": keyframes}, meta={"seed": 5, "text": "né"}
    )


def test_a_saved_file_holds_every_documented_key_with_its_dtype_and_shape(tmp_path):
    clip().save(tmp_path / "a.motion.npz")
    with np.load(tmp_path / "a.motion.npz", allow_pickle=False) as archive:
        assert set(archive.files) == set(FILE_KEYS) | {"meta"}
        for key, (dtype, shape) in FILE_KEYS.items():
            assert archive[key].dtype == dtype and archive[key].shape == shape, key
        assert json.loads(str(archive["meta"]))["schema"] == "ksdiff-motion/1"


def test_a_file_gives_back_the_clip_bit_for_bit(tmp_path):
    saved = clip()
    loaded = MotionClip.load(saved.save(tmp_path / "a.motion.npz"))
    for key in FILE_KEYS:
        np.testing.assert_array_equal(getattr(loaded, key), getattr(saved, key))
    assert loaded.meta == saved.meta


def test_the_same_clip_makes_the_same_bytes(tmp_path):
    first, second = (clip().save(tmp_path / name).read_bytes() for name in ("a.npz", "b.npz"))
    assert first == second


def test_coefficients_are_sliced_by_the_layout():
    values = coefficients()
    made = MotionClip.from_coefficients(values)
    np.testing.assert_array_equal(made.jaw_pose, values[:, space.JAW])
    np.testing.assert_array_equal(made.coefficients, values)
    assert made.duration_s == pytest.approx(7 / 25) and made.timestamps[3] == pytest.approx(3 / 25)


def test_a_clip_cannot_be_changed_through_the_array_it_was_made_from():
    values = coefficients()
    made = MotionClip.from_coefficients(values)
    values[:] = 0
    assert np.any(made.exp != 0)
    with pytest.raises(ValueError):
        made.exp[0] = 1


def test_the_pose_of_a_reference_replaces_rotation_and_camera_alone():
    values, longer = coefficients(), np.random.default_rng(5).normal(size=(9, space.MOTION_DIMS))
    posed = MotionClip.from_coefficients(values).with_pose(MotionClip.from_coefficients(longer))
    expected = values.copy()
    for part in (space.ROTATION, space.CAMERA):
        expected[:, part] = longer[:7, part]
    np.testing.assert_allclose(posed.coefficients, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("frames", "fps", "what"),
    [(6, 25, "6 frames, 0.2 s; the motion has 7"), (9, 30, "30 frames per second, the motion has")],
)
def test_a_pose_of_another_length_or_rate_is_refused(frames, fps, what):
    reference = MotionClip.from_coefficients(np.zeros((frames, space.MOTION_DIMS)), fps=fps)
    with pytest.raises(InputError, match=f"^a.npz: {what}"):
        MotionClip.from_coefficients(coefficients()).with_pose(reference, source="a.npz")


def test_a_motion_of_the_basel_model_has_its_64_numbers_and_the_translation(tmp_path):
    values = np.random.default_rng(1).normal(size=(7, space.BFM.width)).astype(np.float32)
    made = MotionClip.from_coefficients(values, space="bfm")
    read = MotionClip.load(made.save(tmp_path / "b.motion.npz"))
    assert (read.space, read.exp.shape) == ("bfm", (7, 64))
    np.testing.assert_array_equal(read.cam, values[:, 70:])
    np.testing.assert_array_equal(read.coefficients, values)
    with pytest.raises(InputError, match=r"motion exp: got shape \(7, 64\), need \(7, 50\)"):
        MotionClip(**{name: getattr(made, name) for name in FILE_KEYS}, meta={"space": "builtin"})


def test_a_pose_whose_position_has_other_units_is_refused():
    other = MotionClip.from_coefficients(np.zeros((7, space.BFM.width)), space="bfm")
    with pytest.raises(InputError, match=r"a\.npz: a pose of the bfm space, the motion is of the"):
        MotionClip.from_coefficients(coefficients()).with_pose(other, source="a.npz")


def test_nan_is_rejected_with_its_field_named():
    values = coefficients()
    values[2, 53] = np.nan
    with pytest.raises(InputError, match="jaw_pose: 1 values are NaN"):
        MotionClip.from_coefficients(values)


def rewritten(path, **changes):
    """The file at `path` with some keys replaced (or dropped, where None)."""
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files} | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp": None}, "missing exp"),
        ({"exp": np.zeros((6, 50), np.float32)}, "need"),
        ({"meta": np.array('{"schema": "ksdiff-motion/9"}')}, "schema 'ksdiff-motion/9'"),
        ({"meta": np.array("not json")}, "not JSON"),
        ({"jaw_pose": np.array([["a"] * 3] * 7)}, "need numbers"),
        ({"exp": np.array([object()])}, "not a readable motion file"),
        ({"fps": np.float64(0)}, "positive"),
    ],
)
def test_a_file_that_is_not_sound_is_an_input_error_naming_it(tmp_path, changes, said):
    path = clip().save(tmp_path / "a.motion.npz")
    MotionClip.load(path)
    with pytest.raises(InputError, match=said) as caught:
        MotionClip.load(rewritten(path, **changes))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"plain text", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_archive_is_an_input_error(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="not a readable motion file"):
        MotionClip.load(tmp_path / "a.npz")


def test_missing_files_and_folders_are_input_errors(tmp_path):
    for path, said in ((tmp_path / "none.npz", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=said):
            MotionClip.load(path)


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused_unopened(tmp_path, monkeypatch):
    path = clip().save(tmp_path / "a.motion.npz")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(5_000_000))
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(clip_module, "MAX_FILE_BYTES", 4_000_000)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("the archive was opened"))
    with pytest.raises(InputError, match="unpacks to 5 MB"):
        MotionClip.load(path)


def test_a_name_of_any_bytes_among_the_facts_comes_back(tmp_path):
    name = os.fsdecode(b"caf\xe9") + " 日本"
    clip = MotionClip.from_coefficients(
        np.zeros((3, MOTION_DIMS), np.float32), meta={"checkpoint_name": name}
    )
    path = clip.save(tmp_path / (name + ".motion.npz"))
    assert MotionClip.load(path).meta["checkpoint_name"] == name
    with np.load(path) as file:
        str(file["meta"][()]).encode("utf-8")
