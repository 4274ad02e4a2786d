"""The shoulders of the built-in head: a shirt with a round collar, which covers the cut edge of the
neck.
"""

import numpy as np

from ksdiff_jax.face.head.parts import Part, painted, ring_faces, smoothstep
from ksdiff_jax.face.head.surface import TORSO_CENTRE, cast, torso_distance
from ksdiff_jax.typing import Float

CLOTH = (0.040, 0.062, 0.085)  # linear-light albedo
_COLUMNS = 72
_ROWS = 20
_LOWEST = np.deg2rad(-38.0)  # elevation of the hem, seen from the middle of the torso
# Of the collar's rings: distance from the neckline along the cloth, and height above the body.
_COLLAR = ((-0.0015, -0.0150), (-0.0015, 0.0010), (0.0010, 0.0026), (0.0075, 0.0026))
_COLLAR_END = (0.0100, 0.0006)


def make_bust() -> Part:
    """Return the shirt: rings from the inside of the collar to the hem, front first."""
    even = np.linspace(0, 2 * np.pi, _COLUMNS, endpoint=False)
    azimuth = even + 0.16 * np.sin(2 * even)  # denser over the shoulders
    neckline = _neckline(azimuth) - TORSO_CENTRE
    top = neckline / np.linalg.norm(neckline, axis=1, keepdims=True)
    flat = np.cos(_LOWEST)
    hem = np.stack(
        [flat * np.sin(azimuth), np.full(_COLUMNS, np.sin(_LOWEST)), flat * np.cos(azimuth)], axis=1
    )
    radius = np.linalg.norm(neckline, axis=1)
    along = np.arccos(np.clip((top * hem).sum(axis=1), -1, 1))  # radians from neckline to hem
    rings = []
    for distance, height in (*_COLLAR, _COLLAR_END):
        rings.append(_ring(top, hem, distance / radius / along, height))
    first = _COLLAR_END[0] / radius / along
    for share in np.linspace(0, 1, _ROWS)[1:] ** 1.25:
        rings.append(_ring(top, hem, first + (1 - first) * share, 0.0))
    index = np.arange(len(rings) * _COLUMNS).reshape(-1, _COLUMNS)
    faces = np.concatenate([ring_faces(index[k], index[k + 1]) for k in range(len(rings) - 1)])
    part = painted(np.concatenate(rings), faces, CLOTH, gloss=0.10)
    part.colours[index[:4].ravel()] *= 0.72
    # The chin's shadow, which the renderer does not cast.
    x, y, z = part.points.T
    front = smoothstep((z + 0.02) / 0.05) * smoothstep((y + 0.26) / 0.08)
    part.colours[:] *= 1 - (0.45 * front * np.exp(-((x / 0.06) ** 2)))[:, None]
    return part


def _neckline(azimuth: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k 3"]:
    """Return the edge of the collar around the neck: low in front, high at the back."""
    height = -0.146 - 0.014 * np.cos(azimuth) - 0.003 * np.cos(2 * azimuth)
    axis = np.stack([np.zeros_like(height), height, -0.036 + 0.06 * (height + 0.15)], axis=1)
    outwards = np.stack([np.sin(azimuth), np.zeros_like(azimuth), np.cos(azimuth)], axis=1)
    return cast(axis + 0.2 * outwards, -outwards, distance=torso_distance)


def _ring(
    top: Float[np.ndarray, "k 3"],
    hem: Float[np.ndarray, "k 3"],
    share: Float[np.ndarray, "k"],
    height: float,
) -> Float[np.ndarray, "k 3"]:
    """Return surface points a share of the way from the neckline to the hem, raised by `height`."""
    angle = np.arccos(np.clip((top * hem).sum(axis=1), -1, 1))[:, None]
    part = share[:, None] * angle
    directions = (np.sin(angle - part) * top + np.sin(part) * hem) / np.sin(angle)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = cast(TORSO_CENTRE + 0.5 * directions, -directions, distance=torso_distance, steps=80)
    step = 1e-4
    slope = np.stack(
        [
            torso_distance(points + step * axis) - torso_distance(points - step * axis)
            for axis in np.eye(3)
        ],
        axis=1,
    )
    normal = slope / np.linalg.norm(slope, axis=1, keepdims=True)
    return points + height * normal
