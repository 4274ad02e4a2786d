"""Pictures of clips of the built-in head: every clip shows a drawn person, frame by frame.

    picture i = render(person, expression_i, rotation_i, jaw_i)

The camera does not move, as a crop around a still head does not. The translation of the clip's
camera is left out: a crop follows it. A person is a function of the seed and of the name of the
clip. Its shape coefficients become those of the clip. Names of clips contain their split, so the
people of the test split are not trained on.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ksdiff_jax.data.coded_pictures import check_side, coded_pictures
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.raster import Frame, render_frames
from ksdiff_jax.face import face_vertices
from ksdiff_jax.face.drawn_pose import shared_turn
from ksdiff_jax.face.dressed import dressed_head
from ksdiff_jax.motion.space import BUILTIN, EXPRESSION_DIMS
from ksdiff_jax.pictures.looks import Look, drawn_look
from ksdiff_jax.typing import Float, UInt8

BLOCK_FRAMES = 64  # posed at once: one compiled program
PORTRAIT_PIXELS = 512
PORTRAIT_OF_CROP = 1.5  # sides of the crop around the face


@dataclass(frozen=True)
class Renderer:
    """Adds pictures to clips; a plain value. Raises `InputError` for a size that is not
    possible.
    """

    side: int  # pixels
    seed: int = 0

    def __post_init__(self) -> None:
        check_side(self.side)

    def look(self, clip_id: str) -> Look:
        """Return the person, the light and the camera of a clip."""
        return drawn_look(np.random.default_rng([self.seed, zlib.crc32(clip_id.encode())]))

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with pictures and with the shape of its person.

        Raises `InputError` for a clip of another space than the built-in head's.
        """
        if clip.space != BUILTIN.name:
            raise InputError(
                f"clip {clip.clip_id!r}: its coefficients are of the {clip.space or 'unknown'} "
                f"space; rendered pictures need the {BUILTIN.name} space"
            )
        look = self.look(clip.clip_id)
        coded = coded_pictures(rendered(clip, look, self.side), side=self.side)
        return replace(clip, shape=look.shape, pictures=coded)


def rendered_portrait(seed: int) -> UInt8[np.ndarray, "512 512 3"]:
    """Return a picture of a drawn person at rest, who is in no data set: of head and shoulders, as
    a photograph for `animate --portrait`.
    """
    look = Renderer(PORTRAIT_PIXELS, seed).look("portrait")
    camera = look.camera._replace(height_m=PORTRAIT_OF_CROP * look.camera.height_m)
    frame = Frame(PORTRAIT_PIXELS, PORTRAIT_PIXELS, studio=look.studio)
    vertices = face_vertices(dressed_head(), np.zeros((1, EXPRESSION_DIMS)), shape=look.shape)
    (picture,) = render_frames(np.asarray(vertices), look.surface, camera=camera, size=frame)
    return picture


def rendered(clip: Clip, look: Look, side: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Yield the pictures of a clip."""
    frame = Frame(side, side, studio=look.studio)
    for start in range(0, clip.frames, BLOCK_FRAMES):
        vertices = posed(clip, look, start, min(start + BLOCK_FRAMES, clip.frames))
        yield from render_frames(vertices, look.surface, camera=look.camera, size=frame)


def posed(clip: Clip, look: Look, first: int, last: int) -> Float[np.ndarray, "t v 3"]:
    """Return the vertices of the dressed head in at most `BLOCK_FRAMES` frames of a clip."""

    def block(array: Float[np.ndarray, "t n"]) -> Float[np.ndarray, "64 n"]:
        return np.pad(array[first:last], [(0, BLOCK_FRAMES - (last - first)), (0, 0)])

    root, neck = shared_turn(clip.rotation, np.zeros_like(clip.rotation))
    vertices = face_vertices(
        dressed_head(),
        block(clip.expression),
        shape=look.shape,
        global_orient=block(root),
        neck_pose=block(neck),
        jaw_pose=block(clip.jaw),
    )
    return np.asarray(vertices)[: last - first]
