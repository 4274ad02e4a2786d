"""FLAME files: read if valid, otherwise refused with one line, and never executed."""

import gzip
import io
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
import scipy.sparse

from ksdiff_jax.errors import InputError
from ksdiff_jax.face import face_vertices, load_face, mouth_opening
from tests.face.test_model import posed, random_face, random_frames, vertices_by_loop


def flame_arrays(face) -> dict[str, np.ndarray]:
    """The arrays of a FLAME file for a random face: 300 + 100 directions, of which ours are 0-99
    and 300-349.
    """
    vertices = len(face.template)
    directions = np.random.default_rng(5).normal(size=(vertices, 3, 400))
    directions[:, :, :100] = face.shape_directions.transpose(1, 2, 0)
    directions[:, :, 300:350] = face.expression_directions.transpose(1, 2, 0)
    return {
        "v_template": face.template.astype(np.float64),
        "shapedirs": directions,
        "posedirs": face.pose_correctives.transpose(1, 2, 0).astype(np.float64),
        "J_regressor": face.joint_regressor.astype(np.float64),
        "weights": face.skinning_weights.astype(np.float64),
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.int64),
        "f": face.faces.astype(np.uint32),
    }


def our_regions() -> dict[str, np.ndarray]:
    regions = {
        f"region_{name}": np.array([0, 1, 2]) for name in ("lips", "upper_face", "eyes", "neck")
    }
    return {**regions, "inner_lip_pairs": np.array([[0, 1]]), "height_pair": np.array([2, 3])}


def assert_same_face(loaded, face):
    expression, shape, pose = random_frames(2)
    got = np.asarray(posed(loaded, expression, shape, pose))
    for n in range(2):
        np.testing.assert_allclose(
            got[n], vertices_by_loop(face, expression[n], shape, pose[n]), atol=2e-4
        )


def test_an_npz_is_read_as_the_model_it_holds(tmp_path):
    face = random_face()
    np.savez(tmp_path / "flame.npz", **flame_arrays(face), **our_regions())
    assert_same_face(load_face(tmp_path / "flame.npz"), face)


@pytest.fixture
def foreign_modules(monkeypatch):
    """Modules under the names that FLAME's pickle refers to, only while a test writes one."""

    class Ch:
        def __init__(self, x):
            self.x, self._dirty_vars, self._parents = x, set(), {}

    class csc_matrix:
        def __init__(self, dense):
            columns = [np.flatnonzero(dense[:, k]) for k in range(dense.shape[1])]
            self._shape = dense.shape
            self.data = np.concatenate([dense[rows, k] for k, rows in enumerate(columns)])
            self.indices = np.concatenate(columns).astype(np.int32)
            self.indptr = np.cumsum([0, *map(len, columns)]).astype(np.int32)

    for name, kind in (("chumpy.ch", Ch), ("scipy.sparse.csc", csc_matrix)):
        module = types.ModuleType(name)
        kind.__module__, kind.__qualname__ = name, kind.__name__
        setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    return Ch, csc_matrix


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_with_chumpy_and_sparse_arrays_is_read_as_the_model_it_holds(
    tmp_path, foreign_modules, protocol
):
    chumpy, sparse = foreign_modules
    face = random_face()
    arrays = flame_arrays(face)
    content = {**arrays, **our_regions(), "bs_type": "lrotmin", "bs_style": "lbs"}
    for key in ("v_template", "shapedirs"):
        content[key] = chumpy(arrays[key])
    content["J_regressor"] = sparse(arrays["J_regressor"])
    (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    assert_same_face(load_face(tmp_path / "generic_model.pkl"), face)


def pickled(tmp_path, protocol=2, **changes):
    content = {**flame_arrays(random_face()), **our_regions(), **changes}
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    return tmp_path / "model.pkl"


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("form", ["matrix", "array"])
@pytest.mark.parametrize("kind", ["csc", "csr", "coo", "bsr", "lil", "dok", "dia"])
def test_a_joint_regressor_of_every_sparse_kind_is_its_dense_matrix(tmp_path, kind, form, protocol):
    dense = random_face().joint_regressor.astype(np.float64)
    dense[:, ::3] = 0
    dense /= dense.sum(axis=1, keepdims=True)
    sparse = getattr(scipy.sparse, f"{kind}_{form}")(dense)
    path = pickled(tmp_path, protocol, J_regressor=sparse)
    np.testing.assert_allclose(load_face(path).joint_regressor, dense, rtol=1e-6)
    older = path.read_bytes().replace(
        f"scipy.sparse._{kind}\n".encode(), f"scipy.sparse.{kind}\n".encode()
    )
    path.write_bytes(older)
    np.testing.assert_allclose(load_face(path).joint_regressor, dense, rtol=1e-6)


def test_entries_of_one_place_are_summed_and_their_order_is_free(tmp_path):
    dense = random_face().joint_regressor.astype(np.float64)
    row, column = dense.nonzero()
    halves = np.concatenate([dense[row, column] / 2] * 2)
    order = np.random.default_rng(0).permutation(len(halves))
    places = (np.tile(row, 2)[order].astype(np.int64), np.tile(column, 2)[order])
    path = pickled(
        tmp_path, J_regressor=scipy.sparse.coo_matrix((halves[order], places), dense.shape)
    )
    np.testing.assert_allclose(load_face(path).joint_regressor, dense, rtol=1e-6)


@pytest.mark.parametrize(
    ("part", "value"), [("indices", 9999), ("indices", -1), ("indptr", 10**6), ("indptr", -5)]
)
def test_a_sparse_matrix_that_points_outside_itself_is_refused(tmp_path, part, value):
    sparse = scipy.sparse.csr_matrix(random_face().joint_regressor)
    getattr(sparse, part)[-1] = value
    with pytest.raises(InputError, match="J_regressor a sparse matrix"):
        load_face(pickled(tmp_path, J_regressor=sparse))


def test_what_a_face_file_is_follows_from_its_content(tmp_path):
    face = random_face()
    content = {**flame_arrays(face), **our_regions()}
    np.savez(tmp_path / "flame.npz", **content, note=np.array({"a": 1}, object))
    (tmp_path / "an_npz.pkl").write_bytes((tmp_path / "flame.npz").read_bytes())
    (tmp_path / "a_pickle.npz").write_bytes(pickle.dumps(content))
    (tmp_path / "upper.PKL").write_bytes(pickle.dumps(content))
    (tmp_path / "packed.pkl.gz").write_bytes(gzip.compress(pickle.dumps(content)))
    np.save(tmp_path / "dictionary.npy", content, allow_pickle=True)
    for name in (
        "flame.npz",
        "an_npz.pkl",
        "a_pickle.npz",
        "upper.PKL",
        "packed.pkl.gz",
        "dictionary.npy",
    ):
        np.testing.assert_array_equal(load_face(tmp_path / name).faces, face.faces)


class Hostile:
    """Unpickling this with Python's own reader writes a file."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return (exec, (f"open({self.target!r}, 'w').close()",))


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path):
    mark = tmp_path / "ran"
    hostile = pickle.dumps({"v_template": Hostile(mark)})
    pickle.loads(hostile)
    assert mark.exists(), "the control: Python's own reader runs it"
    mark.unlink()
    (tmp_path / "model.pkl").write_bytes(hostile)
    with pytest.raises(InputError, match="no face model needs") as refused:
        load_face(tmp_path / "model.pkl")
    assert not mark.exists()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "instructions",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR.",
        b"\x80\x05\x96" + (1 << 60).to_bytes(8, "little") + b".",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"",
        b"not a pickle at all",
        pickle.dumps([1, 2, 3]),
    ],
    ids=[
        "system",
        "numpy.load",
        "huge array",
        "huge bytearray",
        "huge frame",
        "empty",
        "text",
        "a list",
    ],
)
def test_other_bad_pickles_are_refused_with_one_line(tmp_path, instructions):
    (tmp_path / "model.pkl").write_bytes(instructions)
    with pytest.raises(InputError) as refused:
        load_face(tmp_path / "model.pkl")
    assert "\n" not in str(refused.value)


def without(arrays, key):
    return {name: array for name, array in arrays.items() if name != key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: without(a, "weights"), "lacks weights"),
        (lambda a: {**a, "shapedirs": a["shapedirs"][:, :, :7]}, "400 directions"),
        (lambda a: {**a, "posedirs": a["posedirs"][:-1]}, "posedirs"),
        (lambda a: {**a, "f": a["f"] + 1000}, "outside"),
        (
            lambda a: {**a, "weights": a["weights"] * np.nan},
            "weights holds values that are not finite",
        ),
        (lambda a: {**a, "weights": a["weights"] / 2}, "a row of weights sums to 0.5, not to 1"),
        (lambda a: {**a, "f": a["f"] + 0.5}, "f refers to vertices outside"),
        (
            lambda a: {**a, "kintree_table": np.arange(48).reshape(2, 24)},
            r"kintree_table is \(2, 24\)",
        ),
        (lambda a: {**a, "kintree_table": np.arange(5)}, r"kintree_table is \(5,\)"),
        (lambda a: {**a, "v_template": np.float64(3)}, r"v_template is \(\)"),
        (
            lambda a: {**a, "v_template": np.zeros((10475, 3))},
            "a SMPL-X body of 10475 vertices; a FLAME head",
        ),
        (lambda a: {**a, "v_template": np.array("text")}, "v_template is not an array of numbers"),
        (lambda a: {**a, "inner_lip_pairs": np.array([1, 2, 3])}, "are not pairs"),
        (lambda a: {**a, "height_pair": np.array([1, 2, 3])}, "are not pairs"),
        (lambda a: without(a, "region_lips"), "topology"),
        (lambda a: {**a, "region_lips": np.array([9999])}, "region"),
        (lambda a: {**a, "v_template": np.array([object()])}, "v_template holds pickled objects"),
    ],
)
def test_a_wrong_npz_is_refused_with_what_is_wrong(tmp_path, change, words):
    np.savez(tmp_path / "flame.npz", **change({**flame_arrays(random_face()), **our_regions()}))
    with pytest.raises(InputError, match=words) as refused:
        load_face(tmp_path / "flame.npz")
    assert "\n" not in str(refused.value)


def test_an_archive_that_promises_more_than_it_holds_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    )
    with zipfile.ZipFile(tmp_path / "flame.npz", "w") as archive:
        archive.writestr("v_template.npy", header.getvalue())
    with pytest.raises(InputError, match="size it states"):
        load_face(tmp_path / "flame.npz")


@pytest.mark.parametrize("name", ["missing.npz", "notes.txt", "text.npz", "folder.pkl"])
def test_a_path_that_is_no_face_is_refused(tmp_path, name):
    if name == "folder.pkl":
        (tmp_path / name).mkdir()
    elif name != "missing.npz":
        (tmp_path / name).write_text("hello")
    with pytest.raises(InputError, match=name):
        load_face(tmp_path / name)


def test_on_flames_topology_regions_come_from_its_landmarks(tmp_path):
    # Not FLAME's mesh: its vertex count, with the landmarks placed on a plain plane of a face.
    rng = np.random.default_rng(0)
    template = rng.uniform([-0.07, -0.10, 0.0], [0.07, 0.10, 0.06], size=(5023, 3))
    angle = np.linspace(np.pi, -np.pi, 12, endpoint=False)
    outer = (2820, 2864, 2774, 3543, 1657, 1749, 1703, 1774, 1802, 3503, 2905, 2881)
    template[list(outer)] = np.stack(
        [0.025 * np.cos(angle), -0.045 + 0.01 * np.sin(angle), np.full(12, 0.05)], axis=1
    )
    for k, (upper, lower) in enumerate(((2787, 2907), (3531, 3504), (1670, 1804))):
        template[[upper, lower]] = [0.01 * (k - 1), -0.045, 0.05]
    template[3414], template[3560], template[3556] = (
        [0, -0.09, 0.05],
        [0, 0.03, 0.05],
        [0, -0.02, 0.05],
    )
    weights = np.zeros((5023, 5))
    weights[:, 1] = 1
    weights[:50, 1], weights[:50, 3] = 0, 1
    regressor = np.zeros((5, 5023))
    regressor[:, 3560] = 1
    arrays = {
        "v_template": template,
        "shapedirs": np.zeros((5023, 3, 150)),
        "posedirs": np.zeros((5023, 3, 36)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
        "f": np.array([[0, 1, 2]]),
    }
    np.savez(tmp_path / "flame.npz", **arrays)
    face = load_face(tmp_path / "flame.npz")
    vertices = face_vertices(face, np.zeros(50, np.float32))
    assert float(mouth_opening(face, vertices)) < 1e-6
    lips = face.template[face.regions["lips"]]
    assert len(lips) > 10
    assert np.abs(lips[:, 0]).max() < 0.03
    assert np.isin([3531, 3504], face.regions["lips"]).all()
    assert (face.template[face.regions["neck"], 1] < -0.09).all()
