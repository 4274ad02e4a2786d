"""Selects the device that a command runs on."""

import os
from pathlib import Path

from ksdiff_jax.errors import InputError

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
    """Keep compiled programs; see `ksdiff_jax.parallel.compilations`, which imports JAX."""
    from ksdiff_jax.parallel.compilations import keep_compilations as keep

    return keep()
