"""Compiled programs that are kept from one process to the next, in a private folder of the user's.

JAX stores and finds the programs. Two faults that it does not handle are handled here. A process
that is killed while it stores a program leaves an incomplete file, which JAX reads again and again
and never replaces. A file with a flipped bit is not always recognised, depending on how JAX was
able to compress it, and a damaged program may crash the process. `keep_compilations` therefore
removes every file that is not as it was stored, and JAX compiles that program anew:

    checksums.json   CRC-32 of each file, written when the process that stored it ends
    *-cache          the programs; without a checksum yet, zlib's is verified, if it has one

Every start reads all files, so the oldest beyond `MOST_BYTES` are removed.

`programs.py` keeps the programs of inference in a folder beside them, in a form without a trace.
A folder that the user chose with `JAX_COMPILATION_CACHE_DIR` is used as it is.
"""

import atexit
import contextlib
import hashlib
import json
import os
import time
import warnings
import zlib
from pathlib import Path

import jax

from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.files import belongs_to_user, cache_folder, one_at_a_time, write_json

CHECKSUMS = "checksums.json"
MOST_BYTES = 1_000_000_000
PATIENCE_S = 20.0  # for another process, which may be suspended
LEAST_COMPILE_S = 0.2  # a program that compiles faster is not stored
_BEING_WRITTEN_S = 5.0  # a younger file without a checksum may still be written by another process
_ZLIB = b"\x78"  # first byte of zlib's format; Zstandard's is 0x28

_kept: list[Path] = []  # the folder of this process


class CompilationWarning(Notice):
    """A stored program was damaged, and is compiled anew."""


def keep_compilations() -> Path | None:
    """Let JAX keep compiled programs in a folder of the user's; return None if no such folder can
    be created, or if JAX's cache is switched off.
    """
    # The text of a program for several devices contains the address of a Python object for each of
    # our transforms (fourier.py). The address changes at every trace, so such a program would never
    # be found in the cache. The rest of the text determines the program.
    jax.config.update("jax_remove_custom_partitioning_ptr_from_cache_key", True)
    if jax.config.jax_compilation_cache_dir:  # chosen by the user, or an earlier call
        return Path(jax.config.jax_compilation_cache_dir)
    if not jax.config.jax_enable_compilation_cache:
        return None
    try:
        folder = cache_folder() / "compilations" / _processor_name()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (belongs_to_user(folder.stat()) and os.access(folder, os.W_OK)):
            return None
    except (OSError, InputError):
        return None
    if damaged := remove_damaged(folder):
        warnings.warn(
            f"{folder}: {len(damaged)} compiled programs were damaged; they are compiled anew",
            CompilationWarning,
            stacklevel=2,
        )
    atexit.register(record_new, folder)
    _kept.append(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_COMPILE_S)
    return folder


def kept_folder() -> Path | None:
    """Return the folder of `keep_compilations` in this process; None if there is none of ours."""
    return _kept[-1] if _kept and jax.config.jax_enable_compilation_cache else None


def remove_damaged(folder: Path) -> list[str]:
    """Remove the programs that are not as they were stored; record the checksums of new ones.
    Return the names of the removed files.
    """
    return _verified(folder, every=True)


def record_new(folder: Path) -> list[str]:
    """Do what `remove_damaged` does for programs without a recorded checksum; read no others."""
    return _verified(folder, every=False)


def _verified(folder: Path, *, every: bool) -> list[str]:
    removed: list[str] = []
    with contextlib.suppress(OSError, InputError), one_at_a_time(folder, patience_s=PATIENCE_S):
        known = _recorded(folder)
        found: dict[str, int] = {}
        _remove_oldest(folder)
        for path in sorted(folder.glob("*-cache")):
            if path.name in known and not every:
                found[path.name] = known[path.name]
                continue
            with contextlib.suppress(OSError):  # removed by another process
                content, age_s = path.read_bytes(), time.time() - path.stat().st_mtime
                checksum = zlib.crc32(content)
                if path.name in known:
                    sound = known[path.name] == checksum
                elif _is_complete(content):
                    sound = True
                elif age_s < _BEING_WRITTEN_S:
                    continue
                else:
                    sound = False
                if sound:
                    found[path.name] = checksum
                else:
                    path.unlink()
                    removed.append(path.name)
        if found != known:
            write_json(folder / CHECKSUMS, found)
    return removed


def _remove_oldest(folder: Path) -> None:
    """Remove the oldest programs beyond `MOST_BYTES`. A process that still looks for one compiles
    it anew.
    """
    found = []
    for path in folder.glob("*-cache"):
        with contextlib.suppress(OSError):  # removed by another process
            found.append((path.stat(), path))
    total = 0
    for stat, path in sorted(found, key=lambda each: -each[0].st_mtime):
        total += stat.st_size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)


def _is_complete(content: bytes) -> bool:
    """Return whether a stored program can be decompressed; True if this cannot be verified."""
    if not content.startswith(_ZLIB):
        return bool(content)
    try:
        zlib.decompress(content)
    except zlib.error:
        return False
    return True


def _recorded(folder: Path) -> dict[str, int]:
    try:
        content = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _processor_name() -> str:
    """Return the processor's name. A program compiled for one processor may crash on another, and
    machines with different processors may share a home folder.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "generic"
    lines = sorted(
        {line for line in text.splitlines() if line.startswith(("model name", "flags", "Features"))}
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
