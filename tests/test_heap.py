"""Freed memory stays with the process, measured by the pages that the kernel provides again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, resource, sys
from ksdiff_jax.heap import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
size, faults = 256 << 20, []
kept = keep_freed_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    libc.free(block)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(kept, *faults)
"""


def faults(switch):
    environment = os.environ | {"KSDIFF_KEEP_MEMORY": switch}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    kept, *counts = run.stdout.split()
    return kept == "True", [int(count) for count in counts]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library of Linux")
def test_a_large_block_is_paid_for_once():
    kept, counts = faults("1")
    if not kept:
        pytest.skip("another C library than glibc")
    assert counts[1] + counts[2] < 100
    left_alone, counts = faults("0")
    assert not left_alone
    if "[always]" not in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text():
        assert counts[2] > 10_000  # 4 KiB each of 256 MiB would be 65,536
