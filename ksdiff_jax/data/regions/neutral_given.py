"""Pairs provided by the user: a second data set with the same clips, one region of the face
neutral.

Clips are matched by `clip_id`; their order in the data sets is irrelevant.
"""

from collections.abc import Callable, Iterable

from ksdiff_jax.data.description import PathLike
from ksdiff_jax.data.earlier_space import known_space
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.errors import InputError


def partners(
    clips: Iterable[Clip], folder: PathLike, *, split: str, space: str
) -> Callable[[Clip], Clip]:
    """Return a function from a clip to the clip of the same id in the split of the data set in
    `folder`.

    Raise `InputError` if the data set is of another space or if a clip has no partner. The function
    raises `InputError` if the two clips of a pair differ in frames or frame rate.
    """
    if (found := known_space(folder, given="")) != space:
        raise InputError(
            f"{folder}: its coefficients are of the {found} space, those of the originals {space}; "
            "need neutralised clips of the same space"
        )
    reader = ShardReader(folder, split)
    places = {clip.clip_id: place for place, clip in enumerate(reader)}
    wanted = [clip.clip_id for clip in clips]
    missing = [clip_id for clip_id in wanted if clip_id not in places]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of {len(wanted)} clips have no partner of the same clip_id "
            f"in split {split!r}, the first is {missing[0]!r}; need a neutralised clip for each"
        )

    def partner(clip: Clip) -> Clip:
        other = reader[places[clip.clip_id]]
        if (other.frames, other.fps) != (clip.frames, clip.fps):
            raise InputError(
                f"{folder}: clip {clip.clip_id!r} has {other.frames} frames at {other.fps:g} per "
                f"second, the original {clip.frames} at {clip.fps:g}; need the same"
            )
        return other

    return partner
