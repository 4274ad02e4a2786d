"""Matplotlib settings that do not depend on the user or the machine.

Text is drawn literally: a `$` does not start a formula, and LaTeX is not used. The style is
Matplotlib's default, not that of the user's `matplotlibrc`. A character that the font lacks is
drawn as an empty box, without a warning.
"""

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.files import cache_folder, home_folder, set_home
from ksdiff_jax.plain_text import printable, shortened

LONGEST_TITLE = 100  # characters; a longer title would not fit the picture


@contextlib.contextmanager
def drawing(**settings: object) -> Iterator[None]:
    """Draw with Matplotlib's defaults and these `settings`.

    Raises `InputError` if Matplotlib cannot be imported.
    """
    if "matplotlib" not in sys.modules:
        _set_font_folder()
    try:
        matplotlib = _matplotlib()
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        raise InputError(
            f"Matplotlib cannot be started ({first_line(error)}); look at MPLCONFIGDIR, TMPDIR "
            "and a matplotlibrc in the working folder, or ask for no plots"
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
    """Import and return Matplotlib. An MPLBACKEND that Matplotlib does not support is ignored,
    because no plot here needs a window.
    """
    try:
        return importlib.import_module("matplotlib")
    except ValueError:
        backend = os.environ.pop("MPLBACKEND", None)
        if backend is None:
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # remove what the failed import left
        try:
            return importlib.import_module("matplotlib")
        finally:
            os.environ["MPLBACKEND"] = backend


def title_of(name: str) -> str:
    """Return a name as a title: one line, no wider than a picture."""
    return shortened(printable(name), LONGEST_TITLE)


def _set_font_folder() -> None:
    """Create a folder for Matplotlib's font list if the usual one cannot be created."""
    set_home()
    home = home_folder()
    usual = home is not None and os.access(home, os.W_OK) and not os.environ.get("XDG_CACHE_HOME")
    if usual or os.environ.get("MPLCONFIGDIR"):
        return
    with contextlib.suppress(InputError):  # Matplotlib reports the error
        os.environ["MPLCONFIGDIR"] = str(cache_folder() / "matplotlib")
