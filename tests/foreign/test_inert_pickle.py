"""Pickles of every protocol give the values that were pickled; no name but the known ones is ever
called.
"""

import argparse
import bz2
import collections
import gzip
import lzma
import pathlib
import pickle
import random
import struct
import time
import types

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.inert_pickle import unpickled
from ksdiff_jax.foreign.pickle_file import as_array, plain, read_pickled_value
from ksdiff_jax.foreign.pickle_names import known_name
from ksdiff_jax.foreign.stand_ins import Held

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def read(content: bytes):
    return plain(
        unpickled(content, find=lambda module, name: known_name(module, name, what="test")).value
    )


def refused(content: bytes) -> str:
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        as_array(read(content))
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 10
    return str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_of_every_protocol_are_what_was_pickled(protocol):
    shared = [1, 2]
    values = [
        None,
        True,
        0,
        -1,
        255,
        65_536,
        -(2**31),
        2**70,
        -(2**2100),
        1.5,
        float("inf"),
        "",
        "é\n'\\\u4e2d",
        "a" * 300,
        b"",
        b"\x00\xff\n" * 200,
        bytearray(b"xy\0"),
        [],
        [shared, shared],
        (),
        (1,),
        (1, 2, 3, 4),
        {"a": {1: (2,)}},
        {1, 2},
        frozenset({3}),
        1 + 2j,
        collections.OrderedDict(a=1),
        collections.Counter("aab"),
        collections.defaultdict(list, {"k": [1]}),
        np.float64(3.5),
        np.bool_(True),
        np.int8(-3),
        np.str_("hé"),
    ]
    for value in values:
        assert read(pickle.dumps(value, protocol)) == value
    assert read(pickle.dumps(collections.deque([1, 2]), protocol)) == [1, 2]
    assert read(pickle.dumps(pathlib.PurePosixPath("/a/b"), protocol)) == "/a/b"
    for kind in (argparse.Namespace, types.SimpleNamespace):
        held = read(pickle.dumps(kind(x=1), protocol))
        assert isinstance(held, Held) and held.state == {"x": 1}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_every_protocol_are_what_was_pickled(protocol):
    grid = np.arange(12, dtype=np.float32).reshape(3, 4)
    kinds = [
        grid,
        np.asfortranarray(grid),
        grid[::2, ::-1],
        grid.astype(">f8"),
        grid.astype(np.float16),
        grid > 3,
        grid.astype(np.uint8),
        np.float64(2).reshape(()),
        np.zeros((0, 3)),
        grid + 1j,
    ]
    kinds.append(np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1))
    for array in kinds:
        got = read(pickle.dumps(array, protocol))
        np.testing.assert_array_equal(got, array)
        assert got.shape == array.shape and got.dtype == array.dtype
    older = pickle.dumps(grid, protocol).replace(b"numpy._core", b"numpy.core")
    if protocol < 4:  # later ones store the length of a name with it
        np.testing.assert_array_equal(read(older), grid)
    assert read(pickle.dumps(np.array([[1, "a"], [None, 2.5]], object), protocol)) == [
        [1, "a"],
        [None, 2.5],
    ]
    masked = read(pickle.dumps(np.ma.masked_array([1.0, 2.0], [False, True]), protocol))
    np.testing.assert_array_equal(masked, [1, np.nan])


@pytest.mark.parametrize("whole", [b"\x80\x02", b""], ids=["protocol 2", "protocol 0"])
def test_an_array_that_python_2_pickled_is_read(whole):
    """Written out by hand: Python 2 stores the bytes of an array as a string."""
    values = np.array([1.5, -2.0, 255.0], "<f8")
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    head += b"(I1\n(I3\ntcnumpy\ndtype\n"
    dtype = b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
    raw = values.tobytes()
    text = (
        b"T" + struct.pack("<i", len(raw)) + raw if whole else b"S" + repr(raw)[1:].encode() + b"\n"
    )
    np.testing.assert_array_equal(read(whole + head + dtype + text + b"tb."), values)


def test_what_is_no_array_of_numbers_is_left_alone_until_it_is_wanted():
    others = {
        "table": np.zeros(2, [("a", "f4")]),
        "when": np.array(["2020-01-01"], "M8[D]"),
        "text": np.array(["a"]),
        "config": argparse.Namespace(x=1),
        "exp": np.ones(3),
    }
    content = read(pickle.dumps(others))
    np.testing.assert_array_equal(as_array(content["exp"]), np.ones(3))
    for key, said in (
        ("table", "structured"),
        ("when", "dates"),
        ("text", "text"),
        ("config", "argparse.Namespace"),
    ):
        with pytest.raises(InputError, match=f"holds .*{said}.*; need numbers"):
            as_array(content[key])


CALLS = {
    "REDUCE": "c{0}\n{1}\n(V{2}\ntR.",
    "NEWOBJ": "\x80\x02c{0}\n{1}\nV{2}\n\x85\x81.",
    "INST": "(V{2}\ni{0}\n{1}\n.",
    "OBJ": "(c{0}\n{1}\nV{2}\no.",
    "STACK_GLOBAL": "\x80\x04V{0}\nV{1}\n\x93(V{2}\ntR.",
    "copyreg": "ccopyreg\n__newobj__\n(c{0}\n{1}\nV{2}\ntR.",
    "reconstructor": "ccopyreg\n_reconstructor\n(c{0}\n{1}\ncbuiltins\nobject\nV{2}\ntR.",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "posix.system",
        "builtins.exec",
        "builtins.eval",
        "builtins.getattr",
        "subprocess.Popen",
        "numpy.load",
        "numpy.ndarray",
        "numpy.testing.measure",
        "functools.partial",
        "operator.attrgetter",
        "torch.load",
        "torch.hub.load",
        "runpy._run_code",
        "builtins.__import__",
        "numpy.f2py.compile",
    ],
)
def test_no_call_of_any_other_name_is_made(call, name, tmp_path):
    mark = tmp_path / "ran"
    module, _, attribute = name.rpartition(".")
    content = CALLS[call].format(module, attribute, f"touch {mark}").encode("latin-1")
    assert "nothing of it was run" in refused(content)
    assert not mark.exists()


def text(word: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word


LAUGHS = b"](K\x01K\x01K\x01eq\x00" + b"".join(
    b"](" + (b"h" + bytes([i])) * 8 + b"eq" + bytes([i + 1]) for i in range(12)
)  # 3 * 8**12 numbers in 300 bytes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02\x82\x01.", "registered extension"),
        (b"Pabc\n.", "outside the pickle"),
        (b"\x80\x05\x97.", "outside the file"),
        (b"(" * 20_000 + b".", "marks inside each other"),
        (b"]" * 20_000 + b"a" * 19_999 + b".", "too many or too deep"),
        (b"}(" + b")" + b"\x85" * 20_000 + b"K\x01u.", "a key of type tuple"),
        (b"}()" + b"2\x86" * 40 + b"K\x01u.", "a key of type tuple"),
        (LAUGHS + b".", "too many or too deep"),
        (b"]q\x00h\x00a.", "too many or too deep"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b".", "ends early"),
        (b"B\xff\xff\xff\xff.", "ends early"),
        (b"T\xff\xff\xff\xff.", "ends early"),
        (b"\x80\xff}.", "protocol 255"),
        (b".", "from an empty stack"),
        (b"", "ends early"),
        (b"I" + b"9" * 100_000 + b"\n.", "not a readable pickle"),
        (b"cnumpy\ndtype\n(Vf9999999999999999\ntR.", "numpy.dtype"),
        (b"cnumpy\ndtype\n(Vf4,f8\ntR.", "unknown type"),
        (
            b"cnumpy._core.numeric\n_frombuffer\n(C\x01acnumpy\ndtype\n(Vf8\ntR(I1000000000000\ntVC\ntR.",
            "needs 8000",
        ),
        (
            b"cnumpy._core.numeric\n_frombuffer\n(C\x01acnumpy\ndtype\n(Vf8\ntR(I-1\ntVC\ntR.",
            r"shape (-1,)",
        ),
        (b"cnumpy\ndtype\n(VO\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb.", "numpy.dtype"),
        (
            b"cscipy.sparse\ncsr_matrix\n)R}(V_shape\n(I1000000000\nI1000000000\ntub.",
            "1000000000 by 1000000000",
        ),
        (b"cpandas.core.frame\nDataFrame\n.", "a pandas table; write its columns with numpy.savez"),
        (b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n.", "joblib.dump wrote it"),
    ],
)
def test_hostile_and_broken_pickles_are_refused_soon_and_in_one_line(content, said):
    assert said in refused(content)


def test_a_pickle_that_only_piles_up_values_is_refused(monkeypatch):
    monkeypatch.setattr("ksdiff_jax.foreign.inert_pickle.MAX_STACK", 1000)
    assert "more than 1000 values on its stack" in refused(b"]" * 70_000 + b".")
    monkeypatch.setattr("ksdiff_jax.foreign.pickle_machine.MAX_OBJECTS", 1000)
    assert "more than 1000 objects" in refused(b"\x80\x04" + b"]0" * 2000 + b"N.")


def test_an_object_array_that_claims_to_be_numbers_keeps_its_pointers_to_itself():
    """NumPy's own __setstate__ would take these bytes for pointers to Python objects."""
    dtype = b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb"
    content = (
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btR(I1\n(I1\nt"
        + dtype
    )
    assert "without so many objects" in refused(content + b"I00\nC\x08aaaaaaaatb.")


def test_mutated_pickles_give_a_value_or_a_line():
    draw = random.Random(0)
    sound = pickle.dumps(
        {"exp": [np.ones((2, 3)), {"a": (1, "b")}], "c": np.float32(1)}, protocol=2
    )
    for _ in range(400):
        broken = bytearray(sound)
        for _ in range(draw.choice((1, 1, 3))):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        try:
            value = read(bytes(broken))
            as_array(value["exp"] if isinstance(value, dict) and "exp" in value else value)
        except InputError as error:
            assert "\n" not in str(error)


def test_compressed_pickles_are_read_and_bombs_are_not(tmp_path, monkeypatch):
    content = pickle.dumps({"a": [1, 2]})
    for module in (gzip, bz2, lzma):
        (tmp_path / "a.pkl").write_bytes(module.compress(content))
        assert read_pickled_value(tmp_path / "a.pkl", what="test") == {"a": [1, 2]}
    monkeypatch.setattr("ksdiff_jax.foreign.pickle_file.MAX_BYTES", 1_000_000)
    (tmp_path / "bomb.pkl").write_bytes(gzip.compress(bytes(2_000_000)))
    with pytest.raises(InputError, match="unpacks to more than 1 MB"):
        read_pickled_value(tmp_path / "bomb.pkl", what="test")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstandard"),
        (b"x\x9c" + bytes(20), "zlib, as joblib does"),
        (bytes(600), "nothing but zeros"),
        (b"", "0 bytes"),
    ],
)
def test_what_lies_where_a_file_should_be_is_named(tmp_path, content, said):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_pickled_value(tmp_path / "a.pkl", what="test")
