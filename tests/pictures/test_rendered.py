"""Rendered people: a function of seed and clip, of varied looks, whose lips follow the motion."""

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.raster import STUDIO
from ksdiff_jax.pictures.looks import drawn_look, drawn_studio
from ksdiff_jax.pictures.rendered import Renderer
from tests.data.clips import make_clip

SIDE = 64


def still_clip(number=0, frames=2, **changes):
    zeros = {
        name: np.zeros((frames, width), np.float32)
        for name, width in (("expression", 50), ("rotation", 3), ("jaw", 3))
    }
    return make_clip(number, frames=frames, **(zeros | changes))


def test_a_person_is_a_function_of_seed_and_clip():
    clip, renderer = still_clip(), Renderer(SIDE, seed=3)
    first, again = renderer(clip), renderer(clip)
    assert first.pictures.data == again.pictures.data
    np.testing.assert_array_equal(first.shape, again.shape)
    for other in (Renderer(SIDE, seed=4)(clip), renderer(still_clip(1))):
        assert np.abs(other.shape - first.shape).max() > 0.5
        assert np.abs(other.pictures[0].astype(int) - first.pictures[0]).mean() > 5


def test_people_differ_more_than_a_person_between_still_frames():
    people = [Renderer(SIDE)(still_clip(number)).pictures.take([0, 1]) for number in range(6)]
    pictures = np.stack(people).astype(float)
    assert np.abs(pictures[:, 0] - pictures[:, 1]).mean() < 0.5
    assert pictures[:, 0].std(axis=0).mean() > 20


def test_an_open_jaw_changes_the_lower_face_and_a_turn_the_whole():
    open_jaw = np.array([[0, 0, 0], [0.3, 0, 0]], np.float32)
    turned = np.array([[0, 0, 0], [0, 0.3, 0]], np.float32)
    jaw = Renderer(SIDE)(still_clip(jaw=open_jaw)).pictures.take([0, 1]).astype(float)
    change = np.abs(jaw[1] - jaw[0]).mean(axis=(1, 2))
    assert change[SIDE // 2 :].sum() > 10 * change[: SIDE // 3].sum()
    head = Renderer(SIDE)(still_clip(rotation=turned)).pictures.take([0, 1]).astype(float)
    assert np.abs(head[1] - head[0]).mean() > 2 * np.abs(jaw[1] - jaw[0]).mean()


def test_the_face_is_in_the_middle_of_its_crop_for_every_person():
    for number in range(4):
        clip = still_clip(number, rotation=np.float32([[0, 0.02, 0], [0, -0.02, 0]]))
        pair = Renderer(SIDE)(clip).pictures.take([0, 1]).astype(float)
        moved = np.abs(pair[1] - pair[0]).sum(axis=(0, 2))  # by column: the head's edges move
        centre = (moved * np.arange(SIDE)).sum() / moved.sum()
        assert abs(centre - SIDE / 2) < SIDE / 8


def test_lights_have_unit_directions_and_differ():
    rows = [drawn_studio(np.random.default_rng(n)) for n in range(20)]
    for studio in [*rows, STUDIO]:
        for direction in (studio.key, studio.fill, studio.highlight):
            assert np.linalg.norm(direction) == pytest.approx(1, abs=0.02)
    assert np.std([studio.key[0] for studio in rows]) > 0.2


def test_colours_of_people_stay_albedos():
    for number in range(20):
        look = drawn_look(np.random.default_rng(number))
        assert look.surface.colours.min() >= 0 and look.surface.colours.max() <= 1
        assert len(look.surface.faces) > 5000


def test_what_cannot_be_rendered_is_refused():
    with pytest.raises(InputError, match="pictures of 20 pixels: need 32 to 512, a multiple of 8"):
        Renderer(20)
    with pytest.raises(InputError, match="are of the flame space"):
        Renderer(SIDE)(still_clip(space="flame"))
