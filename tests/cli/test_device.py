"""Compiled programs for several devices are found in the cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPILE_TWICE = """
import sys
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from ksdiff_jax.cli.device import keep_compilations
from ksdiff_jax.fourier import rfft

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
if sys.argv[1] == "kept":
    keep_compilations()
mesh = jax.make_mesh((2,), ("data",))
for _ in range(2):
    def power(x):
        return jnp.sum(jnp.abs(rfft(x)) ** 2)

    x = jax.device_put(jnp.ones((4, 8)), NamedSharding(mesh, PartitionSpec("data")))
    assert jax.jit(jax.grad(power))(x).shape == (4, 8)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "programs"), [("kept", 1), ("as JAX does", 2)])
def test_a_program_for_several_devices_is_compiled_once(how, programs, tmp_path):
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_ENABLE_COMPILATION_CACHE": "true",
    }
    environment.pop("JAX_REMOVE_CUSTOM_PARTITIONING_PTR_FROM_CACHE_KEY", None)  # of the tests
    command = [sys.executable, "-c", COMPILE_TWICE, how]
    done = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert len(list(tmp_path.glob("jit_power-*-cache"))) == programs
