"""Safetensors files whose header does not match the file are refused by name."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.tensor_file import read_tensors

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.uint8)}


def read(path):
    return read_tensors(path, what="test", remedy="do this")


@pytest.fixture
def path(tmp_path):
    save_file(ARRAYS, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def header_of(path) -> tuple[str, bytes]:
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    return content[8 : 8 + size].decode(), content[8 + size :]


def test_what_was_stored_is_read(path):
    got = read(path)
    assert got.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(got[name], array)


def test_a_header_whose_size_looks_like_the_mark_of_another_form_is_read(path):
    """The first two bytes of a header of 0x0580 bytes are those of a pickle of protocol 5."""
    for size in (0x0580, 0x8B1F, 0x5A42):
        header, numbers = header_of(path)
        path.write_bytes(struct.pack("<Q", size) + header.rstrip().ljust(size).encode() + numbers)
        assert read(path).keys() == ARRAYS.keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: h.replace('"U8"', '"F8_E4M3"'), r"b is quantised \(F8_E4M3\)"),
        (lambda h: h.replace('"U8"', '"X9"'), "b is of the unknown type 'X9'"),
        (
            lambda h: h.replace("{", '{"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},', 1),
            "holds 'b' twice",
        ),
        (lambda h: h.replace("[2,3]", "[-2,-3]"), "not a valid safetensors file"),
        (lambda h: h.replace("[2,3]", "[1000000000000,3]"), "not a valid safetensors file"),
        (lambda h: h.replace("[2,3]", '"ab"'), "not a valid safetensors file"),
        (lambda h: "[1]", "not a JSON object"),
        (lambda h: '{"a":1}', "not a JSON object"),
        (lambda h: "{", "not a valid safetensors file"),
        (lambda h: json.dumps({"a": {}}), "not a valid safetensors file"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(path, change, said):
    header, numbers = header_of(path)
    changed = change(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + numbers)
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes"),
        (b"\x10", "not a valid safetensors file"),
        (struct.pack("<Q", 1 << 60) + b"{", "its header states 1152921504606846976 bytes"),
        (bytes(2000), "nothing but zeros"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<html>404</html>", "a web page"),
        (b"PK\x03\x04" + bytes(50), "it is a zip archive"),
    ],
)
def test_a_file_that_is_something_else_is_named(tmp_path, content, said):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read(tmp_path / "a.safetensors")
