"""What the dimensions of each region move on the face, and the ratios that they were chosen by.

Three heads show how far the vertices move: with v(E) the posed vertices, μ and σ mean and deviation
of each number,

    d_v = sqrt(Σ_k∈D |v(μ + 2 σ_k e_k) − v(μ − 2 σ_k e_k)|²)       dark (0) to yellow (the most)

Three more show the region as it is in the frame of the data in which it moves the face most, with
all other numbers at their mean. Below is a bar per dimension and region; those chosen are in
colour. Without a face of the space there are bars alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.export.drawing import drawing, title_of
from ksdiff_jax.export.picture import portrait_camera
from ksdiff_jax.export.raster import Surface, render_frames
from ksdiff_jax.face import FaceModel, face_vertices
from ksdiff_jax.motion.space import EXPRESSION_DIMS, STD_FLOOR
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

COLOURS = {"lip": "#c4483a", "eye": "#1f6f8b", "global": "#8a94a6"}
DEVIATIONS = 2.0
HEAD_PIXELS = 420
_HEAT = np.array(  # linear light, from no movement to the most
    [[0.02, 0.02, 0.05], [0.16, 0.02, 0.18], [0.62, 0.06, 0.08], [0.95, 0.35, 0.02], [1, 0.9, 0.25]]
)


class RegionFaces(NamedTuple):
    """A face, its `movements`, and E of the frames to show: the mean, and one per region
    (`extremes`).
    """

    face: FaceModel
    moved: Float[np.ndarray, "k v 3"]
    mean: Float[np.ndarray, "k"]
    frames: Mapping[str, Float[np.ndarray, "k"]]


@drawing(**{"font.size": 8})
def write_regions(
    path: str | Path,
    regions: Mapping[str, Sequence[int]],
    ratios: Mapping[str, Float[np.ndarray, "k"]],
    *,
    faces: RegionFaces | None,
    title: str,
    overwrite: bool = False,
) -> Path:
    """Draw regions of E; a picture of ours at `path` is replaced, another file only with
    `overwrite`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 11.5 if faces else 4.2), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    figure.suptitle(title_of(title), x=0.01, ha="left", fontsize=11)
    heads, bars = figure.subfigures(2, 1, height_ratios=[2, 1]) if faces else (None, figure)
    if faces:
        _draw_heads(heads.subplots(2, len(regions), squeeze=False), regions, faces)
    for axis, (region, values) in zip(
        bars.subplots(len(ratios), 1, sharex=True, squeeze=False)[:, 0],
        ratios.items(),
        strict=True,
    ):
        _draw_bars(axis, region, values, regions)
    axis.set_xlabel("dimension of expression and jaw")
    with writing(path, "regions", overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": mark("regions")})
    return Path(path)


def movements(
    face: FaceModel, *, mean: Float[np.ndarray, "k"], std: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k v 3"]:
    """v(μ + 2 σ_k e_k) − v(μ − 2 σ_k e_k) of every number k, metres."""
    steps = DEVIATIONS * np.diag(std)
    return posed(face, mean + steps) - posed(face, mean - steps)


def region_movement(
    moved: Float[np.ndarray, "k v 3"], numbers: Sequence[int]
) -> Float[np.ndarray, "v"]:
    """d of the module's docstring, metres per vertex, from `movements`."""
    return np.sqrt(np.sum(moved[list(numbers)] ** 2, axis=(0, 2)))


def movement_metric(
    moved: Float[np.ndarray, "k v 3"], std: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k k"]:
    """G with xᵀ G x the summed squared movement of the vertices, m², when E leaves μ by a small x.

    G = Jᵀ J, J the slopes of `movements`; a number that never moves has none.
    """
    slopes = moved.reshape(len(std), -1) / (2 * DEVIATIONS * np.maximum(std, STD_FLOOR))[:, None]
    return slopes @ slopes.T


def posed(face: FaceModel, expression: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n v 3"]:
    """Vertices of E: expression, and the jaw where E has it."""
    expression = expression.astype(np.float32)
    jaw = expression[:, EXPRESSION_DIMS:]
    return np.asarray(
        face_vertices(face, expression[:, :EXPRESSION_DIMS], jaw_pose=jaw if jaw.size else None)
    )


def _draw_heads(axes, regions: Mapping[str, Sequence[int]], faces: RegionFaces) -> None:
    face, camera = faces.face, portrait_camera(faces.face)
    resting, *shown = posed(face, np.stack([faces.mean, *map(faces.frames.get, regions)]))
    for column, (region, numbers) in enumerate(regions.items()):
        moved = region_movement(faces.moved, numbers)
        heat = _heat(moved / max(float(moved.max()), 1e-9))
        pictures = [
            *render_frames(
                resting[None], Surface(face.faces, heat), camera=camera, size=HEAD_PIXELS
            ),
            *render_frames(
                shown[column][None],
                Surface(face.faces, face.colours, face.gloss),
                camera=camera,
                size=HEAD_PIXELS,
            ),
        ]
        titles = (
            f"{region}: {len(numbers)} dimensions, up to {1000 * moved.max():.1f} mm",
            f"{region} alone, where it moves the face most",
        )
        for axis, picture, text in zip(axes[:, column], pictures, titles, strict=True):
            axis.imshow(picture)
            axis.set_axis_off()
            axis.set_title(text, fontsize=9, color=COLOURS.get(region, "0.3"))


def _heat(share: Float[np.ndarray, "v"]) -> Float[np.ndarray, "v 3"]:
    """Colours of shares from 0 to 1."""
    stops = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(share, stops, channel) for channel in _HEAT.T], axis=1)


def _draw_bars(axis, region: str, values, regions: Mapping[str, Sequence[int]]) -> None:
    owner = {number: name for name, numbers in regions.items() for number in numbers}
    colours = [
        COLOURS[owner[number]] if owner.get(number) == region else "0.82"
        for number in range(len(values))
    ]
    axis.bar(range(len(values)), values, color=colours, width=0.8)
    axis.set_ylabel(f"{region}: |Δ| / σ")
    axis.set_xticks(range(len(values)), range(len(values)), fontsize=6)
    axis.set_xlim(-0.7, len(values) - 0.3)
    axis.spines[["top", "right"]].set_visible(False)
