"""What we use of librosa, compiled by one process at a time.

librosa compiles its vectorised functions when a module is imported or a function first called, and
keeps the machine code on disk (numba's cache). Two processes that do so at the same moment can
leave two files behind that do not fit each other: from then on every process that loads them
crashes (numba, issue 10128). So the first call waits its turn.

Where the installation cannot be written (a container run by another user), numba's cache is a
folder of the user's own.
"""

import contextlib
import functools
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import cache_folder, give_home, one_at_a_time

# What is called of each module, on a quarter of a second of noise.
_NOISE = np.random.default_rng(0).normal(size=4_000)
_CALLS = {
    "core": lambda core: core.pyin(_NOISE, fmin=65.0, fmax=500.0, sr=16_000),
    "onset": lambda onset: onset.onset_detect(y=_NOISE, sr=16_000, hop_length=160),
}


@functools.cache
def librosa_module(name: str) -> ModuleType:
    """`librosa.<name>`, imported and compiled at the first call: "core" for `pyin`, and "onset"."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(InputError):  # no folder to lock in: compile all the same
            stack.enter_context(one_at_a_time(cache_folder() / "librosa"))
        give_home()
        _give_numba_a_folder()
        _choose_bars_quietly()
        module = importlib.import_module(f"librosa.{name}")
        _CALLS[name](module)
    return module


def _give_numba_a_folder() -> None:
    """A folder for the machine code, where it cannot lie beside librosa's source: numba raises if
    it finds none.
    """
    if os.environ.get("NUMBA_CACHE_DIR") or "numba" in sys.modules:
        return
    source = Path(importlib.util.find_spec("librosa").origin).parent
    kept = next(folder for folder in (source / "__pycache__", source) if folder.is_dir())
    if not os.access(kept, os.W_OK | os.X_OK):
        os.environ["NUMBA_CACHE_DIR"] = str(cache_folder() / "numba")


def _choose_bars_quietly() -> None:
    """pooch, which librosa imports, has tqdm choose a progress bar; in a notebook without
    ipywidgets tqdm warns then.

    No bar of pooch is ever shown: we fetch none of librosa's example recordings.
    """
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        importlib.import_module("tqdm.auto")
