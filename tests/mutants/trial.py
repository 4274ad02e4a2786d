"""One run of pytest on a copy of the repository, with or without a change."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.mutants.change import Mutant, mutated

REPOSITORY = Path(__file__).parents[2]
PACKAGE = "ksdiff_jax"
LONGEST_S = 600


class Trial(NamedTuple):
    """What a run of pytest found."""

    status: int  # of pytest: 0 all passed, 1 some failed, anything else: it could not run them
    failed: tuple[str, ...]  # node ids
    output: str


def copied(folder: Path) -> Path:
    """A copy of all files of the repository that git does not ignore, in a new `folder`."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
    for name in filter(None, os.fsdecode(names).split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return folder


def tried(tests: Sequence[str], copy: Path, *, cache: Path, stop_early: bool = False) -> Trial:
    """Run `tests`, slow ones included, on the package of `copy`; `cache` keeps JAX's compiled
    programs.
    """
    options = [
        "-q",
        "-rfE",
        "-m",
        "not long and not parity",
        "-p",
        "no:cacheprovider",
        *["-x"] * stop_early,
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        # two texts of one size and one second would share their compiled form
        "PYTHONDONTWRITEBYTECODE": "1",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
    }
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env=environment,
            timeout=LONGEST_S,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return Trial(-1, (), f"stopped after {LONGEST_S} s")
    return Trial(
        run.returncode, tuple(re.findall(r"^FAILED (\S+)", run.stdout, re.MULTILINE)), run.stdout
    )


def tried_with(mutant: Mutant, copy: Path, *, cache: Path) -> Trial:
    """Run the mutant's tests on a changed `copy`, which is as before afterwards."""
    path, text = mutated(mutant, copy / PACKAGE)
    before = path.read_bytes()
    path.write_text(text, encoding="utf-8")
    try:
        return tried(mutant.tests, copy, cache=cache, stop_early=True)
    finally:
        path.write_bytes(before)
