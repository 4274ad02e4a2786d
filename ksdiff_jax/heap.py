"""Keeps freed memory in the process, in large pages. On CPU, XLA reallocates every buffer on each
call.

The C library returns buffers of that size to the kernel at once, and the kernel clears every page
again when the next step touches it. A training step of the demo model spent a third of its time on
this. Here the buffers stay on the heap. The cost is that the process never shrinks below its peak.
"""

import ctypes
import os
import sys
from pathlib import Path

SWITCH = "KSDIFF_KEEP_MEMORY"  # 0: do not change the C library's settings

# <malloc.h> of glibc and <sys/mman.h> of Linux.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = -1
_MADV_HUGEPAGE = 14
_LARGEST_HEAP_BYTES = 16 << 30


def keep_freed_memory() -> bool:
    """Call this once, before threads start; returns True if it took effect (Linux with glibc, and
    not switched off).

    Addresses for a heap of half the machine's memory, 16 GiB at most, are marked for large pages.
    They take no memory until they are used. If the kernel counts addresses as memory
    (overcommit_memory 2), none are marked.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if os.environ.get(SWITCH) == "0" or not hasattr(libc, "gnu_get_libc_version"):
        return False
    # One heap: other heaps consist of small pieces, and larger buffers would be mapped again.
    if not all(
        libc.mallopt(*it)
        for it in ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER))
    ):
        return False
    if not _addresses_are_free():
        return True
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    size = min(_LARGEST_HEAP_BYTES, page * os.sysconf("SC_PHYS_PAGES") // 2)
    start = libc.malloc(size)
    if start:  # if so many addresses are not available, pages stay small
        first = -(-start // page) * page
        libc.madvise(first, (start + size - first) // page * page, _MADV_HUGEPAGE)
        libc.free(start)
    return True


def _addresses_are_free() -> bool:
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text(encoding="ascii").strip() != "2"
    except OSError:
        return True
