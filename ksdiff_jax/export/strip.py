"""A strip: selected frames of a motion side by side, each under its time, drawn as in the video.

It serves pages that cannot play a video, and the comparison of mouths at chosen moments.
"""

import io
from collections.abc import Sequence

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.drawing import drawing, title_of
from ksdiff_jax.export.picture import portrait_camera
from ksdiff_jax.export.raster import Surface, render_frames
from ksdiff_jax.face import FaceModel
from ksdiff_jax.typing import Float

_DPI = 100
_LABEL_PIXELS = 22  # above each picture
_GAP_PIXELS = 4


@drawing()
def draw_strip(
    vertices: Float[np.ndarray, "n v 3"],
    face: FaceModel,
    *,
    labels: Sequence[str],
    columns: int = 8,
    size: int = 160,
) -> bytes:
    """Draw n posed faces (vertices in metres) in rows of `columns` as a PNG, pictures of `size`
    pixels with a label above each.

    The camera is that of the videos. Raises `InputError` if there are no faces, or if the numbers
    of faces and labels differ.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if len(vertices) == 0 or len(labels) != len(vertices):
        raise InputError(
            f"strip: got {len(vertices)} faces and {len(labels)} labels, need one or more, and "
            "one each"
        )
    columns = min(columns, len(vertices))
    rows = -(-len(vertices) // columns)
    wide, tall = columns * (size + _GAP_PIXELS), rows * (size + _LABEL_PIXELS)
    figure = Figure(figsize=(wide / _DPI, tall / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    pictures = render_frames(
        np.asarray(vertices, np.float32),
        Surface(face.faces, face.colours, face.gloss),
        camera=portrait_camera(face),
        size=size,
    )
    for place, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        row, column = divmod(place, columns)
        left, top = column * (size + _GAP_PIXELS), row * (size + _LABEL_PIXELS) + _LABEL_PIXELS
        axis = figure.add_axes((left / wide, 1 - (top + size) / tall, size / wide, size / tall))
        axis.imshow(picture)
        axis.set_axis_off()
        axis.set_title(title_of(label), fontsize=9, pad=4)
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()
