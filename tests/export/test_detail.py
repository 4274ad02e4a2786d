"""The fine detail of the textured look: where it is, and that it is neither shade nor flicker."""

import dataclasses

import numpy as np

from ksdiff_jax.export.detail import grain
from ksdiff_jax.export.picture import PictureForm, painted_surface, pictures, portrait_camera
from ksdiff_jax.export.raster import Camera, Frame, Surface, render_frames
from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.dressed import dressed_head


def test_detail_keeps_the_light_of_the_skin_and_is_not_of_clay():
    head = dressed_head()
    resting = np.asarray(head.template)[None]
    form, frame = PictureForm(size=512), Frame(512, 512)
    (fine,) = pictures([resting], head, form)
    camera = portrait_camera(head)
    (plain,) = render_frames(resting, painted_surface(head), camera=camera, size=frame)
    forehead = (slice(140, 165), slice(225, 285))
    fine, plain = fine.astype(float), plain.astype(float)
    assert 1.0 < np.std((fine - plain)[forehead]) < 8
    assert np.abs((fine - plain)[forehead].mean()) < 1.5
    np.testing.assert_array_equal(fine[:30], plain[:30])  # the background
    (clay,) = pictures([resting], head, dataclasses.replace(form, look="clay"))
    surface = painted_surface(head, "clay")
    (bare,) = render_frames(resting, surface, camera=camera, size=frame)
    np.testing.assert_array_equal(clay, bare)


def test_detail_finer_than_the_pixels_fades_out():
    head = dressed_head()
    assert not grain(head, metres_a_pixel=0.01)[:, 3:].any()
    near, far = (grain(head, metres_a_pixel=m)[:, 3:].sum(axis=0) for m in (1e-4, 1e-3))
    assert (near > far).all() and (far >= 0).all()


def test_only_the_built_in_head_has_detail():
    head = builtin_face()
    assert grain(head, metres_a_pixel=1e-4).shape == (len(head.template), 5)
    other = dataclasses.replace(head, name="another")
    assert grain(other, metres_a_pixel=1e-4) is None


def test_noise_is_where_its_grains_are():
    """Of two halves of a square, the one with a strength of zero has one colour."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 3), [-0.5, 0.5])
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1).astype(np.float32)
    faces = np.array([[0, 1, 3], [1, 4, 3], [1, 2, 4], [2, 5, 4]], np.int32)
    table = np.zeros((6, 5), np.float32)
    table[:, :3], table[[0, 3], 3] = 20 * points, 0.5
    surface = Surface(faces, np.full((6, 3), 0.3, np.float32), np.zeros(6), table)
    camera = Camera((0.0, 0.0, 0.0), height_m=1.0, distance_m=100.0)
    (shown,) = render_frames(points[None], surface, camera=camera, size=64)
    shown = shown.astype(float)[8:56]
    assert np.std(shown[:, 36:60]) < 1 and np.std(shown[:, 4:20]) > 5
