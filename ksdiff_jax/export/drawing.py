"""Matplotlib as our pictures need it, whatever this user and this machine have set.

Text is drawn as it is: a `$` begins no formula, and no LaTeX runs. The style is Matplotlib's own,
not that of a `matplotlibrc` of the user's. A character that the font lacks is an empty box, without
a warning.
"""

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.files import cache_folder, give_home, home_folder
from ksdiff_jax.plain_text import printable, shortened

LONGEST_TITLE = 100  # characters; more leave the picture


@contextlib.contextmanager
def drawing(**settings: object) -> Iterator[None]:
    """Draw with Matplotlib's defaults and these `settings` of it.

    Raises `InputError` where it cannot start here.
    """
    if "matplotlib" not in sys.modules:
        _give_a_folder()
    try:
        matplotlib = _matplotlib()
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        raise InputError(
            f"Matplotlib cannot start here ({first_line(error)}); look at MPLCONFIGDIR, TMPDIR "
            "and a matplotlibrc in "
            "the working folder, or ask for no plots"
        ) from error
    defaults = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith("backend")
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib.rcParams.update(
            defaults | {"text.parse_math": False, "text.usetex": False} | settings
        )
        yield


def _matplotlib() -> ModuleType:
    """The module; a MPLBACKEND that it does not know is left out, as our pictures need no backend
    of windows.
    """
    try:
        return importlib.import_module("matplotlib")
    except ValueError:
        backend = os.environ.pop("MPLBACKEND", None)
        if backend is None:
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # what the import left half done
        try:
            return importlib.import_module("matplotlib")
        finally:
            os.environ["MPLBACKEND"] = backend


def title_of(name: str) -> str:
    """A name as a title: one line, not longer than a picture is wide."""
    return shortened(printable(name), LONGEST_TITLE)


def _give_a_folder() -> None:
    """A folder for Matplotlib's list of fonts, where the usual one may not be there."""
    give_home()
    home = home_folder()
    usual = home is not None and os.access(home, os.W_OK) and not os.environ.get("XDG_CACHE_HOME")
    if usual or os.environ.get("MPLCONFIGDIR"):
        return
    with contextlib.suppress(InputError):  # Matplotlib reports it
        os.environ["MPLCONFIGDIR"] = str(cache_folder() / "matplotlib")
