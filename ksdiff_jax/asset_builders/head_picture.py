"""Draws the built-in head at rest, in four visemes, with the tongue up, in a glance and from the
side, into one PNG; the one of the README is `assets/pictures/head.png`.

python -m ksdiff_jax.asset_builders.head_picture HEAD.png
"""

import dataclasses
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.labels import label_row
from ksdiff_jax.export.picture import PictureForm, pictures
from ksdiff_jax.export.viseme_shapes import VISEMES, tongue_weights, viseme_poses
from ksdiff_jax.face.arkit import ARKIT_NAMES, motion_of_arkit
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import UInt8

SIZE = 512  # pixels of a picture before it is cut to the head
CUT = (slice(36, 420), slice(80, 432))  # rows and columns that are kept
COLUMNS, COLOURS = 4, 256
PAPER = 132, 145, 160  # one colour, which leaves the palette to the head


class Pose(NamedTuple):
    """A picture: its label, a viseme or weights of ARKit's shapes, and the view."""

    label: str
    viseme: str = "sil"
    weights: tuple[tuple[str, float], ...] = ()
    view: str = "front"


POSES = (
    Pose("neutral"),
    Pose("/i/", "ih"),
    Pose("/u/", "ou"),
    Pose("/f/", "FF"),
    Pose("/b/", "PP"),
    Pose("/l/", "nn", (("jawOpen", 0.4),)),  # open as before /a/, so that the tongue is seen
    Pose("glance", weights=(("eyeLookOutLeft", 0.8), ("eyeLookInRight", 0.8))),
    Pose("side", view="side"),
)


def head_picture() -> UInt8[np.ndarray, "h w 3"]:
    """Return the pictures of `POSES`, `COLUMNS` to a row, under their labels."""
    visemes = np.eye(len(VISEMES))[[VISEMES.index(pose.viseme) for pose in POSES]]
    weights = visemes @ viseme_poses()
    for row, pose in zip(weights, POSES, strict=True):
        for name, value in pose.weights:
            row[ARKIT_NAMES.index(name)] = value
    clip = motion_of_arkit(weights, fps=25)
    fields = {field.name: getattr(clip, field.name) for field in dataclasses.fields(clip)}
    shown = Motion(**fields).shown(tongue=tongue_weights(visemes))
    (vertices,) = shown.blocks
    drawn = []
    for frame, pose in zip(vertices, POSES, strict=True):
        form = PictureForm(SIZE, pose.view, transparent=True)
        (picture,) = pictures([frame[None]], shown.face, form)
        share = picture[CUT][..., 3:] / 255
        kept = np.uint8(share * picture[CUT][..., :3] + (1 - share) * PAPER)
        label = label_row([pose.label], PictureForm((kept.shape[1], SIZE)), 1)
        drawn.append(np.concatenate([label, kept]))
    rows = [drawn[start : start + COLUMNS] for start in range(0, len(drawn), COLUMNS)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def main(out: str) -> None:
    """Write the picture as a PNG with a palette; a file that is there is kept."""
    if Path(out).exists():
        raise InputError(f"{out}: is there already; name a new file")
    picture = Image.fromarray(head_picture())
    palette = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    picture = picture.quantize(palette=palette)
    with replacing(Path(out)) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


if __name__ == "__main__":
    try:
        if len(sys.argv) != 2:
            raise InputError(f"got {len(sys.argv) - 1} arguments, need one: the PNG to write")
        main(sys.argv[1])
    except InputError as error:
        print(f"head_picture: {error}", file=sys.stderr)
        sys.exit(2)
