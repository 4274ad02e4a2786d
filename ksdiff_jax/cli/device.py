"""The device a command runs on, and compiled programs kept between runs."""

import hashlib
import os
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import cache_folder, is_ours_alone

PLATFORMS = {"cpu": "cpu", "gpu": "cuda", "tpu": "tpu"}


def use_device(name: str | None, *, cpu_too: bool = False) -> None:
    """Run on `cpu`, `gpu` or `tpu` (None: what JAX finds best); call before anything touches a
    device.

    `cpu_too`: `jax.devices("cpu")` works as well, beside the device that is run on.
    """
    import jax

    if name is not None:
        jax.config.update("jax_platforms", PLATFORMS[name])
    platforms = jax.config.jax_platforms  # empty: all
    if cpu_too and platforms and "cpu" not in platforms.split(","):
        jax.config.update("jax_platforms", f"{platforms},cpu")
    try:
        # Of several platforms JAX passes over those that are not there: the first one is asked for
        # by its name.
        jax.devices(platforms.split(",")[0] if platforms else None)
    except (RuntimeError, AssertionError) as error:  # the latter for CUDA without its plugin
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
    """Let JAX keep compiled programs in a folder of the user's own; None where no such folder can
    be had.
    """
    import jax

    # A program for several devices holds the address of a Python object for each of our transforms
    # (fourier.py), which is another one at every trace: it would never be found again. The rest of
    # the text determines the program.
    jax.config.update("jax_remove_custom_partitioning_ptr_from_cache_key", True)
    if jax.config.jax_compilation_cache_dir:  # the user's own choice, by JAX_COMPILATION_CACHE_DIR
        return Path(jax.config.jax_compilation_cache_dir)
    try:
        folder = cache_folder() / "compilations" / _processor_name()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (is_ours_alone(folder.stat()) and os.access(folder, os.W_OK)):
            return None
    except (OSError, InputError):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return folder


def _processor_name() -> str:
    """Programs compiled for one processor may crash on another, and a home folder may be shared
    between the two.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "generic"
    lines = sorted(
        {line for line in text.splitlines() if line.startswith(("model name", "flags", "Features"))}
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
