"""The hair of the built-in head: overlapping locks on its cap, combed from a parting."""

import numpy as np

from ksdiff_jax.face.head.features import hairline
from ksdiff_jax.face.head.parts import HAIR, Part, joined, painted, smoothstep, strip_faces
from ksdiff_jax.face.head.surface import surface_towards
from ksdiff_jax.typing import Float

_ALONG, _ACROSS = 8, 5  # vertices of a lock
# Of each layer: locks around the head, elevation of their ends above the hairline (radians), lift
# above the skull in metres, half the width.
_LAYERS = (
    (46, -0.05, 0.0050, 0.0085),
    (40, 0.16, 0.0095, 0.0090),
    (32, 0.42, 0.0125, 0.0095),
)
_PARTING = np.deg2rad([24.0, 56.0])  # azimuth and elevation of its front end
_SHORTEST, _FULL = 0.38, 0.95  # radians: shorter locks are left out, or thinner
_CROWN = np.deg2rad([170.0, 72.0])


def make_locks() -> Part:
    """Return all locks, the lowest layer first."""
    rng = np.random.default_rng(20)  # the shape is fixed: the seed is part of it
    locks = []
    for count, above, lift, half_width in _LAYERS:
        for turn in 2 * np.pi * (np.arange(count) + 0.4 * rng.uniform(-1, 1, count)) / count:
            draws = rng.uniform(-1, 1, 6)
            end = np.array([turn, hairline(np.array([turn]))[0] + above + 0.05 * draws[0]])
            start = _start(turn, draws)
            length = np.arccos(_direction(start) @ _direction(end))
            if length > _SHORTEST:
                thin = min(1.0, length / _FULL)
                locks.append(_lock(start, end, lift * thin, half_width * thin, draws))
    return joined(locks)


def _start(turn: float, draws: Float[np.ndarray, "k"]) -> Float[np.ndarray, "2"]:
    """Return azimuth and elevation on the parting where a lock that ends at azimuth `turn`
    begins.
    """
    away = np.abs((turn - _PARTING[0] + np.pi) % (2 * np.pi) - np.pi)
    share = 0.08 + 0.92 * float(smoothstep(away / np.deg2rad(135.0)))
    start = _PARTING + np.clip(share + 0.09 * draws[1], 0, 1) * (_CROWN - _PARTING)
    return start


def _lock(
    start: Float[np.ndarray, "2"],
    end: Float[np.ndarray, "2"],
    lift: float,
    half_width: float,
    draws: Float[np.ndarray, "k"],
) -> Part:
    """Return one lock: a tapered ribbon with a round back along an arc of the skull."""
    along = np.linspace(0, 1, _ALONG)
    a, b = _direction(start), _direction(end)
    angle = np.arccos(np.clip(a @ b, -1, 1))
    path = (np.sin((1 - along) * angle)[:, None] * a + np.sin(along * angle)[:, None] * b) / np.sin(
        angle
    )
    aside = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    path += (0.10 * draws[2] * np.sin(np.pi * along) + 0.03 * draws[3] * along**2)[:, None] * aside
    path /= np.linalg.norm(path, axis=1, keepdims=True)
    middle = surface_towards(path)
    tangent = np.gradient(middle, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    across = np.cross(tangent, path)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    width = half_width * (0.34 + 0.76 * np.sin(np.pi * np.clip(along * 1.15, 0, 1)) ** 0.8)
    width *= 1 - 0.85 * smoothstep((along - 0.72) / 0.28)
    rise = lift * (0.20 + 0.90 * np.sin(np.pi * (0.06 + 0.86 * along))) * (1 + 0.12 * draws[4])
    rows = []
    for u in np.linspace(-1, 1, _ACROSS):
        bulge = rise + 0.42 * width * (1 - u**2) - 0.0045 * u**2
        rows.append(middle + u * width[:, None] * across + bulge[:, None] * path)
    index = np.arange(_ACROSS * _ALONG).reshape(_ACROSS, _ALONG)
    faces = np.concatenate([strip_faces(index[k], index[k + 1]) for k in range(_ACROSS - 1)])
    part = painted(np.concatenate(rows), faces, HAIR, gloss=0.30)
    shade = 1.0 + 0.22 * draws[5]
    edge = np.repeat(np.array([0.55, 0.95, 1.2, 0.95, 0.55]), _ALONG)
    root = np.tile(0.75 + 0.45 * smoothstep(along * 1.6), _ACROSS)
    part.colours[:] *= (shade * edge * root)[:, None]
    return part


def _direction(place: Float[np.ndarray, "2"]) -> Float[np.ndarray, "3"]:
    turn, elevation = place
    flat = np.cos(elevation)
    return np.array([flat * np.sin(turn), np.sin(elevation), flat * np.cos(turn)])
