"""The fine detail of the textured look of the built-in head: noise in the colour and in the normal
of every pixel, fixed to the resting head.

| part | colour | normal, `FINER` times as fine | grains a metre, along x, y and z |
|---|---|---|---|
| skin, ears, lids | blotches | pores | 170, 170, 170 |
| lips | blotches | lines from the opening outwards | 300, 40, 100 |
| brows | hairs | | 900, 250, 500 |
| hair | strands | | 800, 60, 300 |
| irises | fibres | | 900, 900, 200 |
| shirt | blotches | weave | 250, 250, 250 |

A pattern that is finer than the pixels fades out, so that it does not flicker.
"""

import functools

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.grain_noise import FINER, GRAIN_COLUMNS
from ksdiff_jax.face import FaceModel
from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.dressed import dressed_spans, is_dressed
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.typing import Float

_SKIN = ("skin", "left_lids", "right_lids", "left_ear", "right_ear", "mouth")
# Turns the lattice of the noise where its direction does not matter: its lines do not show.
_OBLIQUE = Rotation.from_euler("xyz", [0.6, 0.9, 0.4]).as_matrix()
_FADES = (0.25, 0.5)  # grains a pixel: full up to the first, none from the second on


def grain(face: FaceModel, *, metres_a_pixel: float) -> Float[np.ndarray, "v 5"] | None:
    """Return the place of each vertex in the noise, and the strengths in colour and normal, or None
    for a face other than the built-in head.
    """
    if not (is_dressed(face) or face is builtin_face()):
        return None
    table = _of_dressed()[: len(face.template)]
    per_m, strengths = table[:, :3], table[:, 3:]
    least, most = _FADES
    grains = metres_a_pixel * per_m.max(axis=1, keepdims=True) * [1, FINER]  # a pixel
    found = np.empty((len(table), GRAIN_COLUMNS), np.float32)
    places = np.asarray(face.template)
    alike = np.ptp(per_m, axis=1, keepdims=True) == 0
    found[:, :3] = per_m * np.where(alike, places @ _OBLIQUE.T, places)
    found[:, 3:] = strengths * np.clip((most - grains) / (most - least), 0, 1)
    return found


@functools.cache
def _of_dressed() -> Float[np.ndarray, "v 5"]:
    """Return grains a metre along each axis, and the strengths, of every vertex of the dressed
    head.
    """
    head, more, face = load_head().spans, dressed_spans(), builtin_face()
    table = np.zeros((more["bust"].stop, 5))
    for name in _SKIN:
        table[head[name]] = (170, 170, 170, 0.05, 0.05)
    mouth = np.zeros(len(table), bool)
    mouth[head["mouth"]] = True
    red = np.zeros(len(table), bool)
    colours = np.asarray(face.colours)
    red[: len(colours)] = colours[:, 0] > 1.9 * colours[:, 1]
    table[mouth & red] = (300, 40, 100, 0.05, 0.14)
    for name in ("left_brow", "right_brow"):
        table[head[name]] = (900, 250, 500, 0.7, 0.0)
    table[head["hair"]] = table[more["locks"]] = (800, 60, 300, 0.4, 0.0)
    light = colours @ np.array([0.2126, 0.7152, 0.0722])
    for name in ("left_eye", "right_eye"):
        iris = np.zeros(len(table), bool)
        iris[head[name]] = (light[head[name]] > 0.02) & (light[head[name]] < 0.4)
        table[iris] = (900, 900, 200, 0.4, 0.0)
    table[more["bust"]] = (250, 250, 250, 0.05, 0.05)
    return table
