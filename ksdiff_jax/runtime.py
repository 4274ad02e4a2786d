"""Checks a runtime: whether JAX is the installed version, and uses the accelerator of the machine.

It serves the first cell of a notebook, where an installation follows imports by the runtime itself,
and `doctor`.
"""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

from ksdiff_jax import __version__
from ksdiff_jax.errors import InputError

# Modules that must have the installed version, because their compiled parts depend on each other.
_OF_ONE_PIECE = ("jax", "jaxlib", "flax", "numpy")
_CUDA_PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin")
_LIST_DEVICES = (
    "import jax; print('|'.join(f'{device.platform} {device.device_kind}' for device "
    "in jax.devices()))"
)
_GOOGLE = "0x1ae0"  # the vendor of TPUs on the PCI bus, and also of network cards
# v2 and v3, v4, v5p, v5e, v6e, 7x
_TPUS = {"0x0027", "0x0056", "0x005e", "0x0062", "0x0063", "0x006f", "0x0076"}


def check_runtime() -> str:
    """Return one line with versions and devices. A separate process queries the devices, so that
    this one occupies none.

    Raises `InputError` if the imported version of JAX is not the installed one, or if the machine
    has a GPU or a TPU and JAX finds only the CPU (unless `JAX_PLATFORMS` requests that).
    """
    if stale := imported_and_replaced():
        raise InputError(
            f"{stale}: restart the session (on Colab: Runtime, Restart session), then run this "
            "cell first"
        )
    if installed_version("jax") is None:
        raise InputError("jax is not installed in this environment: install ksdiff-jax there")
    done = subprocess.run(
        [sys.executable, "-c", _LIST_DEVICES], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]
        chosen = os.environ.get("JAX_PLATFORMS")
        where = f" for JAX_PLATFORMS={chosen}" if chosen else ""
        raise InputError(
            f"JAX finds no device{where} ({reason}): set JAX_PLATFORMS=cpu, or restart the session"
        )
    devices = done.stdout.splitlines()[-1].split("|")
    if unused := unused_accelerator([device.split()[0] for device in devices]):
        raise InputError(unused)
    kinds = ", ".join(sorted(set(devices)))
    return (
        f"ksdiff-jax {__version__}, jax {installed_version('jax')}, {len(devices)} device(s): "
        f"{kinds}"
    )


def imported_and_replaced() -> str | None:
    """Return the fault if a module is loaded in a version other than the installed one; None if
    there is none.
    """
    for name in _OF_ONE_PIECE:
        module = sys.modules.get(name)
        imported, installed = getattr(module, "__version__", None), installed_version(name)
        if imported and installed and imported != installed:
            return f"{name} {imported} was imported before {name} {installed} was installed"
    return None


def unused_accelerator(platforms: list[str]) -> str | None:
    """Return the fault and the remedy if JAX has only `cpu` in `platforms` on a machine with a GPU
    or TPU; None if there is none.
    """
    if set(platforms) - {"cpu"} or os.environ.get("JAX_PLATFORMS") == "cpu":
        return None
    if has_nvidia_gpu():
        return f"this machine has an NVIDIA GPU, but JAX finds only the CPU: {_why_no_gpu()}"
    if has_tpu():
        versions = f"jax {installed_version('jax')}, libtpu {installed_version('libtpu')}"
        return (
            f"this machine has a TPU, but JAX finds only the CPU ({versions}): "
            "install 'ksdiff-jax[tpu]' and restart the session, or set JAX_PLATFORMS=cpu to "
            "continue "
            "without it"
        )
    return None


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Return whether NVIDIA's driver is loaded (Linux)."""
    return (root / "proc/driver/nvidia/version").exists() or (root / "dev/nvidiactl").exists()


def has_tpu(root: Path = Path("/")) -> bool:
    """Return whether a TPU is on the PCI bus (Linux)."""
    for device in (root / "sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (
                (device / name).read_text(encoding="ascii").strip() for name in ("vendor", "device")
            )
        except OSError:
            continue
        if vendor == _GOOGLE and kind in _TPUS:
            return True
    return False


def _why_no_gpu() -> str:
    jaxlib = installed_version("jaxlib")
    plugins = {name: version for name in _CUDA_PLUGINS if (version := installed_version(name))}
    remedy = "restart the session, or set JAX_PLATFORMS=cpu to continue without it"
    if not plugins:
        return f"no CUDA plugin of JAX is installed; install 'ksdiff-jax[gpu]' and {remedy}"
    if jaxlib not in plugins.values():
        name, version = next(iter(plugins.items()))
        extra = name.removeprefix("jax-").removesuffix("-plugin")
        return (
            f"{name} {version} does not match jaxlib {jaxlib}; install 'jax[{extra}]=={jaxlib}' "
            f"and {remedy}"
        )
    return (
        f"its plugin ({', '.join(plugins)} {jaxlib}) does not start, see nvidia-smi for the "
        f"driver; {remedy}"
    )


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
