"""The options of `animate` and `render` that say how the face is drawn."""

import argparse
import re

from ksdiff_jax.errors import InputError

VIEWS = ("front", "three-quarter", "side")
LOOKS = ("textured", "clay")
_DEFAULTS = {"size": (512, 512), "view": ("front",), "look": "textured"}  # they can be drawn


def add_picture_arguments(
    group: argparse.ArgumentParser | argparse._ArgumentGroup,
) -> None:
    """Add --view, --look and --size."""
    group.add_argument(
        "--view",
        nargs="+",
        choices=VIEWS,
        default=list(_DEFAULTS["view"]),
        metavar="V",
        help=f"one or more of {', '.join(VIEWS)}, side by side; default front",
    )
    group.add_argument(
        "--look",
        choices=LOOKS,
        default=_DEFAULTS["look"],
        help="textured: the colours of the face; clay: one matt colour, which shows the shape; "
        "default textured",
    )
    group.add_argument(
        "--size",
        default="512",
        metavar="N|WxH",
        help="pixels of each view, a square or width and height, even numbers; default 512",
    )


def picture_options(args: argparse.Namespace) -> dict:
    """Return the options of `Motion.render`; raise `InputError` if they cannot be drawn."""
    found = re.fullmatch(r"(\d{1,5})(?:[xX](\d{1,5}))?", args.size)
    if not found:
        raise InputError(f"--size {args.size}: need pixels as N or WxH, such as 1280x720")
    width, height = int(found[1]), int(found[2] or found[1])
    options = {"size": (width, height), "view": tuple(args.view), "look": args.look}
    if options == _DEFAULTS:  # the import below is slow
        return options
    from ksdiff_jax.export.picture import picture_form

    try:
        picture_form(**options)
    except InputError as error:
        raise InputError(f"--{error}") from error
    if width % 2 or height % 2:
        raise InputError(f"--size {args.size}: need even numbers of pixels, as videos have")
    return options
