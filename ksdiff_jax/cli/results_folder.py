"""The folder of a command's results, which a refused command does not leave behind empty."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def results_folder(name: str | Path) -> Iterator[Path]:
    """Create the folder if it does not exist and yield it; remove it at the end if it was created
    here and nothing was written into it.

    Raise `InputError` if it cannot be created or written to.
    """
    from ksdiff_jax.files import make_folder

    existed = Path(name).exists()
    folder = make_folder(name)
    try:
        yield folder
    finally:
        # An empty folder would look like a result. rmdir fails, as intended, if the folder has
        # content or another process has removed it.
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()
