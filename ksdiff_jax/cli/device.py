"""Selects the device a command runs on, and caches compiled programs between runs."""

import hashlib
import os
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import belongs_to_user, cache_folder

PLATFORMS = {"cpu": "cpu", "gpu": "cuda", "tpu": "tpu"}


def use_device(name: str | None, *, cpu_too: bool = False) -> None:
    """Run on `cpu`, `gpu` or `tpu` (None: JAX's choice). Call this before anything uses a device.

    With `cpu_too`, `jax.devices("cpu")` also works, beside the selected device.
    """
    import jax

    if name is not None:
        jax.config.update("jax_platforms", PLATFORMS[name])
    platforms = jax.config.jax_platforms  # empty: all
    if cpu_too and platforms and "cpu" not in platforms.split(","):
        jax.config.update("jax_platforms", f"{platforms},cpu")
    try:
        # JAX skips platforms of a list that are absent, so the first one is requested by its name.
        jax.devices(platforms.split(",")[0] if platforms else None)
    except (RuntimeError, AssertionError) as error:  # AssertionError: CUDA without its plugin
        chosen = (
            f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}"
            if name is None
            else f"--device {name}"
        )
        hint = {"gpu": "install ksdiff-jax[gpu]", "tpu": "install ksdiff-jax[tpu]"}.get(
            name, "see ksdiff-jax doctor"
        )
        raise InputError(
            f"{chosen}: JAX finds no such device here; {hint} or use --device cpu"
        ) from error


def keep_compilations() -> Path | None:
    """Let JAX cache compiled programs in a folder of the user's; return None if no such folder can
    be created.
    """
    import jax

    # The text of a program for several devices contains the address of a Python object for each of
    # our transforms (fourier.py). The address changes at every trace, so such a program would never
    # be found in the cache. The rest of the text determines the program.
    jax.config.update("jax_remove_custom_partitioning_ptr_from_cache_key", True)
    if jax.config.jax_compilation_cache_dir:  # chosen by the user with JAX_COMPILATION_CACHE_DIR
        return Path(jax.config.jax_compilation_cache_dir)
    try:
        folder = cache_folder() / "compilations" / _processor_name()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (belongs_to_user(folder.stat()) and os.access(folder, os.W_OK)):
            return None
    except (OSError, InputError):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return folder


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
