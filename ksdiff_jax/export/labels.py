"""Labels above the pictures of a video: one row of text, drawn once. Without a background the
letters have a dark outline, so that they can be read on a light page too.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.export.drawing import drawing, title_of
from ksdiff_jax.export.picture import PictureForm

LABEL_PIXELS = 32  # even, as videos need
_DPI = 100
_INK = "#e8ecf2"
_EDGE, _EDGE_POINTS = "#1e222a", 2.5
_PAPER = np.array([30, 34, 42], np.uint8)  # sRGB


@drawing()
def label_row(labels: Sequence[str], form: PictureForm, views: int) -> np.ndarray:
    """Return a uint8 picture (LABEL_PIXELS, width, 3, or 4 if transparent) with each label centred
    above the `views` pictures of its motion; a label that is too long is cut at its place's edge.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=_EDGE_POINTS, foreground=_EDGE)] if form.transparent else []
    letters = {"ha": "center", "va": "center", "color": _INK, "fontsize": 11, "path_effects": edge}
    place = views * form.width
    rows = []
    for label in labels:
        figure = Figure(figsize=(place / _DPI, LABEL_PIXELS / _DPI), dpi=_DPI)
        figure.patch.set_alpha(0)
        canvas = FigureCanvasAgg(figure)
        figure.text(0.5, 0.48, title_of(label), **letters)
        canvas.draw()
        rows.append(np.asarray(canvas.buffer_rgba())[:LABEL_PIXELS, :place])
    drawn = np.concatenate(rows, axis=1)
    if form.transparent:
        return drawn.copy()
    share = drawn[..., 3:] / 255
    return np.round(share * drawn[..., :3] + (1 - share) * _PAPER).astype(np.uint8)
