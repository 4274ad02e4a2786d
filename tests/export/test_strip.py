"""A strip shows each face at its position, as the renderer draws it, with its label above."""

import io

import numpy as np
import pytest
from PIL import Image

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.picture import portrait_camera
from ksdiff_jax.export.raster import Surface, render_frames
from ksdiff_jax.export.strip import draw_strip
from ksdiff_jax.face import builtin_face

SIZE = 64


@pytest.fixture(scope="module")
def faces():
    """The resting head, and heads turned about y, so that no two pictures are alike."""
    face = builtin_face()
    turns = [
        np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        for a in (0.0, 0.5, -0.5)
    ]
    return face, np.stack([np.asarray(face.template) @ turn.T for turn in turns]).astype(np.float32)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))[..., :3].astype(int)


def test_each_picture_is_that_of_the_video_at_its_place(faces):
    face, vertices = faces
    strip = pixels(draw_strip(vertices, face, labels=["a", "b", "c"], columns=2, size=SIZE))
    drawn = render_frames(
        vertices,
        Surface(face.faces, face.colours, face.gloss),
        camera=portrait_camera(face),
        size=SIZE,
    )
    height, width = strip.shape[0] // 2, strip.shape[1] // 2
    for place, expected in enumerate(drawn):
        row, column = divmod(place, 2)
        cell = strip[
            (row + 1) * height - SIZE : (row + 1) * height, column * width : column * width + SIZE
        ]
        assert np.abs(cell - expected.astype(int)).mean() < 3
    assert (strip[height:, width:] == 255).all()  # no fourth face, so nothing there


def test_the_label_is_written_above_its_own_picture(faces):
    face, vertices = faces
    blank, labelled = (
        pixels(draw_strip(vertices[:2], face, labels=["", label], size=SIZE))
        for label in ("", "1.20 s")
    )
    changed = np.argwhere((blank != labelled).any(axis=-1))
    assert (
        len(changed) and changed[:, 0].max() < blank.shape[0] - SIZE and changed[:, 1].min() >= SIZE
    )


@pytest.mark.parametrize(("count", "labels"), [(0, []), (2, ["only one"])])
def test_no_faces_or_a_missing_label_is_an_input_error(faces, count, labels):
    face, vertices = faces
    with pytest.raises(InputError, match=f"got {count} faces and {len(labels)} labels"):
        draw_strip(vertices[:count], face, labels=labels)
