"""`ksdiff-jax doctor`: prints versions, devices, which optional parts are present, and what to
install for the rest.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
import warnings

from ksdiff_jax.cli.console import Console, add_output_arguments
from ksdiff_jax.errors import Notice
from ksdiff_jax.runtime import installed_version, unused_accelerator

SUMMARY = "versions, devices, which optional parts are present, what to install for the rest"
EXAMPLES = """examples:
  ksdiff-jax doctor
  ksdiff-jax doctor --json
"""
# Module name -> (what it is used for, how to install it).
OPTIONAL = {
    "espeakng_loader": (
        "the built-in corpus (ksdiff-jax corpus, train)",
        "pip install 'ksdiff-jax[corpus]'",
    ),
    "torch": (
        "recognition of words (animate --transcribe), which no checkpoint needs, and "
        "make test-parity",
        "pip install 'ksdiff-jax[transcribe]'",
    ),
    "pytest": ("the test suite", "pip install 'ksdiff-jax[test]'"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments: only the common output options apply."""
    parser.epilog = EXAMPLES
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Check and report; return 2 if a required package is missing."""
    console = Console("doctor", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {
            name: installed_version(name) for name in ("ksdiff-jax", "jaxlib", *_required())
        },
    }
    missing = [name for name, version in facts["packages"].items() if version is None]
    facts["missing"] = missing
    facts["devices"] = _devices() if "jax" not in missing else []
    facts["unused_accelerator"] = unused_accelerator(
        [device.split()[0] for device in facts["devices"]]
    )
    facts["optional"] = {name: importlib.util.find_spec(name) is not None for name in OPTIONAL}
    facts["checkpoints"] = _checkpoints() if not missing else []
    facts["face_tracker"] = _tracker() if not missing else None
    _say(console, facts)
    console.result(facts)
    if missing:
        console.fail(
            f"missing: {', '.join(missing)}; install with: {sys.executable} -m pip install "
            "ksdiff-jax"
        )
    return 2 if missing else 0


def _required() -> list[str]:
    """Return the names of the distributions that this package requires, without extras."""
    try:
        lines = importlib.metadata.requires("ksdiff-jax") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        for line in lines
        if "extra ==" not in line
    ]


def _devices() -> list[str]:
    import jax

    try:
        return [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    except (RuntimeError, AssertionError):
        asked = (
            f" for JAX_PLATFORMS={chosen}" if (chosen := os.environ.get("JAX_PLATFORMS")) else ""
        )
        warnings.warn(f"JAX finds no device here{asked}", Notice, stacklevel=2)
        return []


def _checkpoints() -> list[str]:
    from ksdiff_jax.models.pretrained import shipped_names

    return shipped_names()


def _tracker() -> str | None:
    from ksdiff_jax.data.tracking.tracker import tracker_python
    from ksdiff_jax.errors import InputError

    try:
        return tracker_python()
    except InputError:
        return None


def _say(console: Console, facts: dict) -> None:
    console.say(f"Python {facts['python']} on {facts['platform']}, {facts['cores']} cores")
    for name, version in facts["packages"].items():
        console.say(f"  {name:<20} {version or 'MISSING'}")
    console.say(f"devices: {', '.join(facts['devices']) or 'none'}")
    if facts["unused_accelerator"]:
        console.say(f"  {facts['unused_accelerator']}")
    elif not any(device.startswith(("gpu", "cuda", "tpu")) for device in facts["devices"]):
        console.say(
            "  with an NVIDIA GPU: pip install 'ksdiff-jax[gpu]'; on a TPU: pip install "
            "'ksdiff-jax[tpu]'"
        )
    for name, (purpose, remedy) in OPTIONAL.items():
        present = facts["optional"][name]
        console.say(
            f"{'present' if present else 'absent '}  {purpose}{'' if present else ': ' + remedy}"
        )
    tracker = facts["face_tracker"]
    remedy = ""
    if not tracker and not facts["missing"]:
        from ksdiff_jax.data.tracking.tracker import how_to_install

        remedy = f": {how_to_install()}"
    console.say(
        f"{'present' if tracker else 'absent '}  the face tracker (ksdiff-jax prepare on raw "
        f"video){remedy}"
    )
    console.say(f"shipped checkpoints: {', '.join(facts['checkpoints']) or 'none'}")
