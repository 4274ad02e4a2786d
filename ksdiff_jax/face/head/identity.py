"""The 100 shape directions of the built-in head: the differences between heads.

The first directions are named measures (width, length, jaw, nose, mouth, eyes). The rest are smooth
random fields of decreasing wavelength, symmetric left and right, from a fixed seed. All are
functions of position alone, so the upper and lower lip, which touch, move together. Near an eye
they blend into one translation, so that eyeballs stay round and lids stay on them. The fields are
then orthogonalised in order and scaled, so that coefficients drawn from a standard normal
distribution give plausible faces.
"""

import numpy as np

from ksdiff_jax.face.head.mesh import eye_centres
from ksdiff_jax.face.head.mouth import contact_height
from ksdiff_jax.face.head.parts import smoothstep
from ksdiff_jax.typing import Float

SHAPES = 100
_RIGID_RADIUS, _FREE_RADIUS = 0.019, 0.034


def shape_directions(points: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "100 v 3"]:
    """Return displacements in metres of every vertex for one unit of each shape coefficient."""
    fields = [*_named(points)]
    rng = np.random.default_rng(7)
    while len(fields) < SHAPES:
        fields.append(_random_wave(points, rng, order=len(fields)))
    directions = _orthonormal(np.stack([_rigid_at_eyes(points, field) for field in fields]))
    rank = np.arange(SHAPES)
    # Root mean square over vertices: 1.6 mm for the first, 0.06 mm for the last. A local direction
    # moves no vertex by more than 2.2 mm.
    size = 0.0016 / (1 + 0.25 * rank) * np.sqrt(len(points))
    furthest = np.sqrt((directions**2).sum(axis=-1).max(axis=-1))
    return directions * np.minimum(size, 0.0022 / furthest)[:, None, None]


def _spot(
    q: Float[np.ndarray, "v 3"],
    centre: tuple[float, float, float],
    size: tuple[float, float, float],
) -> Float[np.ndarray, "v"]:
    """A Gaussian bump around a point and around its mirror image."""
    x, y, z = centre
    width, height, depth = size
    return np.exp(
        -(((np.abs(q[:, 0]) - x) / width) ** 2)
        - ((q[:, 1] - y) / height) ** 2
        - ((q[:, 2] - z) / depth) ** 2
    )


def _named(p: Float[np.ndarray, "v 3"]) -> list:
    """Return fields as functions of position, to be evaluated at vertices and at the eyes'
    centres.
    """

    def to_sides(q):
        return np.tanh(q[:, 0] / 0.012)

    def lower_face(q):
        return smoothstep((0.020 - q[:, 1]) / 0.100)

    def lips(q):
        return np.exp(-((q[:, 0] / 0.024) ** 2) - ((q[:, 1] + 0.043) / 0.011) ** 2) * smoothstep(
            (q[:, 2] - 0.06) / 0.02
        )

    return [
        lambda q: _vector(x=0.05 * q[:, 0]),
        lambda q: _vector(y=0.05 * q[:, 1]),
        lambda q: _vector(z=0.05 * q[:, 2]),
        lambda q: _vector(y=-0.004 * lower_face(q)),
        lambda q: _vector(x=0.07 * q[:, 0] * _spot(q, (0.0, -0.060, 0.03), (0.2, 0.030, 0.06))),
        lambda q: _vector(z=0.004 * _spot(q, (0.0, -0.072, 0.075), (0.05, 0.018, 0.04))),
        lambda q: _vector(y=-0.004 * _spot(q, (0.0, -0.078, 0.070), (0.05, 0.022, 0.05))),
        lambda q: _vector(x=0.003 * to_sides(q) * _spot(q, (0.05, 0.0, 0.04), (0.03, 0.018, 0.04))),
        lambda q: _vector(
            x=0.003 * to_sides(q) * _spot(q, (0.04, -0.032, 0.04), (0.025, 0.022, 0.05))
        ),
        lambda q: _vector(z=0.004 * _spot(q, (0.0, -0.009, 0.105), (0.014, 0.012, 0.03))),
        lambda q: _vector(x=0.12 * q[:, 0] * _spot(q, (0.0, -0.012, 0.09), (0.022, 0.013, 0.02))),
        lambda q: _vector(z=0.003 * _spot(q, (0.0, 0.018, 0.09), (0.010, 0.020, 0.03))),
        lambda q: _vector(y=0.003 * _spot(q, (0.0, -0.010, 0.10), (0.020, 0.014, 0.03))),
        lambda q: _vector(x=0.10 * q[:, 0] * _spot(q, (0.0, -0.044, 0.08), (0.040, 0.018, 0.04))),
        lambda q: _vector(
            y=0.16 * (q[:, 1] - contact_height(q[:, 0])) * lips(q), z=0.0012 * lips(q)
        ),
        lambda q: _vector(y=0.0025 * _spot(q, (0.0, -0.044, 0.08), (0.040, 0.020, 0.04))),
        lambda q: _vector(z=0.0025 * _spot(q, (0.0, -0.043, 0.08), (0.032, 0.020, 0.04))),
        lambda q: _vector(
            x=0.0018 * to_sides(q) * _spot(q, (0.0, 0.030, 0.06), (0.05, 0.030, 0.05))
        ),
        lambda q: _vector(y=0.0018 * _spot(q, (0.0, 0.030, 0.06), (0.05, 0.026, 0.05))),
        lambda q: _vector(z=0.0018 * _spot(q, (0.0, 0.049, 0.08), (0.05, 0.012, 0.04))),
        lambda q: _vector(y=0.0020 * _spot(q, (0.0, 0.055, 0.08), (0.05, 0.016, 0.04))),
        lambda q: _vector(z=0.004 * _spot(q, (0.0, 0.085, 0.07), (0.08, 0.040, 0.06))),
        lambda q: _vector(z=-0.006 * _spot(q, (0.0, 0.050, -0.10), (0.10, 0.060, 0.05))),
        lambda q: _vector(
            x=0.003 * to_sides(q) * _spot(q, (0.085, 0.012, -0.02), (0.012, 0.035, 0.02)),
            z=-0.003 * _spot(q, (0.085, 0.012, -0.03), (0.012, 0.035, 0.02)),
        ),
        lambda q: _vector(
            x=0.09 * q[:, 0] * smoothstep((-0.08 - q[:, 1]) / 0.06),
            z=-0.004 * smoothstep((-0.08 - q[:, 1]) / 0.06),
        ),
    ]


def _random_wave(points, rng: np.random.Generator, *, order: int):
    """Return a smooth field: three plane waves with random directions, the y and z components even
    in x, the x component odd in x.
    """
    wavelength = 0.24 / (1 + order / 40)
    waves = rng.normal(size=(3, 3, 3)) * (2 * np.pi / wavelength / np.sqrt(3))
    phases = rng.uniform(0, 2 * np.pi, size=(3, 3))
    gains = rng.normal(size=(3, 3))

    def field(q):
        across = np.abs(q[:, 0]) * np.tanh(np.abs(q[:, 0]) / 0.02)
        place = np.stack([across, q[:, 1], q[:, 2]], axis=1)
        parts = [np.cos(place @ waves[k].T + phases[k]) @ gains[k] for k in range(3)]
        return _vector(x=np.tanh(q[:, 0] / 0.03) * parts[0], y=parts[1], z=parts[2])

    return field


def _rigid_at_eyes(points: Float[np.ndarray, "v 3"], field) -> Float[np.ndarray, "v 3"]:
    moved = field(points)
    centres = eye_centres()
    at_centre = field(centres)
    for centre, translation in zip(centres, at_centre, strict=True):
        away = np.linalg.norm(points - centre, axis=1)
        near = 1 - smoothstep((away - _RIGID_RADIUS) / (_FREE_RADIUS - _RIGID_RADIUS))
        moved = moved + near[:, None] * (translation - moved)
    return moved


def _orthonormal(fields: Float[np.ndarray, "k v 3"]) -> Float[np.ndarray, "k v 3"]:
    """Orthonormalise the fields in order (Gram-Schmidt), by the Cholesky factor of the Gram matrix.

    Unlike those of a library's QR, its signs are the same on every platform.
    """
    flat = fields.reshape(len(fields), -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.linalg.inv(np.linalg.cholesky(flat @ flat.T)) @ flat
    return flat.reshape(fields.shape)


def _vector(x=0.0, y=0.0, z=0.0) -> Float[np.ndarray, "n 3"]:
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(np.float64)
