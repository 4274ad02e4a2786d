"""The devices and their peak rates: a large matrix product, and a copy.

A product of n × n matrices is 2 n³ floating-point operations. float32 is timed with JAX's default
precision (TensorFloat-32 on NVIDIA GPUs from Ampere on) and with `highest` precision. A copy in the
memory of one device reads and writes every byte; both count.
"""

import statistics
from collections.abc import Callable
from importlib.metadata import version

import jax
import jax.numpy as jnp

from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import in_turn, seconds, spread
from ksdiff_jax.bench.workload import Size
from ksdiff_jax.train.report.utilisation import peak_flops_per_s

_QUEUED = 10
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the devices, three products, and copies within a device and between two."""
    products = [("bfloat16", "default"), ("float32", "default"), ("float32", "highest")]
    return [
        ("devices", devices),
        *(
            (
                f"product of {size.matrix} x {size.matrix} matrices, {dtype}, precision "
                f"{precision}",
                _product(*given),
            )
            for dtype, precision in products
            for given in [(size, dtype, precision, repeats)]
        ),
        ("copy in the memory of one device", lambda: _copy_within(size, repeats)),
        ("copy from one device to the next", lambda: _copy_between(size, repeats)),
    ]


def devices() -> dict:
    """Return the number of devices, their memory, and the versions of their drivers."""
    first = jax.devices()[0]
    memory = (first.memory_stats() or {}).get("bytes_limit")
    return {
        "devices": jax.device_count(),
        "platform": first.platform,
        "compute_capability": getattr(first, "compute_capability", None),
        "memory_gb": None if memory is None else round(memory / 1e9, 3),
        "platform_version": " ".join(first.client.platform_version.split()),
        "versions": {name: version(name) for name in _PACKAGES},
        "keeps_compilations": bool(jax.config.jax_compilation_cache_dir),
    }


def _queued(work: Callable[[], jax.Array]) -> jax.Array:
    """Return the last of several results; the memory of the others is free for the next one."""
    for _ in range(_QUEUED):
        answer = work()
    return answer


def _product(size: Size, dtype: str, precision: str, repeats: int) -> Callable[[], dict]:
    def measure() -> dict:
        keys = jax.random.split(jax.random.key(0), 2)
        a, b = (jax.random.normal(key, (size.matrix, size.matrix), dtype) for key in keys)
        multiply = jax.jit(lambda a, b: jnp.matmul(a, b, precision=precision))
        first_s = seconds(lambda: multiply(a, b))

        times_s = in_turn(
            {"product": lambda: _queued(lambda: multiply(a, b))}, repeats=repeats + 1
        )["product"][1:]
        flops_per_s = 2 * size.matrix**3 * _QUEUED / statistics.median(times_s)
        peak = (
            peak_flops_per_s(jax.devices()[0].device_kind, dtype)
            if precision == "default"
            else None
        )
        return {
            "dtype": dtype,
            **spread(times_s, calls=_QUEUED),
            "first_s": round(first_s, 3),
            "tflops_per_s": round(flops_per_s / 1e12, 3),
            "share_of_peak": None if peak is None else round(flops_per_s / peak, 4),
        }

    return measure


def _copy_within(size: Size, repeats: int) -> dict:
    values = jnp.zeros(size.copied_bytes // 4, jnp.float32)
    # Adding one prevents the compiler from removing the copy, at a negligible cost.
    copy = jax.jit(lambda values: values + 1)
    first_s = seconds(lambda: copy(values))
    times_s = in_turn({"copy": lambda: _queued(lambda: copy(values))}, repeats=repeats + 1)["copy"][
        1:
    ]
    moved = 2 * size.copied_bytes * _QUEUED
    return {
        "dtype": "float32",
        **spread(times_s, calls=_QUEUED),
        "first_s": round(first_s, 3),
        "gb_per_s": round(moved / statistics.median(times_s) / 1e9, 2),
    }


def _copy_between(size: Size, repeats: int) -> dict:
    if jax.local_device_count() < 2:
        return {"skipped": "one device"}
    here, there = jax.local_devices()[:2]
    values = jax.device_put(jnp.zeros(size.copied_bytes // 4, jnp.float32), here)
    first_s = seconds(lambda: jax.device_put(values, there))
    times_s = in_turn({"copy": lambda: jax.device_put(values, there)}, repeats=repeats)["copy"]
    return {
        "dtype": "float32",
        **spread(times_s),
        "first_s": round(first_s, 3),
        "gb_per_s": round(size.copied_bytes / statistics.median(times_s) / 1e9, 2),
    }
