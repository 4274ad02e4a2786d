"""Ears, hair and eyebrows of the built-in head: pieces that lie on or beside the skin."""

import numpy as np

from ksdiff_jax.face.head.parts import (
    HAIR,
    SKIN,
    Part,
    painted,
    ring_faces,
    smoothstep,
    strip_faces,
)
from ksdiff_jax.face.head.surface import CENTRE, surface_in_front, surface_towards
from ksdiff_jax.typing import Float


def make_ear() -> Part:
    """Return the left ear: rings from the hollow in its middle over the rim and back to the
    skull.
    """
    columns = 22
    angle = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    # Outline in the ear's own plane: u backwards, v up; wide above, narrow at the lobe.
    v = 0.0310 * np.sin(angle)
    u = 0.0175 * np.cos(angle) * (1 + 0.28 * np.sin(angle)) + 0.0015 * np.sin(angle)
    # 1 at the back, where the rim stands away from the head; 0 at the front
    back = smoothstep((np.cos(angle) + 0.55) / 0.9)
    rings = []
    # Size and height of the surface above the plane; the hollow is deep, and the rim curls over it.
    for size, height in (
        (0.16, -0.0050),
        (0.40, -0.0046),
        (0.56, -0.0005),
        (0.68, 0.0012),
        (0.80, -0.0012),
    ):
        rings.append((size, height * back - 0.0015 * (1 - back)))
    rings += [
        (0.90, 0.0022 * back),
        (0.98, 0.0034 * back),
        (1.00, 0.0012 * back),
        (0.93, -0.0016),
        (0.62, -0.0110),
    ]
    points = []
    for size, height in rings:
        shift = (1 - size) * np.array([-0.004, -0.002])
        points.append(
            np.stack(
                [size * u + shift[0], size * v + shift[1], np.broadcast_to(height, u.shape)], axis=1
            )
        )
    points = np.concatenate(points)
    # The plane is tilted: its back stands away from the head, its top leans backwards.
    flare, lean = np.deg2rad(28), np.deg2rad(12)
    backwards = np.array([np.sin(flare), -np.sin(lean), -np.cos(flare)])
    upwards = np.array([0.10, np.cos(lean), -np.sin(lean)])
    outwards = np.cross(upwards, -backwards)
    outwards *= np.sign(outwards[0]) / np.linalg.norm(outwards)
    placed = np.array([0.0755, 0.0120, -0.0165]) + points @ np.stack([backwards, upwards, outwards])
    index = np.arange(len(points)).reshape(-1, columns)
    faces = [ring_faces(index[k], index[k + 1]) for k in range(len(index) - 1)]
    faces.append(strip_faces(index[0, ::-1][: columns // 2], index[0, : columns // 2]))
    part = painted(placed, np.concatenate(faces), SKIN, gloss=0.2)
    part.colours[index[:2].ravel()] *= (0.62, 0.52, 0.50)
    part.colours[index[4].ravel()] *= (0.85, 0.78, 0.76)
    return part


def make_hair() -> Part:
    """Return a cap of short hair: rows from the hairline to the crown, raised above the skull and
    tucked in at its edge.
    """
    columns, rows = 52, 15
    # 0 in front, counter-clockwise from above
    azimuth = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    lowest = hairline(azimuth)
    share = np.linspace(0, 1, rows) ** 1.15
    elevation = lowest + share[:, None] * (np.pi / 2 - 0.03 - lowest)
    flat = np.cos(elevation)
    directions = np.stack(
        [flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)], axis=-1
    )
    # The crown of the hair lies behind the middle of the skull.
    directions[..., 2] -= 0.25 * share[:, None] ** 2
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    skull = surface_towards(directions.reshape(-1, 3)).reshape(directions.shape)
    lift = np.interp(share, [0, 0.05, 0.16, 0.5, 1], [-0.0025, 0.0035, 0.0068, 0.0095, 0.0100])
    wave = 0.0006 * np.cos(azimuth * 13 + 5 * share[:, None]) * smoothstep(share * 6)[:, None]
    top = 1 + 0.35 * np.clip(directions[..., 2:], 0, 1) * smoothstep(
        (share[:, None, None] - 0.1) * 3
    )
    points = skull + directions * (lift[:, None, None] * top + wave[..., None])
    points = np.concatenate([points.reshape(-1, 3), points[-1].mean(axis=0, keepdims=True)])
    index = np.arange(rows * columns).reshape(rows, columns)
    faces = [ring_faces(index[k + 1], index[k]) for k in range(rows - 1)]
    faces.append(
        np.stack([np.full(columns, len(points) - 1), index[-1], np.roll(index[-1], -1)], 1)
    )
    part = painted(points, np.concatenate(faces), HAIR, gloss=0.35)
    strand = 1 + 0.22 * np.cos(azimuth * 26)
    part.colours[:-1] *= np.tile(strand, rows)[:, None]
    return part


def make_brow() -> Part:
    """Return the left eyebrow: a tapered ribbon that lies on the brow ridge."""
    along = np.linspace(0, 1, 13)
    x = 0.0130 + 0.0360 * along
    y = 0.0455 + 0.0060 * np.sin(np.pi * along**0.8 * 0.80) - 0.0035 * along**2
    half = 0.0031 * np.clip(1.15 - along, 0, 1) ** 0.45 * smoothstep(0.35 + along * 5)
    rows = []
    for offset, lift in ((1.0, -0.0008), (0.5, 0.0010), (-0.3, 0.0012), (-1.0, -0.0008)):
        points = surface_in_front(np.stack([x, y + offset * half], axis=1))
        points += np.array([0.25, 0.15, 1.0]) * lift
        rows.append(points)
    index = np.arange(4 * 13).reshape(4, 13)
    faces = np.concatenate([strip_faces(index[k], index[k + 1]) for k in range(3)])
    return painted(np.concatenate(rows), faces, np.multiply(HAIR, 1.25), gloss=0.15)


def hair_cover(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """Return how far (radians of elevation) points lie above the hairline: positive under the
    hair.
    """
    local = points - CENTRE
    elevation = np.arctan2(local[:, 1], np.hypot(local[:, 0], local[:, 2]))
    return elevation - hairline(np.arctan2(local[:, 0], local[:, 2]))


def hairline(azimuth: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return the elevation of the edge of the hair: high over the forehead, down the sideburns, low
    at the nape.
    """
    turn = np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi)
    knots = np.deg2rad([0, 20, 38, 52, 64, 72, 80, 88, 96, 106, 116, 126, 140, 180])
    heights = np.deg2rad([50, 51, 49, 43, 33, 20, 6, -2, 6, 22, 16, -6, -22, -28])
    return np.interp(turn, knots, heights)
