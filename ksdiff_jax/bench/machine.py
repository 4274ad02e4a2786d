"""The machine of a benchmark, for its report: processor, cores, device, load and versions."""

import importlib.metadata
import os
import platform
from pathlib import Path


def machine() -> dict:
    """Return the machine on which the figures were measured."""
    import jax

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "jax": importlib.metadata.version("jax"),
        "numpy": importlib.metadata.version("numpy"),
    }
