"""A process in which only JAX, Flax, Optax, Orbax, NumPy, safetensors and what these need can be
imported.

`python -m tests.bench.bare_machine [--trace] ARGUMENTS` is `ksdiff-jax ARGUMENTS` there; with
`--trace` programs are traced and then fail with `OnlyTraced` where they would be compiled.
"""

import importlib.metadata
import re
import sys

INSTALLED = ("jax", "flax", "optax", "orbax-checkpoint", "numpy", "safetensors")
OURS = {"ksdiff_jax", "tests"}


class OnlyTraced(Exception):
    """A program was traced, and is not compiled."""


class Bare:
    """An import hook that knows nothing of installed packages but the `allowed` ones."""

    def __init__(self, allowed: set[str]):
        self._hidden = set(importlib.metadata.packages_distributions()) - allowed - OURS
        self.asked: set[str] = set()

    def find_spec(self, name, path=None, target=None):
        if (top := name.partition(".")[0]) in self._hidden:
            self.asked.add(top)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def needed(names) -> set[str]:
    """Distributions that these require, extras left out, and they themselves; names in lower case
    with hyphens.
    """
    found, waiting = set(), [_normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system or Python
            continue
        waiting += [
            _normal(re.match(r"[\w.-]+", line)[0])
            for line in requirements
            if "extra ==" not in line
        ]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def modules_of(distributions: set[str]) -> set[str]:
    """Top-level modules of these distributions."""
    owners = importlib.metadata.packages_distributions()
    return {
        module
        for module, names in owners.items()
        if {_normal(name) for name in names} & distributions
    }


def main(arguments: list[str]) -> int:
    allowed = modules_of(needed(INSTALLED))
    assert not allowed & {
        "jaxtyping",
        "librosa",
        "av",
        "numba",
        "grain",
        "transformers",
        "matplotlib",
    }
    sys.meta_path.insert(0, Bare(allowed))
    from ksdiff_jax.cli.main import main as command

    if arguments[0] == "--trace":
        from ksdiff_jax.bench import timing

        def only_traced(lowered, trace_s):
            raise OnlyTraced

        timing._compiled = only_traced
        arguments = arguments[1:]
    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
