"""A picture of array placement: each array as a rectangle, divided as the mesh divides it, with the
devices of each part.
"""

import io
from collections.abc import Mapping

import jax

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.drawing import drawing
from ksdiff_jax.parallel.placement import parts

Placed = jax.Array | jax.ShapeDtypeStruct  # with a sharding

_MOST_NAMED = 4  # devices; a longer list shows its first and last


@drawing(**{"font.size": 8})
def draw_placement(arrays: Mapping[str, Mapping[str, Placed]]) -> bytes:
    """Return a PNG of `arrays[mesh][name]`, a column per mesh and a row per array; every mesh must
    have the same names.

    The last two dimensions are drawn, the first of them downwards; a vector is drawn horizontally.
    A part has the colour of the first device that holds it, and the ids of all. Raises `InputError`
    if there is nothing to draw, or if an array's sharding is not known.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(next(iter(arrays.values()), {}))
    if not names:
        raise InputError("picture of a placement: got no arrays, need one or more")
    figure = Figure(figsize=(11, 0.5 + 1.45 * len(names)), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names), len(arrays), squeeze=False)
    for column, (mesh, placed) in enumerate(arrays.items()):
        panels[0][column].set_title(mesh, fontsize=10, pad=10)
        for row, name in enumerate(names):
            leaf = placed[name]
            if getattr(leaf, "sharding", None) is None:
                raise InputError(f"picture of a placement: {name} on {mesh} has no sharding")
            _draw_parts(panels[row][column], leaf)
    for row, name in enumerate(names):
        shape = " × ".join(map(str, placed[name].shape))
        panels[row][0].set_ylabel(
            f"{name}\n{shape}", rotation=0, ha="right", va="center", labelpad=8
        )
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _draw_parts(axis, leaf: Placed) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    palette = colormaps["tab10"].colors
    drawn = set()
    for bounds, devices in parts(leaf.shape, leaf.sharding).items():
        (top, bottom), (left, right) = _box(bounds, leaf.shape)
        if (top, left) in drawn:  # divided along a dimension that is not drawn
            continue
        drawn.add((top, left))
        box = (left, top), right - left, bottom - top
        colour = palette[devices[0] % len(palette)]
        axis.add_patch(
            Rectangle(*box, facecolor=colour, alpha=0.55, edgecolor="white", linewidth=1)
        )
        axis.text(
            (left + right) / 2,
            (top + bottom) / 2,
            _named(devices),
            ha="center",
            va="center",
            fontsize=7,
        )
    axis.set_xlim(0, 1)
    axis.set_ylim(1, 0)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[["top", "right", "bottom", "left"]].set_visible(False)


def _box(bounds, shape) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the rows and columns of a part, as shares of the picture: first dimension, or last but
    one, and last.
    """
    shares = [
        (first / size, last / size)
        for (first, last), size in zip(bounds, shape, strict=True)
        if size
    ]
    if len(shares) < 2:
        return (0.0, 1.0), shares[0] if shares else (0.0, 1.0)
    return shares[-2], shares[-1]


def _named(devices: tuple[int, ...]) -> str:
    if len(devices) > _MOST_NAMED:
        consecutive = devices[-1] - devices[0] == len(devices) - 1
        return f"{devices[0]} … {devices[-1]}" if consecutive else f"{len(devices)} devices"
    return ", ".join(map(str, devices))
