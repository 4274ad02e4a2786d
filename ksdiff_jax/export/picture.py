"""How a face is drawn: its look, the views and the size of the pictures.

| look | colours |
|---|---|
| textured | those of the face, on the built-in head with fine detail (`detail`) |
| clay | one matt colour; darker irises and mouth, so that gaze and opening stay visible |

| view | the camera is |
|---|---|
| front | in front of the face |
| three-quarter | 37 degrees to the subject's left |
| side | to the subject's left |

Several views are drawn side by side, each in the size of the form.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.detail import grain
from ksdiff_jax.export.raster import Camera, Frame, Surface, framed_on, render_frames
from ksdiff_jax.face import FaceModel
from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.dressed import is_dressed
from ksdiff_jax.typing import Float

LOOKS = ("textured", "clay")
VIEWS = {"front": 0.0, "three-quarter": 0.65, "side": np.pi / 2}  # yaw of the camera
SMALLEST, LARGEST = 16, 4096  # pixels
BELOW_CHIN = 0.28  # of the head's height
BELOW_CHIN_OF_BUST = 0.46  # the picture ends below the collar
ABOVE_HEAD = 0.09  # of the picture's height, room for nods
_CLAY = (0.40, 0.335, 0.285)  # linear-light albedo


@dataclasses.dataclass(frozen=True)
class PictureForm:
    """Size, views and look of pictures. Raises `InputError` for values that cannot be drawn."""

    size: int | tuple[int, int] = 512  # pixels of one view: a square, or width and height
    view: str | Sequence[str] = "front"
    look: str = "textured"
    transparent: bool = False

    def __post_init__(self):
        if any(not SMALLEST <= pixels <= LARGEST for pixels in (self.width, self.height)):
            raise InputError(
                f"size: got {self.width} x {self.height} pixels, need {SMALLEST} to {LARGEST} each"
            )
        if not self.views or (unknown := [view for view in self.views if view not in VIEWS]):
            got = unknown[0] if self.views else "none"
            raise InputError(f"view: got {got}, need one or more of {', '.join(VIEWS)}")
        if self.look not in LOOKS:
            raise InputError(f"look: got {self.look}, need {' or '.join(LOOKS)}")

    @property
    def width(self) -> int:
        """Pixels of one view."""
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def height(self) -> int:
        """Pixels of one view."""
        return self.size if isinstance(self.size, int) else self.size[1]

    @property
    def views(self) -> tuple[str, ...]:
        """The views from left to right."""
        return (self.view,) if isinstance(self.view, str) else tuple(self.view)


def pictures(
    vertex_blocks: Iterable[Float[np.ndarray, "t v 3"]], face: FaceModel, form: PictureForm
) -> Iterator[np.ndarray]:
    """Yield one picture (height, width times the number of views, 3 or 4) for each frame of posed
    vertices of the face.
    """
    surface = painted_surface(face, form.look)
    frame = Frame(form.width, form.height, form.transparent)
    cameras = [portrait_camera(face, yaw_rad=VIEWS[view]) for view in form.views]
    if form.look == "textured":
        fine = grain(face, metres_a_pixel=cameras[0].height_m / form.height)
        surface = surface._replace(grain=fine)
    for block in vertex_blocks:
        drawn = [render_frames(block, surface, camera=camera, size=frame) for camera in cameras]
        for row in zip(*drawn, strict=True):
            yield row[0] if len(row) == 1 else np.concatenate(row, axis=1)


def painted_surface(face: FaceModel, look: str = "textured") -> Surface:
    """Return the triangles of a face with the colours of a look."""
    colours, gloss = np.asarray(face.colours), np.asarray(face.gloss)
    if look == "textured":
        return Surface(face.faces, colours, gloss)
    light = colours @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    eyes, mouth = gloss > 0.95, (gloss < 0.05) & (light < 0.03)
    tone = np.where(eyes, 0.35 + 0.65 * np.clip(light / 0.6, 0, 1), np.where(mouth, 0.12, 1.0))
    clay = (tone[:, None] * np.array(_CLAY)).astype(np.float32)
    return Surface(face.faces, clay, np.where(eyes, 0.5, 0.12).astype(np.float32))


def portrait_camera(face: FaceModel, *, yaw_rad: float = 0.0) -> Camera:
    """Return a fixed camera on the resting head, from above the hair to below the chin, of the
    dressed head to below the collar; the same for every clip.
    """
    dressed = is_dressed(face)
    template = np.asarray(face.template)
    top, chin = float(template[:, 1].max()), float(template[face.height_pair[1], 1])
    # The picture ends at the neck or the chest, as in a portrait.
    below = BELOW_CHIN_OF_BUST if dressed else BELOW_CHIN
    bottom = chin - below * (top - chin)
    height_m = (top - bottom) / (1 - ABOVE_HEAD)
    middle = framed_on(np.asarray(builtin_face().template if dressed else template)[None]).target
    return Camera(
        target=(middle[0], bottom + height_m / 2, middle[2]), height_m=height_m, yaw_rad=yaw_rad
    )


def picture_form(**options) -> PictureForm:
    """Return the form with these options; raise `InputError` with the name of an unknown one."""
    names = [field.name for field in dataclasses.fields(PictureForm)]
    if unknown := sorted(options.keys() - set(names)):
        raise InputError(f"picture: got {unknown[0]}, need options among {', '.join(names)}")
    return PictureForm(**options)
