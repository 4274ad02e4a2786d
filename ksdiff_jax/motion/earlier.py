"""Determines the motion space of files from earlier versions, which wrote "flame" for all 50
coefficients.

The digest of the checkpoint that generated a motion, or the maker that a data set states, can show
the space. The result is "" if neither does; the caller then needs `--space`.
"""

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import BUILTIN, SPACES

# Manifests of the checkpoints that shipped before checkpoints stored their space.
_BUILTIN_CHECKPOINTS = frozenset(
    {
        "2868bf85b11286d0fb9b92aa3fedc728df8b6094252613f35095fdfa28d3d669",
        "6f06f2903fb2d7541e335938b14e7f443f5d71057fd19e4b4f113375a626939f",
        "30170cb6e25d69b6ea21363e98f76a3eb9d226dd8355a631387f7774d314cc1c",
        "38477c0bd53b01e00a8e5727f0b223674236bf0dd3abda8e4d1e12af5ca0d5b5",
    }
)
# Commands that make the built-in corpus, as recorded by data sets and checkpoints of earlier
# versions.
_BUILTIN_MAKERS = ("ksdiff-jax corpus", "ksdiff-jax evaluate", "ksdiff-jax bench", "bench train")


def space_of_checkpoint(digest: str) -> str:
    """Return "builtin" for a checkpoint that shipped, otherwise ""."""
    return BUILTIN.name if digest in _BUILTIN_CHECKPOINTS else ""


def space_of_maker(made_by: str) -> str:
    """Return "builtin" for output of a command of ours on the built-in head, otherwise ""."""
    return BUILTIN.name if made_by.startswith(_BUILTIN_MAKERS) else ""


def stated_space(found: str, given: str, *, what: str, option: str = "--space") -> str:
    """Return the space that `what` states or, if it states none, the one that the caller gives.

    Raises `InputError` if neither is given, if they differ, and for an unknown name.
    """
    for name in filter(None, (found, given)):
        if name not in SPACES:
            raise InputError(f"{what}: motion space {name!r}; need {', '.join(SPACES)}")
    if found and given and found != given:
        raise InputError(
            f"{what}: its coefficients are of the {found} space, {option} gives {given}; "
            f"leave {option} out"
        )
    if not (found or given):
        raise InputError(
            f"{what}: written by an earlier version, and nothing in it shows whose expression "
            f"coefficients it holds; name them with {option} {' or '.join(SPACES)}"
        )
    return found or given
