"""The parts of librosa used here, compiled by one process at a time.

librosa compiles its vectorised functions when a module is imported or a function is first called,
and stores the machine code on disk (numba's cache). Two processes that do so at the same moment can
leave two files that do not match. Every process that loads them then crashes (numba, issue 10128).
The first call is therefore made under a lock. It lies in the folder of the machine code, because
processes with different caches of this package share that folder.

If the installation is not writable (a container run by another user), that folder is in the user's
cache.
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
from ksdiff_jax.files import cache_folder, one_at_a_time, set_home

# The functions used of each module, called on a quarter of a second of noise.
_NOISE = np.random.default_rng(0).normal(size=4_000)
_CALLS = {
    "core": lambda core: core.pyin(_NOISE, fmin=65.0, fmax=500.0, sr=16_000),
    "onset": lambda onset: onset.onset_detect(y=_NOISE, sr=16_000, hop_length=160),
}


@functools.cache
def librosa_module(name: str) -> ModuleType:
    """Return `librosa.<name>`, imported and compiled at the first call: "onset", and "core" for
    `pyin`, to which the tests compare `audio.pitch`.
    """
    with contextlib.ExitStack() as stack:
        set_home()
        with contextlib.suppress(InputError):  # no folder for the lock: compile without it
            stack.enter_context(one_at_a_time(_numba_folder()))
        _suppress_bar_warning()
        module = importlib.import_module(f"librosa.{name}")
        _CALLS[name](module)
    return module


def _numba_folder() -> Path:
    """Return the folder of the machine code, beside librosa's source; if nothing can be stored
    there, set another one for numba, which raises if it finds none.

    Raise `InputError` if there is no cache folder either.
    """
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given)
    source = Path(importlib.util.find_spec("librosa").origin).parent
    kept = next(folder for folder in (source / "__pycache__", source) if folder.is_dir())
    if os.access(kept, os.W_OK | os.X_OK):
        return kept
    own = cache_folder() / "numba"
    if "numba" not in sys.modules:
        os.environ["NUMBA_CACHE_DIR"] = str(own)
    return own


def _suppress_bar_warning() -> None:
    """Suppress a warning of tqdm: pooch, which librosa imports, makes tqdm select a progress bar,
    and in a notebook without ipywidgets tqdm then warns.

    No bar of pooch is ever shown, because this package downloads none of librosa's example
    recordings.
    """
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        importlib.import_module("tqdm.auto")
