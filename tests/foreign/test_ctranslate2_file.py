"""CTranslate2's files: every type, aliases, quantised weights, and damage in one line each."""

import ml_dtypes
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.ctranslate2_file import read_ctranslate2
from tests.speech.tiny_whisper_encoder import model_bin

NUMBERS = np.arange(-6, 6).reshape(3, 4)


def read(tmp_path, content: bytes):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    return read_ctranslate2(path)


@pytest.mark.parametrize("version", [4, 5, 6])
def test_every_type_shape_and_alias_is_read_as_it_was_written(version, tmp_path):
    types = (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)
    variables = {f"a/{np.dtype(kind).name}": NUMBERS.astype(kind) for kind in types}
    variables["scalar"] = np.int16(7)
    content = model_bin(variables, name="Spec", aliases={"b": "a/int32"}, version=version)
    model = read(tmp_path, content)
    assert model.name == "Spec" and model.variables.keys() == variables.keys() | {"b"}
    for name, array in (variables | {"b": NUMBERS.astype(np.int32)}).items():
        np.testing.assert_array_equal(model.variables[name], array, strict=True)


def test_quantised_weights_are_divided_by_the_scale_of_their_row(tmp_path):
    variables = {
        "w": NUMBERS.astype(np.int8),
        "w_scale": np.array([1.0, 2.0, 4.0], np.float32),
        "conv": NUMBERS.reshape(3, 2, 2).astype(np.int8),
        "conv_scale": np.array([2.0, 2.0, 8.0], np.float32),
        "all": NUMBERS.astype(np.int16),
        "all_scale": np.float32(16.0),
        "own_scale": np.float32(3.0),
    }
    found = read(tmp_path, model_bin(variables, aliases={"again": "w"})).variables
    assert found.keys() == {"w", "conv", "all", "own_scale", "again"}
    rows = [[value / scale for value in row] for row, scale in zip(NUMBERS, (1, 2, 4), strict=True)]
    np.testing.assert_array_equal(found["w"], np.array(rows, np.float32), strict=True)
    np.testing.assert_array_equal(found["again"], found["w"])
    np.testing.assert_array_equal(found["conv"][2], NUMBERS[2].reshape(2, 2) / 8)
    np.testing.assert_array_equal(found["all"], NUMBERS / 16)


WHOLE = model_bin({"w": NUMBERS.astype(np.float16)}, aliases={"b": "w"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (model_bin({}, version=3), "version 3 of CTranslate2's format, or another format"),
        (b"anything else at all", "or another format; versions 4 to 6 are read"),
        (WHOLE + b"more", "the file has"),
        (model_bin({}, aliases={"b": "w"}), "'b' is an alias of 'w', which is not there"),
        (WHOLE.replace(b"\x04\x18\0\0\0", b"\x09\x18\0\0\0"), "'w' is of the unknown type 9"),
        (WHOLE.replace(b"\x04\x18\0\0\0", b"\x00\x18\0\0\0"), r"float32 of shape \(3, 4\), has 24"),
        (WHOLE.replace(b"w\0\x02", b"w\0\xff"), "'w' has 255 dimensions"),
        (WHOLE.replace(b"w\0\x02", b"\xff\0\x02"), "not a valid CTranslate2 model"),
        (b"", "0 bytes"),
        (b"<html>", "a web page and not a CTranslate2 model"),
        (b"PK\x03\x04" + bytes(9), "not a CTranslate2 model"),
    ],
)
def test_each_damage_is_one_line(content, said, tmp_path):
    with pytest.raises(InputError, match=said) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value) and "model.bin" in str(caught.value)


def test_a_file_that_ends_early_is_refused_wherever_it_ends(tmp_path):
    for size in range(1, len(WHOLE)):
        with pytest.raises(InputError):
            read(tmp_path, WHOLE[:size])
