"""The skull, face and neck of the built-in head as one smooth implicit surface, and its clothed
shoulders as another.

The surface is the zero set of a signed function. The function combines ellipsoids, round cones and
balls, each positioned in metres on the head, by smooth minima (unions) and smooth differences. It
depends on |x|, so left and right are the same shape. The origin lies between the ears; y is up, +z
out of the face. Eyes at y = 0.030, base of the nose -0.022, mouth -0.043, bottom of the chin
-0.088, crown 0.137.
"""

from collections.abc import Callable

import numpy as np

from ksdiff_jax.typing import Float

CENTRE = np.array([0.0, 0.005, 0.0])
TORSO_CENTRE = np.array([0.0, -0.300, -0.055])
NECK_CUT_Y = -0.185


def signed_distance(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """Return the approximate signed distance in metres to the skin: negative inside."""
    p = np.concatenate([np.abs(points[:, :1]), points[:, 1:]], axis=1)
    d = _ellipsoid(p, (0, 0.050, -0.012), (0.0745, 0.087, 0.096))  # cranium
    d = _join(d, _ellipsoid(p, (0, 0.064, 0.026), (0.058, 0.050, 0.056)), 0.030)  # forehead
    # middle of the face
    d = _join(d, _ellipsoid(p, (0, -0.008, 0.020), (0.0570, 0.078, 0.0645)), 0.030)
    d = _join(d, _ellipsoid(p, (0.039, -0.001, 0.040), (0.027, 0.020, 0.030)), 0.030)  # cheekbone
    d = _join(d, _ellipsoid(p, (0, -0.038, 0.046), (0.038, 0.036, 0.0425)), 0.030)  # dental arch
    # body of the jaw
    d = _join(d, _cone(p, (0.0, -0.063, 0.060), (0.0385, -0.048, 0.006), 0.0195, 0.0150), 0.026)
    # ramus
    d = _join(d, _cone(p, (0.0385, -0.048, 0.006), (0.051, 0.004, -0.006), 0.0150, 0.0160), 0.030)
    d = _join(d, _ellipsoid(p, (0, -0.069, 0.064), (0.022, 0.0185, 0.0220)), 0.018)  # chin
    d = _join(d, _ellipsoid(p, (0.029, -0.032, 0.038), (0.025, 0.034, 0.034)), 0.026)  # soft cheek
    # brow ridge
    d = _join(d, _cone(p, (0.010, 0.0480, 0.0745), (0.043, 0.0470, 0.0550), 0.0085, 0.0085), 0.018)
    # eye socket
    d = _carve(d, _ellipsoid(p, (0.0330, 0.0290, 0.090), (0.0170, 0.0125, 0.0170)), 0.014)
    # bridge of the nose
    d = _join(d, _cone(p, (0.0, 0.041, 0.0735), (0.0, -0.004, 0.0960), 0.0085, 0.0100), 0.016)
    d = _join(d, _ellipsoid(p, (0, -0.0090, 0.1000), (0.0115, 0.0095, 0.0105)), 0.010)  # tip
    # wing of the nose
    d = _join(d, _ellipsoid(p, (0.0118, -0.0125, 0.0890), (0.0070, 0.0080, 0.0120)), 0.009)
    # nostril
    d = _carve(d, _ellipsoid(p, (0.0062, -0.0220, 0.0960), (0.0038, 0.0046, 0.0062)), 0.003)
    d = _carve(d, _ellipsoid(p, (0, -0.0300, 0.0995), (0.0032, 0.0085, 0.0068)), 0.008)  # philtrum
    neck = _cone(p, (0, -0.040, -0.024), (0, -0.210, -0.044), 0.0435, 0.0490)
    neck = _join(neck, _ellipsoid(p, (0, -0.225, -0.050), (0.078, 0.060, 0.062)), 0.050)
    # neck muscle
    neck = _join(
        neck, _cone(p, (0.046, -0.020, -0.030), (0.010, -0.190, 0.000), 0.009, 0.009), 0.034
    )
    d = _join(d, neck, 0.022)
    return np.maximum(d, NECK_CUT_Y - p[:, 1])


def torso_distance(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """Return the approximate signed distance in metres to the clothed shoulders, upper arms and
    chest, and to a collar's width around the neck.
    """
    p = np.concatenate([np.abs(points[:, :1]), points[:, 1:]], axis=1)
    neck = _cone(p, (0, -0.040, -0.024), (0, -0.230, -0.042), 0.0480, 0.0560)
    # the skin of the neck lies inside
    neck = _join(neck, _ellipsoid(p, (0, -0.225, -0.046), (0.084, 0.066, 0.070)), 0.050)
    p = p - np.array([0.0, 0.012, 0.004])
    d = _ellipsoid(p, (0, -0.380, -0.060), (0.150, 0.205, 0.096))  # rib cage
    d = _join(d, _ellipsoid(p, (0.062, -0.315, 0.000), (0.075, 0.075, 0.045)), 0.040)  # chest
    # shoulder and upper arm
    d = _join(d, _cone(p, (0.060, -0.222, -0.066), (0.158, -0.240, -0.064), 0.040, 0.045), 0.060)
    d = _join(d, _cone(p, (0.158, -0.240, -0.064), (0.182, -0.420, -0.062), 0.047, 0.042), 0.030)
    # the slope from neck to shoulder
    d = _join(d, _cone(p, (0.012, -0.152, -0.062), (0.118, -0.222, -0.066), 0.030, 0.028), 0.040)
    return _join(d, neck, 0.030)


def cast(
    origins: Float[np.ndarray, "n 3"],
    directions: Float[np.ndarray, "n 3"],
    *,
    distance: Callable[[np.ndarray], np.ndarray] = signed_distance,
    steps: int = 48,
) -> Float[np.ndarray, "n 3"]:
    """Return the first points of the surface along unit `directions`, from outside."""
    travelled = np.zeros(len(origins))
    for _ in range(steps):
        # Steps shorter than the distance: smooth unions of scaled ellipsoids overestimate it a
        # little.
        travelled += 0.8 * distance(origins + travelled[:, None] * directions)
    return origins + travelled[:, None] * directions


def surface_towards(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Return surface points along unit directions from the head's centre."""
    return cast(CENTRE + 0.35 * directions, -directions)


def surface_in_front(plane: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 3"]:
    """Return surface points of the face with the given (x, y), as seen from the front."""
    flat = plane.reshape(-1, 2)
    origins = np.concatenate([flat, np.full((len(flat), 1), 0.2)], axis=1)
    points = cast(origins, np.broadcast_to([0.0, 0.0, -1.0], origins.shape))
    return points.reshape(*plane.shape[:-1], 3)


def _ellipsoid(p: Float[np.ndarray, "n 3"], centre: tuple, radii: tuple) -> Float[np.ndarray, "n"]:
    scaled = (p - np.array(centre)) / np.array(radii)
    inner = np.sqrt(np.sum(scaled**2, axis=1))
    slope = np.sqrt(np.sum((scaled / np.array(radii)) ** 2, axis=1))
    return inner * (inner - 1) / np.maximum(slope, 1e-9)


def _cone(p: Float[np.ndarray, "n 3"], a: tuple, b: tuple, radius_a: float, radius_b: float):
    """Return the distance to a capsule whose radius changes along its axis."""
    start, axis = np.array(a), np.subtract(b, a)
    along = np.clip((p - start) @ axis / (axis @ axis), 0, 1)
    centre = start + along[:, None] * axis
    return np.linalg.norm(p - centre, axis=1) - (radius_a + along * (radius_b - radius_a))


def _join(
    a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"], width: float
) -> Float[np.ndarray, "n"]:
    """Return the smooth minimum (cubic) with a fillet of about `width` metres."""
    near = np.maximum(width - np.abs(a - b), 0) / width
    return np.minimum(a, b) - near**3 * width / 6


def _carve(
    a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"], width: float
) -> Float[np.ndarray, "n"]:
    """Return the smooth difference: `a` without `b`."""
    return -_join(-a, b, width)
