"""The motion space of a data set, including data sets of earlier versions.

A description without `motion_parts` is from an earlier version, which wrote "flame" for all 50
coefficients. Its clips then show the space:

| `source` of a clip | space |
|---|---|
| a tool whose coefficients were imported | flame |
| our tracker, and the built-in head has the mouth opening measured at the fit | builtin |
| anything else | "" |

The tracker stored the deviation of the mouth opening over each take (`mouth_opening_std`), computed
on the fitted face; the same coefficients on another face give another value.
"""

from collections.abc import Sequence
from itertools import groupby, islice

import numpy as np

from ksdiff_jax.data.description import PathLike, dataset_info
from ksdiff_jax.data.importing.layouts import LAYOUTS
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening
from ksdiff_jax.motion.earlier import stated_space
from ksdiff_jax.motion.space import BUILTIN

TRACKED = "ksdiff-jax tracker"
READ_CLIPS = 24
TOLERANCE = 1e-3  # relative


def known_space(folder: PathLike, *, given: str = "", option: str = "--space") -> str:
    """Return the space of a data set; `given` names it if the data set does not show it.

    Raises `InputError` if neither does, or if they differ.
    """
    return stated_space(found_space(folder), given, what=str(folder), option=option)


def found_space(folder: PathLike) -> str:
    """Return the space that a data set names or shows, otherwise ""."""
    info = dataset_info(folder)
    if info.space:
        return info.space
    split = next((name for name, split in info.splits.items() if split.clips), None)
    return space_of_clips(list(islice(ShardReader(folder, split), READ_CLIPS))) if split else ""


def space_of_clips(clips: Sequence[Clip]) -> str:
    """Return the space that the sources and measures of clips of an earlier version show, otherwise
    "".
    """
    tools = {clip.source.split(",")[0] for clip in clips}
    if clips and tools <= LAYOUTS.keys():
        return LAYOUTS[tools.pop()].space
    if clips and all(clip.source.startswith(TRACKED) for clip in clips):
        takes = groupby(clips, key=lambda clip: (clip.source, _measured(clip)))
        if any(_fits_builtin_head(list(take), measured) for (_, measured), take in takes):
            return BUILTIN.name
    return ""


def _measured(clip: Clip) -> float | None:
    return clip.measures.get("mouth_opening_std")


def _fits_builtin_head(take: list[Clip], measured: float | None) -> bool:
    if not measured:
        return False
    face = builtin_face()
    expression, jaw = (
        np.concatenate([getattr(clip, name) for clip in take]) for name in ("expression", "jaw")
    )
    vertices = face_vertices(face, expression, shape=take[0].shape, jaw_pose=jaw)
    opening = np.asarray(mouth_opening(face, vertices)) / face_height(face)
    return abs(float(np.std(opening)) - measured) <= TOLERANCE * measured
