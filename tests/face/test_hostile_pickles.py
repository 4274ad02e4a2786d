"""Files made to occupy a reader, or to execute code: refused with one line, nothing executed, in
time.
"""

import os
import pickle
import struct
import time

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.flame_files import load_face
from tests.promised import promised_within

LEVELS = 60


def laughs() -> bytes:
    """A list of two times a list of two times ...: as many leaves as atoms on earth, in a few
    hundred bytes.
    """
    inner: list = ["ha"]
    for _ in range(LEVELS):
        inner = [inner, inner]
    return pickle.dumps({"v_template": inner, "f": inner}, protocol=2)


def array_of_laughs() -> bytes:
    """The same as the shape and the state of an array."""
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    return b"(dS'v_template'\n" + array + b"(I1\n" + laughs()[2:-1] + b"tbs."


FILES = {
    "laughs": laughs(),
    "an array of laughs": array_of_laughs(),
    "tuples, each in one": b")" + b"\x85" * 40_000 + b".",
    "lists, each in one": b"]" * 40_000 + b"a" * 39_999 + b".",
    "a number of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "a long of a million digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "a long of two gigabytes": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01.",
    "a negative length": b"\x8b" + struct.pack("<i", -1) + b".",
    "a string of exabytes": b"\x8d" + struct.pack("<Q", 1 << 62) + b"x.",
    "a memo far away": b"Nr" + struct.pack("<I", 2**32 - 1) + b".",
    "an endless line": b"S'" + b"x" * 2_000_000,
    "marks": b"(" * 100_000 + b".",
    "doubled again and again": b"N" + b"2" * 50_000 + b".",
    "a class for every byte": b"cos\nsystem\n" * 50_000 + b".",
    "a call of a call": b"cos\nsystem\n" + b"(S'true'\ntR" * 1_000 + b".",
    "a shape of terabytes": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    b"(I1000000000000\ntS'b'\ntR.",
    "an array multiplied": b"cnumpy\nndarray\n((I100000\nI100000\nI100000\ntS'f8'\ntR.",
}


@promised_within(1)
@pytest.mark.parametrize("name", FILES)
def test_a_file_made_to_keep_the_reader_busy_is_refused(tmp_path, name, within_s):
    (tmp_path / "model.pkl").write_bytes(FILES[name])
    started = time.monotonic()
    with pytest.raises(InputError) as refused:
        load_face(tmp_path / "model.pkl")
    assert time.monotonic() - started < within_s
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 2_000


class Runs:
    """Unpickling this with Python's own reader makes a folder."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


@promised_within(1)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_file_is_refused_and_not_run(tmp_path, protocol, within_s):
    mark = tmp_path / "ran"
    hostile = pickle.dumps({"v_template": Runs(mark)}, protocol=protocol)
    pickle.loads(hostile)
    assert mark.exists(), "the control: Python's own reader runs it"
    mark.rmdir()
    (tmp_path / "model.pkl").write_bytes(hostile)
    started = time.monotonic()
    with pytest.raises(InputError):
        load_face(tmp_path / "model.pkl")
    assert time.monotonic() - started < within_s
    assert not mark.exists()
