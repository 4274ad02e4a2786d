"""A small software renderer: draws meshes with a z-buffer in compiled Python, without a screen or a
GPU.

Each frame has three steps. First, the vertices are rotated into camera axes and projected with a
mild perspective, and area-weighted normals are computed. Second, the triangles are drawn into a
buffer of (depth, triangle id), at twice the resolution of the picture if `supersample` is 2. Third,
every pixel is shaded once for each triangle visible in it, from interpolated normal and colour: a
key light from above left, a fill light, sky light, a rim light, and a highlight scaled by the
vertex's gloss. Shading is in linear light; a table encodes the result to sRGB. With `grain`, noise
at the pixel's place in the resting mesh changes its colour and its normal.

    screen = (x, −y) · focal / (distance − z)

with z towards the camera, in metres, and the origin at the camera's target.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ksdiff_jax.export.grain_noise import compiled, grained
from ksdiff_jax.typing import Float, Int


class Studio(NamedTuple):
    """Lights and background, in linear light. Directions are towards the lights, in camera axes (x
    right, y up, z to the viewer), of length 1.
    """

    key: tuple[float, float, float] = (-0.45, 0.55, 0.71)
    fill: tuple[float, float, float] = (0.70, 0.10, 0.70)
    highlight: tuple[float, float, float] = (-0.24, 0.30, 0.92)  # half-way from key to viewer
    key_colour: tuple[float, float, float] = (0.86, 0.86, 0.86)
    fill_colour: tuple[float, float, float] = (0.20, 0.20, 0.20)
    top: tuple[float, float, float] = (0.30, 0.36, 0.43)  # background
    bottom: tuple[float, float, float] = (0.10, 0.12, 0.15)


STUDIO = Studio()


class Camera(NamedTuple):
    """Camera position: it looks at `target` from `distance_m`, rotated by yaw and then pitch."""

    target: tuple[float, float, float]
    height_m: float  # extent covered by the picture's height at the target
    distance_m: float = 1.0
    yaw_rad: float = 0.0  # positive: sees the subject's left side
    pitch_rad: float = 0.0  # positive: looks down from above


class Frame(NamedTuple):
    """The size of a picture in pixels, whether its background is transparent, and its lights."""

    width: int
    height: int
    transparent: bool = False
    studio: Studio = STUDIO

    @property
    def channels(self) -> int:
        """Numbers of a pixel: red, green, blue and, if transparent, alpha."""
        return 4 if self.transparent else 3


class Surface(NamedTuple):
    """Triangles of a mesh, counter-clockwise seen from outside, and the colour and gloss of each
    vertex.
    """

    faces: Int[np.ndarray, "n 3"]
    colours: Float[np.ndarray, "v 3"]  # linear-light albedo, 0 to 1
    gloss: Float[np.ndarray, "v"] | None = None  # strength of the highlight; None is 0.25
    # place in the noise, in grains, and its strength in the colour and in the normal; None: none
    grain: Float[np.ndarray, "v 5"] | None = None


def framed_on(
    vertices: Float[np.ndarray, "*t v 3"], *, yaw_rad: float = 0.0, pitch_rad: float = 0.0
) -> Camera:
    """Return a camera that frames the mesh over all frames, with a margin above and beside it and
    the end of the neck below the picture.
    """
    points = np.asarray(vertices).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    tall, wide = float(high[1] - low[1]), float(high[0] - low[0])
    top, bottom = float(high[1]) + 0.08 * tall, float(low[1]) + 0.09 * tall
    height_m = max(top - bottom, 1.1 * wide)
    target = (float(low[0] + high[0]) / 2, top - height_m / 2, float(low[2] + high[2]) / 2)
    return Camera(target=target, height_m=height_m, yaw_rad=yaw_rad, pitch_rad=pitch_rad)


def render_frames(
    vertices: Float[np.ndarray, "t v 3"],
    surface: Surface,
    *,
    camera: Camera | None = None,
    size: int | Frame = 512,
    supersample: int = 2,
    threads: int = 2,
) -> Iterator[np.ndarray]:
    """Yield one uint8 picture (height, width, 3, or 4 if transparent) per frame, in order; a number
    is the size of a square. `camera` defaults to `framed_on(vertices)`; its `height_m` fills the
    height of the picture.
    """
    form = size if isinstance(size, Frame) else Frame(size, size)
    camera = framed_on(vertices) if camera is None else camera
    faces, colours, gloss, grain = surface
    gloss = np.full(len(colours), 0.25, np.float32) if gloss is None else gloss
    columns = [colours, gloss[:, None]] + ([] if grain is None else [grain])
    paint = np.concatenate(columns, axis=1).astype(np.float32)
    triangles = np.ascontiguousarray(faces, dtype=np.int32)
    turn, view = _view(camera, form.height)
    scene = view, np.array(form.studio, np.float32)

    def draw(frame: np.ndarray) -> np.ndarray:
        points = (np.asarray(frame, np.float32) - np.float32(camera.target)) @ turn.T
        picture = np.empty((form.height, form.width, form.channels), np.uint8)
        _draw(np.ascontiguousarray(points), triangles, paint, scene, supersample, picture)
        return picture

    # A few frames in flight keep the threads busy without storing the whole clip.
    with ThreadPoolExecutor(max_workers=threads) as pool:
        waiting = []
        for frame in vertices:
            waiting.append(pool.submit(draw, frame))
            if len(waiting) > 2 * threads:
                yield waiting.pop(0).result()
        for picture in waiting:
            yield picture.result()


def _view(camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera's rotation, and (focal in pixels, distance in metres)."""
    cos_y, sin_y = np.cos(camera.yaw_rad), np.sin(camera.yaw_rad)
    cos_p, sin_p = np.cos(camera.pitch_rad), np.sin(camera.pitch_rad)
    yaw = np.array([[cos_y, 0, -sin_y], [0, 1, 0], [sin_y, 0, cos_y]])
    pitch = np.array([[1, 0, 0], [0, cos_p, -sin_p], [0, sin_p, cos_p]])
    focal = size * camera.distance_m / camera.height_m
    return (pitch @ yaw).astype(np.float32), np.array([focal, camera.distance_m], np.float32)


def _srgb_table() -> np.ndarray:
    linear = np.linspace(0, 1, 4096)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


_SRGB = _srgb_table()


@compiled
def _normals(points, triangles):
    """Return unit vertex normals, each triangle weighted by its area."""
    normals = np.zeros_like(points)
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        ux, uy, uz = (
            points[b, 0] - points[a, 0],
            points[b, 1] - points[a, 1],
            points[b, 2] - points[a, 2],
        )
        vx, vy, vz = (
            points[c, 0] - points[a, 0],
            points[c, 1] - points[a, 1],
            points[c, 2] - points[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            normals[k, 0] += nx
            normals[k, 1] += ny
            normals[k, 2] += nz
    for i in range(points.shape[0]):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + np.float32(
            1e-20
        )
        normals[i] /= length
    return normals


@compiled
def _fill_buffers(screen, triangles, depth, owner):
    """Draw triangles: `depth` stores the nearest (largest) inverse distance, `owner` its
    triangle.
    """
    height, width = depth.shape
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        ax, ay, bx, by, cx, cy = (
            screen[a, 0],
            screen[a, 1],
            screen[b, 0],
            screen[b, 1],
            screen[c, 0],
            screen[c, 1],
        )
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area >= np.float32(-1e-6):  # faces away, or has no area
            continue
        left = max(int(np.ceil(min(ax, bx, cx))), 0)
        right = min(int(np.floor(max(ax, bx, cx))), width - 1)
        top = max(int(np.ceil(min(ay, by, cy))), 0)
        bottom = min(int(np.floor(max(ay, by, cy))), height - 1)
        inverse = np.float32(1.0) / area
        step_b, step_c = (cy - ay) * inverse, -(by - ay) * inverse
        step_a = -step_b - step_c
        step_z = step_a * screen[a, 2] + step_b * screen[b, 2] + step_c * screen[c, 2]
        for y in range(top, bottom + 1):
            wb = ((left - ax) * (cy - ay) - (y - ay) * (cx - ax)) * inverse
            wc = ((bx - ax) * (y - ay) - (by - ay) * (left - ax)) * inverse
            wa = np.float32(1.0) - wb - wc
            # The steps of this row inside all three edges; the margin avoids gaps between
            # neighbours.
            start, stop = np.float32(0.0), np.float32(right - left)
            for weight, step in ((wa, step_a), (wb, step_b), (wc, step_c)):
                if step > np.float32(1e-12):
                    start = max(start, -weight / step - np.float32(1e-3))
                elif step < np.float32(-1e-12):
                    stop = min(stop, -weight / step + np.float32(1e-3))
                elif weight < 0:
                    stop = np.float32(-1.0)
            z = wa * screen[a, 2] + wb * screen[b, 2] + wc * screen[c, 2]
            for i in range(int(np.ceil(start)), int(np.floor(stop)) + 1):
                depth_here = z + i * step_z
                if depth_here > depth[y, left + i]:
                    depth[y, left + i] = depth_here
                    owner[y, left + i] = n


@compiled
def _towards(light, nx, ny, nz):
    return nx * light[0] + ny * light[1] + nz * light[2]


@compiled
def _shade(at, corners, screen, normals, paint, lights):
    """Return the light (red, green, blue) of the triangle of these corners at a screen point;
    `paint` is the colour, the gloss and, if any, the grain of every vertex, `lights` are the rows
    of a `Studio`.
    """
    x, y = at
    a, b, c = corners[0], corners[1], corners[2]
    ax, ay, bx, by, cx, cy = (
        screen[a, 0],
        screen[a, 1],
        screen[b, 0],
        screen[b, 1],
        screen[c, 0],
        screen[c, 1],
    )
    inverse = np.float32(1.0) / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    # Clamped: a pixel's centre may lie just outside a triangle that covers one of its samples.
    wb = min(
        max(((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) * inverse, np.float32(0)), np.float32(1)
    )
    wc = min(
        max(((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * inverse, np.float32(0)),
        np.float32(1) - wb,
    )
    wa = np.float32(1.0) - wb - wc
    nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
    ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
    nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
    length = np.float32(1.0) / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-12))
    nx, ny, nz = nx * length, ny * length, nz * length
    tone = np.float32(1.0)
    if paint.shape[1] > 4:
        tone, nx, ny, nz = grained(paint, (a, b, c), (wa, wb, wc), (nx, ny, nz))
    # Wrapped key light: skin scatters light, so the edge of its shadow is soft.
    key = max(
        (_towards(lights[0], nx, ny, nz) + np.float32(0.25)) / np.float32(1.25), np.float32(0)
    )
    fill = max(_towards(lights[1], nx, ny, nz), np.float32(0))
    half = max(_towards(lights[2], nx, ny, nz), np.float32(0))
    shine = half * half
    shine = shine * shine
    shine = shine * shine
    shine = shine * shine * shine  # 24th power
    rim = np.float32(1.0) - max(nz, np.float32(0))
    gloss = wa * paint[a, 3] + wb * paint[b, 3] + wc * paint[c, 3]
    # Matt surfaces have a broad highlight, glossy ones (eyes) a narrow one.
    white = (
        np.float32(0.55) * gloss * (np.float32(1.05) - gloss) * shine
        + gloss * gloss * shine * shine * shine * shine
    )
    # sky light and rim light
    around = np.float32(0.16) + np.float32(0.08) * ny + np.float32(0.22) * (rim * rim * rim)
    red = (lights[3, 0] * key + lights[4, 0] * fill + around) * tone
    green = (lights[3, 1] * key + lights[4, 1] * fill + around) * tone
    blue = (lights[3, 2] * key + lights[4, 2] * fill + around) * tone
    return (
        (wa * paint[a, 0] + wb * paint[b, 0] + wc * paint[c, 0]) * red + white,
        (wa * paint[a, 1] + wb * paint[b, 1] + wc * paint[c, 1]) * green + white,
        (wa * paint[a, 2] + wb * paint[b, 2] + wc * paint[c, 2]) * blue + white,
    )


@compiled
def _projected(points, focal, distance, wide, tall):
    """Return screen x and y in pixels, and the inverse distance from the camera."""
    screen = np.empty_like(points)
    for i in range(points.shape[0]):
        inverse = np.float32(1.0) / (distance - points[i, 2])
        screen[i, 0] = np.float32(0.5 * (wide - 1)) + points[i, 0] * focal * inverse
        screen[i, 1] = np.float32(0.5 * (tall - 1)) - points[i, 1] * focal * inverse
        screen[i, 2] = inverse
    return screen


@compiled
def _draw(points, triangles, paint, scene, supersample, picture):
    """Draw one frame into `picture`: `points` in camera axes, metres, relative to the target."""
    view, lights = scene
    height, width, channels = picture.shape
    wide, tall = width * supersample, height * supersample
    focal, distance = view[0] * np.float32(supersample), view[1]
    screen = _projected(points, focal, distance, wide, tall)
    normals = _normals(points, triangles)
    depth = np.zeros((tall, wide), np.float32)
    owner = np.full((tall, wide), -1, np.int32)
    _fill_buffers(screen, triangles, depth, owner)
    samples = supersample * supersample
    middle = np.float32(0.5 * (supersample - 1))
    light = np.zeros(3, np.float32)
    for y in range(height):
        along = np.float32(y) / np.float32(height)
        for x in range(width):
            light[:] = 0
            first = owner[y * supersample, x * supersample]
            same = True
            for s in range(1, samples):
                if (
                    owner[y * supersample + s // supersample, x * supersample + s % supersample]
                    != first
                ):
                    same = False
            counted = 0
            for s in range(1 if same else samples):
                dy, dx = s // supersample, s % supersample
                n = owner[y * supersample + dy, x * supersample + dx]
                if n >= 0:
                    offset_y = middle if same else np.float32(dy)
                    offset_x = middle if same else np.float32(dx)
                    px, py = (
                        np.float32(x * supersample) + offset_x,
                        np.float32(y * supersample) + offset_y,
                    )
                    red, green, blue = _shade(
                        (px, py), triangles[n], screen, normals, paint, lights
                    )
                    light[0] += red
                    light[1] += green
                    light[2] += blue
                    counted += 1
                elif channels == 3:
                    for k in range(3):
                        light[k] += lights[5, k] * (np.float32(1) - along) + lights[6, k] * along
                    counted += 1
            scale = np.float32(4095.0) / np.float32(max(counted, 1))
            for k in range(3):
                picture[y, x, k] = _SRGB[min(int(light[k] * scale), 4095)]
            if channels == 4:
                picture[y, x, 3] = (255 * counted) // (1 if same else samples)
