"""Stored weights: what float16 and int8 keep, in how many bytes."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ksdiff_jax.animate.compact_weights import compacted, expanded
from ksdiff_jax.errors import InputError


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, [[1.0, 0.01, 3.0, 0.0]], (300, 4)).astype(np.float32)
    return {"a/kernel": kernel, "a/bias": rng.normal(size=4).astype(np.float32)}


def test_an_int8_weight_is_within_half_a_step_of_its_own_channel(weights):
    found = expanded(compacted(weights, "int8"))
    step = np.abs(weights["a/kernel"]).max(axis=0) / 127
    error = np.abs(found["a/kernel"] - weights["a/kernel"]).max(axis=0)
    assert (error <= step / 2 + 1e-9).all()
    assert (error[:3] > 0.3 * step[:3]).all()  # it is rounded at all
    np.testing.assert_array_equal(found["a/bias"], weights["a/bias"])


def test_the_kinds_take_four_two_and_one_byte_a_weight(weights):
    sizes = [compacted(weights, kind)["a/kernel"].nbytes for kind in ("float32", "float16", "int8")]
    assert sizes == [4800, 2400, 1200]
    half = expanded(compacted(weights, "float16"))["a/kernel"]
    np.testing.assert_array_equal(half, weights["a/kernel"].astype(np.float16))


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_the_script_reads_what_is_stored(weights, kind, tmp_path):
    stored = compacted(weights, kind)
    save_file(stored, tmp_path / "weights.safetensors")
    assert load_file(tmp_path / "weights.safetensors").keys() == stored.keys()
    (tmp_path / "manifest.json").write_text(json.dumps({}))
    script = Path(__file__).parents[2] / "ksdiff_jax/assets/exported/run.txt"
    (tmp_path / "run.py").write_text(script.read_text())
    found = runpy.run_path(str(tmp_path / "run.py"))["read_weights"]()
    expected = expanded(stored)
    assert found.keys() == expected.keys() == weights.keys()
    for name, weight in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], weight)


def test_what_cannot_be_stored_is_one_line(weights):
    with pytest.raises(InputError, match="weights 'int4': need one of float32 float16 int8"):
        compacted(weights, "int4")
    with pytest.raises(InputError, match=r"weight 'a' reaches 7e\+04, beyond float16"):
        compacted({"a": np.full(3, 7e4, np.float32)}, "float16")
