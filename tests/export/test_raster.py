"""The renderer on scenes whose pictures are known."""

import numpy as np
from numba.core import caching

from ksdiff_jax.export.grain_noise import compiled
from ksdiff_jax.export.raster import Camera, Surface, framed_on, render_frames
from ksdiff_jax.face import builtin_face

SQUARE = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
TWO = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def picture(vertices, faces, colours, gloss=None, **options):
    surface = Surface(faces, np.asarray(colours, np.float32), gloss)
    return next(render_frames(np.asarray(vertices, np.float32)[None], surface, **options))


def squares(*depths):
    vertices = np.concatenate([SQUARE * 0.02 + np.array([0, 0, z], np.float32) for z in depths])
    faces = np.concatenate([TWO + 4 * k for k in range(len(depths))])
    return vertices, faces


def test_a_square_covers_the_pixels_its_size_says():
    vertices, faces = squares(0.0)
    camera = Camera(target=(0.0, 0.0, 0.0), height_m=0.08)
    image = picture(vertices, faces, np.tile([1.0, 0, 0], (4, 1)), camera=camera, size=128)
    red = (image[..., 0].astype(int) - image[..., 2]) > 80
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    # 0.04 m of 0.08 m: half of the picture, in its middle.
    assert abs(len(rows) - 64) <= 1
    assert abs(len(columns) - 64) <= 1
    assert abs(rows.mean() - 63.5) <= 0.5
    assert red[rows[0] + 1 : rows[-1], columns[0] + 1 : columns[-1]].all()


def test_the_nearer_surface_hides_the_farther_in_either_order():
    colours = np.repeat([[1.0, 0, 0], [0, 0, 1.0]], 4, axis=0)
    camera = Camera(target=(0.0, 0.0, 0.0), height_m=0.08)
    for depths, channel in (((0.01, -0.01), 0), ((-0.01, 0.01), 2)):
        vertices, faces = squares(*depths)
        centre = picture(vertices, faces, colours, camera=camera, size=64)[32, 32].astype(int)
        assert np.argmax(centre) == channel


def test_a_surface_that_faces_away_is_not_drawn():
    vertices, faces = squares(0.0)
    camera = Camera(target=(0.0, 0.0, 0.0), height_m=0.08)
    red = np.tile([1.0, 0, 0], (4, 1))
    away = picture(vertices, faces[:, ::-1], red, camera=camera, size=64)
    nothing = picture(
        vertices + np.float32(5.0) * np.array([1, 0, 0], np.float32),
        faces,
        red,
        camera=camera,
        size=64,
    )
    np.testing.assert_array_equal(away, nothing)


def test_a_yaw_shows_the_subjects_left_side():
    points = np.array([[0.05, 0, 0], [0, 0, 0.05]], np.float32)  # left side, front
    vertices = np.concatenate([SQUARE * 0.004 + p for p in points])
    vertices[:4] = (SQUARE * 0.004)[:, [2, 1, 0]] * [1, 1, -1] + points[0]
    colours = np.repeat([[1.0, 0, 0], [0, 0, 1.0]], 4, axis=0)
    camera = Camera(target=(0.0, 0.0, 0.0), height_m=0.2, yaw_rad=np.pi / 2)
    image = picture(
        vertices, np.concatenate([TWO, TWO + 4]), colours, camera=camera, size=64
    ).astype(int)
    assert image[32, 32, 0] > image[32, 32, 2] + 80


def test_frames_come_in_order_and_threads_change_nothing():
    vertices, faces = squares(0.0)
    shifts = np.linspace(-0.02, 0.02, 9)
    frames = np.stack([vertices + np.array([x, 0, 0], np.float32) for x in shifts]).astype(
        np.float32
    )
    colours = np.tile(np.float32([1, 0, 0]), (4, 1))
    camera = Camera(target=(0.0, 0.0, 0.0), height_m=0.1)
    surface = Surface(faces, colours)
    one = list(render_frames(frames, surface, camera=camera, size=48, threads=1))
    three = list(render_frames(frames, surface, camera=camera, size=48, threads=3))
    np.testing.assert_array_equal(one, three)
    middles = [
        np.flatnonzero((image[24, :, 0].astype(int) - image[24, :, 2]) > 80).mean() for image in one
    ]
    assert (np.diff(middles) > 0).all()


def test_the_built_in_head_fills_its_frame_and_is_symmetric():
    face = builtin_face()
    image = picture(face.template, face.faces, face.colours, gloss=face.gloss, size=96)
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    camera = framed_on(face.template)
    background = picture(
        face.template + np.float32([9, 0, 0]), face.faces, face.colours, camera=camera, size=96
    )
    head = np.abs(image.astype(int) - background).max(axis=-1) > 8
    assert 0.2 < head.mean() < 0.8
    assert (head != head[:, ::-1]).mean() < 0.02
    # Skin is redder than it is blue.
    assert image[48, 48, 0] > image[48, 48, 2]


def test_compilation_works_where_nothing_can_be_cached(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled(_twice)(21) == 42


def _twice(x):
    return 2 * x
