"""The choice of the fused kernel, and its arguments, through XLA's own implementation of the same
function.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.attention import KeysValues, attend
from ksdiff_jax.layers.kernels import fused_attention as module
from ksdiff_jax.layers.kernels.fused_attention import fused_attention, fuses
from ksdiff_jax.layers.position import periodic_distance_bias
from tests.run_once import jit_to_run_once

SHAPE = (2, 6, 3, 16)


@pytest.fixture
def hopper(monkeypatch):
    monkeypatch.setattr(module, "device_fuses", lambda: True)


@pytest.mark.parametrize(
    ("queries", "keys", "given"), [(6, 8, "nothing"), (6, 7, "mask"), (5, 7, "both")]
)
def test_the_fused_call_computes_what_attend_computes(queries, keys, given):
    draw = np.random.default_rng(0)
    q, k, v = (
        jnp.asarray(draw.normal(size=(2, n, 3, 16)), jnp.float32) for n in (queries, keys, keys)
    )
    mask = jnp.asarray(np.arange(keys) < np.array([keys, 3])[:, None])[:, None, None]
    bias = periodic_distance_bias(jnp.arange(queries), jnp.arange(keys), heads=3, period=2)
    options = {
        "mask": mask if given in ("mask", "both") else None,
        "bias": bias if given in ("bias", "both") else None,
    }

    def scalar(function):
        def squared(q, k, v):
            value = function(q, k, v)
            return jnp.sum(value**2), value

        return squared

    plain = lambda q, k, v: attend(q, KeysValues(k, v), **options)  # noqa: E731
    fused = lambda q, k, v: fused_attention(q, k, v, implementation="xla", **options)  # noqa: E731
    if given != "both":
        (found, expected) = (jit_to_run_once(f)(q, k, v) for f in (fused, plain))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        return
    (found, value), (expected, expected_value) = (
        jit_to_run_once(jax.grad(scalar(f), (0, 1, 2), has_aux=True))(q, k, v)
        for f in (fused, plain)
    )
    np.testing.assert_allclose(value, expected_value, atol=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_auto_fuses_half_precision_on_a_device_that_can(hopper):
    assert fuses("auto", SHAPE, "bfloat16")
    assert fuses("cudnn", SHAPE, jnp.float16)
    assert not fuses("auto", SHAPE, "float32")
    assert not fuses("xla", SHAPE, "bfloat16")
    assert not fuses("auto", (2, 1, 3, 16), "bfloat16")
    assert not fuses("auto", (2, 6, 3, 12), "bfloat16")


def test_auto_is_xla_on_a_cpu_and_cudnn_is_refused_there():
    assert not fuses("auto", SHAPE, "bfloat16")
    with pytest.raises(InputError, match=r"got cpu and bfloat16, need an NVIDIA GPU"):
        fuses("cudnn", SHAPE, "bfloat16")


def test_cudnn_by_name_is_refused_in_float32(hopper):
    with pytest.raises(InputError, match=r"float32, need .*compute_dtype"):
        fuses("cudnn", SHAPE, "float32")
