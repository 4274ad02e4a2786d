"""A picture of painted frames: targets of a clip across; reference, truth, painted, error down.

The error is the absolute difference to the truth, four times as bright.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ksdiff_jax.evaluate.frame_scores import Pictures, Targets
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import UInt8

ERROR_GAIN = 4
SHOWN = 8  # targets


def painted_strip(
    targets: Targets, painted: Mapping[str, Pictures], *, shown: int = SHOWN
) -> UInt8[np.ndarray, "y x 3"]:
    """Return the strip of some targets, evenly spaced: two rows for each painter."""
    places = np.unique(np.linspace(0, len(targets.truth) - 1, shown).round().astype(int))
    truth = targets.truth[places]
    rows = [np.repeat(targets.reference[None], len(places), axis=0), truth]
    for pictures in painted.values():
        some = pictures[places]
        error = np.abs(some.astype(np.int16) - truth) * ERROR_GAIN
        rows += [some, np.minimum(error, 255).astype(np.uint8)]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def write_painted_strip(
    path: str | Path,
    targets: Targets,
    painted: Mapping[str, Pictures],
    *,
    overwrite: bool = False,
) -> Path:
    """Write the strip as a PNG. A strip of ours at `path` is replaced; another file is replaced
    only with `overwrite`.
    """
    info = PngInfo()
    info.add_text("Software", mark("painted-strip"))
    with writing(path, "painted-strip", overwrite=overwrite) as temporary:
        Image.fromarray(painted_strip(targets, painted)).save(temporary, "PNG", pnginfo=info)
    return Path(path)
