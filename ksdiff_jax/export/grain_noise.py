"""Noise in the colour and in the normal of a pixel, for the renderer (`raster`)."""

import inspect

import numba
import numpy as np

GRAIN_COLUMNS = 5  # of a vertex: its place in the noise, the strengths in colour and normal
FINER = np.float32(3)  # grains in the normal for one in the colour, along each axis


def compiled(function):
    """Compile; cache the machine code on disk if a folder (the package's or the user's cache) is
    writable.
    """
    # A type-checking import hook wraps the function in Python code that cannot be compiled.
    function = inspect.unwrap(function)
    try:
        return numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=True, error_model="numpy")(function)


@compiled
def _lattice(i, j, k):
    """Return a number from -1 to 1 that belongs to a point of the lattice."""
    mixed = i * 374761393 + j * 668265263 + k * 1440662683
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return np.float32((mixed ^ (mixed >> 16)) & 0xFFFF) / np.float32(32767.5) - np.float32(1)


@compiled
def _noise(x, y, z):
    """Return the value at a point, -1 to 1, of noise that is smooth between the lattice's points,
    and how it changes along x and y.
    """
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    x, y, z = x - fx, y - fy, z - fz
    slope_x, slope_y = 6 * x * (1 - x), 6 * y * (1 - y)
    x, y, z = x * x * (3 - 2 * x), y * y * (3 - 2 * y), z * z * (3 - 2 * z)
    near = _lattice(i, j, k) * (1 - z) + _lattice(i, j, k + 1) * z
    right = _lattice(i + 1, j, k) * (1 - z) + _lattice(i + 1, j, k + 1) * z
    up = _lattice(i, j + 1, k) * (1 - z) + _lattice(i, j + 1, k + 1) * z
    both = _lattice(i + 1, j + 1, k) * (1 - z) + _lattice(i + 1, j + 1, k + 1) * z
    low, high = near * (1 - x) + right * x, up * (1 - x) + both * x
    across = (right - near) * (1 - y) + (both - up) * y
    return low * (1 - y) + high * y, across * slope_x, (high - low) * slope_y


@compiled
def grained(paint, corners, weights, normal):
    """Return the factor of the colour, and the unit normal, at the place of a triangle that the
    weights of its corners give; `paint` has the grain of every vertex behind its other columns.
    """
    (a, b, c), (wa, wb, wc), (nx, ny, nz) = corners, weights, normal
    tone = np.float32(1.0)
    strength = wa * paint[a, 7] + wb * paint[b, 7] + wc * paint[c, 7]
    rough = wa * paint[a, 8] + wb * paint[b, 8] + wc * paint[c, 8]
    if strength > 0 or rough > 0:
        x = wa * paint[a, 4] + wb * paint[b, 4] + wc * paint[c, 4]
        y = wa * paint[a, 5] + wb * paint[b, 5] + wc * paint[c, 5]
        z = wa * paint[a, 6] + wb * paint[b, 6] + wc * paint[c, 6]
        if strength > 0:
            tone += strength * _noise(x, y, z)[0]
        if rough > 0:
            _, across, along = _noise(FINER * x, FINER * y, FINER * z)
            nx, ny = nx + rough * across, ny + rough * along
            length = np.float32(1.0) / np.sqrt(nx * nx + ny * ny + nz * nz)
            nx, ny, nz = nx * length, ny * length, nz * length
    return tone, nx, ny, nz
