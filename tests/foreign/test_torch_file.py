"""PyTorch files are read without PyTorch: every layout of a tensor gives its numbers, everything
else its own message.
"""

import pickle

import ml_dtypes
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.torch_file import read_state_dict
from tests.foreign.torch_writer import (
    Storage,
    Tensor,
    plain_tensors,
    pretend_torch,
    write_legacy,
    write_zipped,
)

WRITERS = {"zipped": write_zipped, "legacy": write_legacy}
GRID = np.arange(24, dtype=np.float32)


@pytest.fixture(autouse=True)
def torch_names(monkeypatch):
    pretend_torch(monkeypatch)


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    return lambda value, storages: WRITERS[request.param](tmp_path / "weights.bin", value, storages)


def refused(path) -> str:
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        "float64",
        "float16",
        "int64",
        "int8",
        "uint8",
        "bool",
        "complex64",
        ml_dtypes.bfloat16,
    ],
)
def test_numbers_of_every_type_come_back_bit_for_bit(write, dtype):
    array = (np.arange(6).reshape(2, 3) % 3).astype(dtype)
    got = read_state_dict(write(*plain_tensors({"weight": array})))["weight"]
    assert got.dtype == array.dtype and got.shape == (2, 3)
    assert got.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("size", "stride", "offset", "want"),
    [
        ((6, 4), (1, 6), 0, GRID.reshape(4, 6).T),
        ((2, 3), (6, 2), 6, GRID.reshape(4, 6)[1:3, ::2]),
        ((), (), 7, np.float32(7)),
        ((3, 5), (0, 1), 2, np.tile(GRID[2:7], (3, 1))),
        ((0, 3), (3, 1), 0, np.zeros((0, 3), np.float32)),
    ],
    ids=["transposed", "a slice with steps", "a scalar", "expanded", "empty"],
)
def test_a_tensor_is_its_place_in_a_storage(write, size, stride, offset, want):
    storage = Storage("0", GRID)
    got = read_state_dict(
        write(
            {"a": Tensor(storage, size, stride, offset), "tied": Tensor(storage, (24,), (1,))},
            [storage],
        )
    )
    np.testing.assert_array_equal(got["a"], want)
    np.testing.assert_array_equal(got["tied"], GRID)


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((25,), (1,), 0),
        ((1,), (1,), 24),
        ((4, 6), (100, 1), 0),
        ((2,), (-1,), 1),
        ((2,), (1,), -1),
        ((10**12,), (0,), 0),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(write, size, stride, offset):
    storage = Storage("0", GRID)
    assert "a tensor of size" in refused(
        write({"a": Tensor(storage, size, stride, offset)}, [storage])
    )


def test_weights_lie_at_the_top_or_under_one_usual_name(write):
    tensors, storages = plain_tensors({"w": GRID})
    assert read_state_dict(
        write({"state_dict": tensors, "epoch": 3, "lr": [0.1]}, storages)
    ).keys() == {"w"}
    assert "several sets of weights (model, ema)" in refused(
        write({"model": tensors, "ema": tensors}, storages)
    )
    assert "not a dictionary of weights" in refused(write({"epoch": 3}, []))


def test_big_endian_archives_and_any_folder_name_are_read(tmp_path):
    storage = Storage("0", GRID.astype(">f4"), "FloatStorage")
    path = write_zipped(
        tmp_path / "w.pth",
        {"a": Tensor(storage, (24,), (1,))},
        [storage],
        folder="my model",
        byteorder=b"big",
    )
    np.testing.assert_array_equal(read_state_dict(path)["a"], GRID)


def test_quantised_and_sparse_tensors_are_named(write):
    storage = Storage("0", GRID.astype(np.int8), "QInt8Storage")
    assert "quantised" in refused(write({"q": Tensor(storage, (24,), (1,))}, [storage]))
    for rebuild, said in (
        ("_rebuild_qtensor", "a quantised tensor"),
        ("_rebuild_sparse_tensor", "a sparse tensor"),
    ):
        storage = Storage("0", GRID)
        assert said in refused(write({"q": Tensor(storage, (24,), (1,), 0, rebuild)}, [storage]))


def test_programs_tars_and_cut_files_are_named(tmp_path):
    tensors, storages = plain_tensors({"w": GRID, "v": GRID})
    script = write_zipped(tmp_path / "script.pt", tensors, storages, **{"code/model.py": b"x"})
    assert "TorchScript" in refused(script)
    (tmp_path / "old.pth").write_bytes(b"sys_info".ljust(257, b"\0") + b"ustar" + bytes(250))
    assert "PyTorch 0.1" in refused(tmp_path / "old.pth")
    legacy = write_legacy(tmp_path / "cut.pth", tensors, storages)
    legacy.write_bytes(legacy.read_bytes()[:-40])
    assert "ends early" in refused(legacy)
    zipped = write_zipped(tmp_path / "lacks.pth", tensors, storages[:1])
    assert "lacks its storage data/1" in refused(zipped)


class Intruder:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, "w")


def test_code_in_a_torch_file_never_runs(write, tmp_path):
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Intruder(mark))).close()
    assert mark.exists(), "the control: Python's own reader runs it"
    mark.unlink()
    assert "which no file of weights needs; nothing of it was run" in refused(
        write({"w": Intruder(mark)}, [])
    )
    assert not mark.exists()
