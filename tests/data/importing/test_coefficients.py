"""Files of every tool are read by their keys; wrong ones are refused with the reason; none of their
content is executed.
"""

import collections
import io
import os
import pickle
import re
import warnings
import zipfile

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from scipy.spatial.transform import Rotation

from ksdiff_jax.data.importing.coefficients import read_coefficients
from ksdiff_jax.data.prepare.source import Rejected

T = 7


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.2, size=shape).astype(np.float32)


EXPRESSION, POSE, CAMERA, SHAPE = (
    numbers(T, 100),
    numbers(T, 6, seed=1),
    numbers(T, 3, seed=2),
    numbers(T, 300, seed=3),
)
DECA = {
    "exp": EXPRESSION[:, :50],
    "pose": POSE,
    "cam": CAMERA,
    "shape": SHAPE[:, :100],
    "tex": numbers(T, 50),
}
FILES = {
    "DECA": DECA,
    "DiffPoseTalk": {name: DECA[name] for name in ("exp", "pose", "shape")},
    "EMOCA": {
        "expcode": EXPRESSION[:, :50],
        "posecode": POSE,
        "cam": CAMERA,
        "shapecode": SHAPE[:, :100],
    },
    "EMICA": {
        "expcode": EXPRESSION,
        "globalpose": POSE[:, :3],
        "jawpose": POSE[:, 3:],
        "cam": CAMERA,
        "shapecode": SHAPE,
    },
    "SMIRK": {
        "expression_params": EXPRESSION[:, :50],
        "pose_params": POSE[:, :3],
        "jaw_params": POSE[:, 3:],
        "cam": CAMERA,
        "shape_params": SHAPE,
        "eyelid_params": numbers(T, 2),
    },
}


def read(tmp_path, content: dict, suffix: str = ".npz"):
    path = tmp_path / f"clip{suffix}"
    if suffix == ".npz":
        np.savez(path, **content)
    elif suffix == ".npy":
        np.save(path, content, allow_pickle=True)
    elif suffix == ".mat":
        scipy.io.savemat(path, content)
    else:
        path.write_bytes(pickle.dumps(content))
    return read_coefficients(path)


def refused(tmp_path, content: dict, suffix: str = ".npz") -> str:
    with pytest.raises(Rejected) as caught:
        read(tmp_path, content, suffix)
    assert caught.value.reason == "bad_coefficients" and "\n" not in caught.value.detail
    assert str(tmp_path) in caught.value.detail
    return caught.value.detail


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pkl", ".mat"])
@pytest.mark.parametrize("tool", FILES)
def test_each_flame_tool_is_recognised_in_every_kind_of_file(tmp_path, tool, suffix):
    got = read(tmp_path, FILES[tool], suffix)
    assert (got.tool, got.space, got.fps) == (tool, "flame", None)
    np.testing.assert_array_equal(got.expression, EXPRESSION[:, :50])
    np.testing.assert_array_equal(got.rotation, POSE[:, :3])
    np.testing.assert_array_equal(got.jaw, POSE[:, 3:])
    np.testing.assert_allclose(got.shape, np.median(SHAPE[:, :100], axis=0))
    camera = np.tile([1, 0, 0], (T, 1)) if tool == "DiffPoseTalk" else CAMERA
    np.testing.assert_array_equal(got.camera, camera)


def test_the_neck_of_vhap_turns_the_head_after_its_root(tmp_path):
    neck = numbers(T, 3, seed=5)
    content = {
        "expr": EXPRESSION,
        "rotation": POSE[:, :3],
        "neck_pose": neck,
        "jaw_pose": POSE[:, 3:],
    }
    content |= {"translation": CAMERA, "shape": SHAPE[0], "eyes_pose": numbers(T, 6)}
    got = read(tmp_path, content)
    matrices = (
        Rotation.from_rotvec(POSE[:, :3]).as_matrix() @ Rotation.from_rotvec(neck).as_matrix()
    )
    np.testing.assert_allclose(Rotation.from_rotvec(got.rotation).as_matrix(), matrices, atol=1e-6)
    np.testing.assert_array_equal(
        got.camera, np.column_stack([np.ones(T), CAMERA[:, :2]]).astype(np.float32)
    )
    np.testing.assert_array_equal(got.shape, SHAPE[0, :100])


def deep_rotation(angles: np.ndarray) -> np.ndarray:
    """Rz Ry Rx, written out."""
    matrices = []
    for x, y, z in angles:
        about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
        about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
        matrices.append(about_z @ about_y @ about_x)
    return np.stack(matrices)


def bfm_files() -> dict[str, dict]:
    coeff = numbers(T, 257, seed=6)
    crop = np.concatenate(
        [coeff[:, 80:144], coeff[:, 224:227], coeff[:, 254:257], numbers(T, 3)], axis=1
    )
    parts = {
        "id": coeff[:, :80],
        "exp": coeff[:, 80:144],
        "angle": coeff[:, 224:227],
        "trans": coeff[:, 254:257],
    }
    return {
        "Deep3DFaceRecon": {"coeff": coeff},
        "Deep3DFaceRecon, one key each": parts,
        "SadTalker": {"coeff_3dmm": crop, "full_3dmm": coeff[:1]},
    }


@pytest.mark.parametrize("tool", bfm_files())
def test_basel_coefficients_keep_their_space_and_their_angles_become_one_rotation(tmp_path, tool):
    coeff = bfm_files()["Deep3DFaceRecon"]["coeff"]
    got = read(tmp_path, bfm_files()[tool], ".mat")
    assert (got.tool, got.space) == (tool, "bfm")
    np.testing.assert_array_equal(got.expression, coeff[:, 80:144])
    np.testing.assert_array_equal(got.camera, coeff[:, 254:257])
    matrices = Rotation.from_rotvec(got.rotation).as_matrix()
    np.testing.assert_allclose(matrices, deep_rotation(coeff[:, 224:227]), atol=1e-6)
    identity = coeff[0, :80] if tool == "SadTalker" else np.median(coeff[:, :80], axis=0)
    np.testing.assert_allclose(got.shape, np.pad(identity, (0, 20)))
    assert not got.jaw.any()


def test_a_pickle_may_hold_one_dictionary_per_frame(tmp_path):
    frames = [{name: value[i : i + 1] for name, value in DECA.items()} for i in range(T)]
    want = read(tmp_path, DECA)
    by_name = collections.OrderedDict(
        (f"{i:05d}", collections.OrderedDict(frame)) for i, frame in enumerate(frames)
    )
    for content in (frames, tuple(frames), by_name):
        got = read(tmp_path, content, ".pkl")
        np.testing.assert_array_equal(got.rotation, want.rotation)
        np.testing.assert_array_equal(got.expression, want.expression)


def test_a_rate_in_the_file_is_used(tmp_path):
    assert read(tmp_path, DECA | {"fps": 30}).fps == 30.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exp": numbers(T, 40)}, r"exp has shape \(7, 40\); need \(frames, 50 or more\)"),
        ({"pose": numbers(T, 7)}, r"pose has shape \(7, 7\); need \(frames, 6\)"),
        ({"cam": numbers(T - 1, 3)}, "cam has 6 frames, exp 7"),
        ({"cam": np.array(["a"] * T)}, "cam holds .*; need numbers"),
        ({"exp": numbers(0, 50)}, r"exp has shape \(0, 50\)"),
        ({"fps": 0.0}, "fps is 0.0"),
        ({"fps": np.nan}, "fps is nan"),
        (
            {"exp": (DECA["exp"] * 100).astype(np.int8)},
            r"exp \(expression\) holds whole numbers \(int8\)",
        ),
        ({"exp": DECA["exp"] + 1j}, "exp holds complex"),
        ({"exp": DECA["exp"] > 0}, "exp holds bool; need numbers"),
        (
            {"exp": np.full((T, 50), np.inf, np.float16)},
            "holds NaN or infinite values in 7 of 7 frames",
        ),
        (
            {"exp": DECA["exp"].astype(np.float64) * 1e300},
            "holds NaN or infinite values in 7 of 7 frames",
        ),
        (
            {"pose": np.degrees(5 * DECA["pose"])},
            r"pose \(rotation\) turns by up to .* multiply by pi / 180",
        ),
        (
            {"pose": DECA["pose"] + np.eye(6, dtype=np.float32)[3] * 3},
            r"pose \(jaw\) turns by up to",
        ),
        (
            {"exp": DECA["exp"] * 1e30},
            r"exp \(expression\) reaches .*; such a coefficient is a few units",
        ),
        ({"pose": np.tile(np.eye(3), (T, 1, 1))}, "these are rotation matrices"),
        ({"pose": DECA["pose"].T[:, :5]}, "transposed"),
    ],
)
def test_what_does_not_fit_is_named_with_its_key_and_shape(tmp_path, changes, says):
    assert re.search(says, refused(tmp_path, DECA | changes))


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.astype(np.float64),
        lambda v: v.astype(">f4"),
        np.asfortranarray,
        lambda v: v[None],
        lambda v: v[None, :, None],
        lambda v: np.repeat(v, 2, axis=0)[::2],
    ],
    ids=["float64", "big endian", "Fortran order", "a batch axis", "two batch axes", "strides"],
)
@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pkl"])
def test_the_form_of_the_numbers_does_not_matter(tmp_path, change, suffix):
    got, want = (
        read(tmp_path, {key: change(value) for key, value in DECA.items()}, suffix),
        read(tmp_path, DECA),
    )
    np.testing.assert_array_equal(got.expression, want.expression)
    np.testing.assert_array_equal(got.rotation, want.rotation)


def test_a_camera_of_whole_numbers_is_one(tmp_path):
    assert read(tmp_path, DECA | {"cam": np.ones((T, 3), np.int64)}).camera.dtype == np.float32


def test_quaternions_are_named(tmp_path):
    assert "these are quaternions" in refused(
        tmp_path, FILES["SMIRK"] | {"pose_params": numbers(T, 4)}
    )


def test_a_face_that_never_moves_is_refused_but_not_a_short_one(tmp_path):
    still = {key: np.tile(value[:1], (30, 1)) for key, value in DECA.items()}
    assert "the same in all 30 frames; no face was followed" in refused(tmp_path, still)
    assert len(read(tmp_path, {key: value[:10] for key, value in still.items()}).expression) == 10


def test_nan_is_counted_in_frames(tmp_path):
    broken = DECA["pose"].copy()
    broken[2:4, 4] = np.nan
    assert "pose (jaw) holds NaN or infinite values in 2 of 7 frames, first in frame 2" in refused(
        tmp_path, DECA | {"pose": broken}
    )


def test_keys_of_no_tool_and_of_two_are_told_with_what_is_known(tmp_path):
    detail = refused(tmp_path, {"hello": numbers(3)})
    assert (
        "its keys hello are those of no known tool" in detail
        and "SMIRK: expression_params" in detail
    )
    assert "are those of EMOCA and of SMIRK" in refused(tmp_path, FILES["EMOCA"] | FILES["SMIRK"])


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hostile_was_here",)


@pytest.mark.parametrize("suffix", [".pkl", ".npy"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    detail = refused(tmp_path, DECA | {"exp": Hostile()}, suffix)
    assert "which no coefficient file needs; nothing of it was run" in detail
    assert not (tmp_path / "hostile_was_here").exists()


def test_an_npz_with_pickled_objects_is_refused(tmp_path):
    assert "not a readable coefficient file" in refused(
        tmp_path, DECA | {"exp": np.array([Hostile()])}
    )


def test_a_bare_array_is_refused_because_nothing_names_its_columns(tmp_path):
    np.save(tmp_path / "a.npy", numbers(T, 56))
    with pytest.raises(Rejected, match="no tool documents what its columns are"):
        read_coefficients(tmp_path / "a.npy")


def archive(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, array in members:
            stream = io.BytesIO()
            np.save(stream, array)
            out.writestr(f"{name}.npy", stream.getvalue())
    return path


def test_archives_of_two_minds_are_refused_and_other_members_do_not_matter(tmp_path):
    twice = archive(tmp_path / "twice.npz", [*DECA.items(), ("exp", 2 * DECA["exp"])])
    with pytest.raises(Rejected, match="holds 'exp' twice"):
        read_coefficients(twice)
    outside = archive(
        tmp_path / "outside.npz", [(f"../{key}", value) for key, value in DECA.items()]
    )
    with pytest.raises(Rejected, match="those of no known tool"):
        read_coefficients(outside)
    with zipfile.ZipFile(archive(tmp_path / "more.npz", DECA.items()), "a") as out:
        out.writestr("readme.txt", "hello")
        out.writestr("meta.npy", b"\x93NUMPY of another kind")
    np.testing.assert_array_equal(read_coefficients(tmp_path / "more.npz").jaw, DECA["pose"][:, 3:])


def test_a_header_that_python_2_wrote_is_read_without_a_warning(tmp_path):
    np.savez(tmp_path / "a.npz", **DECA)
    with zipfile.ZipFile(tmp_path / "two.npz", "w") as out:
        for key, value in DECA.items():
            stream = io.BytesIO()
            np.save(stream, value)
            header = f"({T}L, {value.shape[1]}L), }}".encode()
            plain = f"({T}, {value.shape[1]}), }}".encode()
            out.writestr(f"{key}.npy", stream.getvalue().replace(plain + b"  ", header))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(
            read_coefficients(tmp_path / "two.npz").expression, DECA["exp"]
        )


def test_a_password_and_a_shape_beyond_the_file_are_named(tmp_path):
    path = archive(tmp_path / "a.npz", DECA.items())
    locked = bytearray(path.read_bytes())
    locked[locked.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.npz").write_bytes(locked)
    with pytest.raises(Rejected, match="encrypted with a password"):
        read_coefficients(tmp_path / "locked.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 50)}
    )
    with zipfile.ZipFile(tmp_path / "vast.npz", "w") as out:
        out.writestr("exp.npy", header.getvalue())
    with pytest.raises(Rejected, match="exp is not of the size it states"):
        read_coefficients(tmp_path / "vast.npz")


def test_what_a_file_is_follows_from_its_content(tmp_path):
    np.savez(tmp_path / "a.npz", **DECA)
    np.save(tmp_path / "a.npy", DECA, allow_pickle=True)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(DECA))
    for suffix in (".npz", ".npy", ".pkl"):
        for ending in (".npz", ".npy", ".pkl", ".NPZ", ".pickle"):
            path = tmp_path / f"{suffix[1:]}_as{ending}"
            path.write_bytes((tmp_path / f"a{suffix}").read_bytes())
            np.testing.assert_array_equal(read_coefficients(path).expression, DECA["exp"])


def test_matlab_files_of_other_kinds(tmp_path):
    coeff = numbers(T, 257)
    scipy.io.savemat(tmp_path / "four.mat", {"coeff": coeff}, format="4")
    np.testing.assert_array_equal(
        read_coefficients(tmp_path / "four.mat").expression, coeff[:, 80:144]
    )
    vast = bytearray((tmp_path / "four.mat").read_bytes())
    vast[4:8] = (2 * 10**9).to_bytes(4, "little")
    (tmp_path / "vast.mat").write_bytes(vast)
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(600, b" "))
    scipy.io.savemat(tmp_path / "struct.mat", {"coeff": {"a": coeff}})
    scipy.io.savemat(tmp_path / "cell.mat", {"coeff": np.array([coeff[0], "x"], object)})
    scipy.io.savemat(tmp_path / "sparse.mat", {"coeff": scipy.sparse.csc_matrix((10**6, 10**6))})
    for name, said in (
        ("vast", "ends early"),
        ("new", "'-v7'"),
        ("struct", "coeff is a struct"),
        ("cell", "coeff is a cell array"),
        ("sparse", "unpacks to 8000000 MB"),
    ):
        with pytest.raises(Rejected, match=said):
            read_coefficients(tmp_path / f"{name}.mat")


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("ksdiff_jax.data.importing.arrays.MAX_BYTES", 3_000_000)
    np.savez_compressed(tmp_path / "bomb.npz", exp=np.zeros(5_000_000, np.uint8))
    with pytest.raises(Rejected, match="unpacks to 5 MB"):
        read_coefficients(tmp_path / "bomb.npz")


def test_a_mat_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("ksdiff_jax.data.importing.arrays.MAX_BYTES", 3_000_000)
    scipy.io.savemat(tmp_path / "bomb.mat", {"coeff": np.zeros((2000, 257))}, do_compression=True)
    with pytest.raises(Rejected, match=r"unpacks to \d+ MB"):
        read_coefficients(tmp_path / "bomb.mat")


def test_a_compressed_mat_is_read(tmp_path):
    coeff = numbers(T, 257)
    scipy.io.savemat(tmp_path / "a.mat", {"coeff": coeff}, do_compression=True)
    np.testing.assert_array_equal(
        read_coefficients(tmp_path / "a.mat").expression, coeff[:, 80:144]
    )


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pkl", ".mat"])
def test_damaged_empty_and_missing_files_are_refused_in_one_line(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    for content in (None, b"", b"garbage" * 50):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(Rejected) as caught:
            read_coefficients(path)
        assert caught.value.reason == "bad_coefficients" and "\n" not in caught.value.detail
