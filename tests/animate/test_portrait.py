"""A person in a picture: found, cropped, painted and pasted back, and refused where it must be."""

import av
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ksdiff_jax.animate import animator
from ksdiff_jax.animate import portrait as module
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.animate.painter import BLOCK_FRAMES, Painter
from ksdiff_jax.animate.portrait import (
    Portrait,
    check_motion,
    face_square,
    faded_square,
)
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.data.tracking.crops import FACE_HEIGHT, RIGID_POINTS, SQUARE_OF_FACE
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.fd2talk.frames.config import Config as FramesConfig
from ksdiff_jax.models.pretrained import DEFAULT_NAME, Pretrained
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS
from ksdiff_jax.ownership import purpose_of
from tests.data.tracking.scripted import ScriptedTracker, face_at

CENTRE, FACE, SIDE = (130.0, 120.0), 80.0, 32


def face_points(corner=(0, 0)):
    points = np.zeros((478, 3), np.float32)
    points[FACE_HEIGHT[0], 1], points[FACE_HEIGHT[1], 1] = -FACE / 2, FACE / 2
    points[list(RIGID_POINTS), 1] = -10
    return points + np.float32([*CENTRE, 0])


def tracker(faces=1, seen=True):
    """A tracker that finds so many faces, and the landmarks of one of `FACE` pixels."""
    looks = [[face_at(*CENTRE, FACE), face_at(30, 30, 0.9 * FACE)][:faces]]
    corner = CENTRE[0] - FACE, CENTRE[1] - FACE  # of the square that is looked at
    return ScriptedTracker(looks, [face_points()] if seen else [None], corner=corner)


def noise(height=241, width=301):
    picture = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    return picture.astype(np.uint8).repeat(8, 0).repeat(8, 1)[:height, :width]


def opened(picture=None, **found):
    picture = noise() if picture is None else picture
    return Portrait(picture, face_square(picture, tracker(**found), what="me.jpg"))


class Returns:
    """Paints the reference itself, or one colour."""

    side, space = SIDE, "builtin"

    def __init__(self, colour=None):
        self.colour = colour

    def paint(self, reference, motion):
        for _ in range(len(motion)):
            yield reference if self.colour is None else np.full_like(reference, self.colour)


def still(frames=7, space="builtin"):
    return Motion.from_coefficients(np.zeros((frames, MOTION_DIMS), np.float32), space=space)


def test_the_square_around_the_face_is_that_of_its_landmarks():
    left, top, side = opened().square
    assert side == round(SQUARE_OF_FACE * FACE)
    assert (left + side / 2, top + side / 2) == CENTRE


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"faces": 0}, "me.jpg: no face found; need a picture of one face"),
        ({"faces": 2}, "me.jpg: 2 faces found; need a picture of one face"),
        ({"seen": False}, "me.jpg: a face without landmarks"),
    ],
)
def test_a_picture_without_one_face_is_refused(found, message):
    with pytest.raises(InputError, match=message):
        opened(**found)


def test_a_small_picture_is_refused_before_the_tracker_starts(tmp_path):
    Image.fromarray(noise(50, 50)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a.png: 50 x 50 pixels; need 96 or more on each side"):
        Portrait.open(tmp_path / "a.png", tracker=None)
    Image.fromarray(noise()).save(tmp_path / "b.png")
    assert Portrait.open(tmp_path / "b.png", tracker=tracker()).square[2] == 112


def test_a_small_face_is_refused(monkeypatch):
    monkeypatch.setattr(module, "SMALLEST_CROP", 200)
    with pytest.raises(InputError, match="the face takes 112 pixels"):
        opened()


def test_the_painted_reference_gives_the_picture_back_and_nothing_changes_outside():
    picture = np.asarray(Image.fromarray(noise()).resize((75, 60)).resize((301, 241)))  # smooth
    portrait = opened(picture)
    painter = Returns()
    painter.side = 112
    (frame,) = portrait.pasted(painter.paint(portrait.reference(112), range(1)))
    assert frame.shape == (240, 300, 3)
    np.testing.assert_array_equal(frame, picture[:240, :300])
    (white,) = portrait.pasted(Returns(255).paint(portrait.reference(SIDE), range(1)))
    changed = (white != picture[:240, :300]).any(axis=-1)
    left, top, side = portrait.square
    inside = np.zeros_like(changed)
    inside[top : top + side, left : left + side] = True
    assert not changed[~inside].any()
    assert (white[top + side // 2, left + side // 2] == 255).all()


def test_a_square_over_the_edge_of_the_picture_is_pasted_in_part():
    portrait = Portrait(noise(), np.array([-30, 190, 112]))
    (frame,) = portrait.pasted(Returns(255).paint(portrait.reference(SIDE), range(1)))
    assert frame.shape == (240, 300, 3)
    assert (frame[236, 20] == 255).all()


def test_a_painted_crop_fades_into_the_picture():
    weight = faded_square(80)
    assert weight[40, 40] == 1 and weight[0].max() < 0.02
    assert (np.diff(weight[40, :40]) >= 0).all() and np.abs(np.diff(weight[40])).max() < 0.2
    np.testing.assert_array_equal(weight, weight[::-1, ::-1])


def test_the_video_has_the_length_of_the_motion_sound_and_a_mark_of_synthesis(tmp_path):
    write_wav(tmp_path / "s.wav", np.random.default_rng(0).normal(size=4000).astype(np.float32) / 9)
    path = opened().animate(still(), Returns(), tmp_path / "a.mp4", audio=tmp_path / "s.wav")
    with av.open(str(path)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert "Synthetic" in video.metadata["description"]
        assert len(video.streams.audio) == 1
    assert (len(frames), frames[0].shape) == (7, (240, 300, 3))
    assert purpose_of(path) == "video"
    opened().animate(still(), Returns(), path)  # one of ours is replaced
    (tmp_path / "b.mp4").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"b\.mp4"):
        opened().animate(still(), Returns(), tmp_path / "b.mp4")
    assert (tmp_path / "b.mp4").read_bytes() == b"mine"


def test_a_motion_of_another_space_is_refused():
    with pytest.raises(InputError, match=r"motion of the flame space: .* of the builtin space"):
        check_motion(still(space="flame"), Returns())


class Levels:
    """A painting system whose picture i has the level i / 100, of any motion."""

    space, picture_side = BUILTIN, SIDE

    def painter(self, params):
        def paint(reference, motion, keys, first):
            frames = motion.shape[1]
            levels = (first[:, None] + jnp.arange(frames)) / 100 * params["gain"]
            shape = len(motion), frames, *reference.shape[1:]
            return jnp.broadcast_to(levels[:, :, None, None, None], shape)

        return paint


def test_a_system_paints_in_blocks_that_continue_each_other():
    painter = Painter(Levels(), {"gain": np.float32(1)})
    count = 2 * BLOCK_FRAMES + 3
    frames = list(painter.paint(np.zeros((SIDE, SIDE, 3), np.uint8), still(count).coefficients))
    found = np.array([frame.mean() for frame in frames])
    np.testing.assert_allclose(found, np.rint((np.arange(count) / 100 + 1) * 127.5).clip(0, 255))


def test_a_checkpoint_that_paints_generates_no_motion(tmp_path, monkeypatch):
    given = Pretrained(FramesConfig(), {}, BUILTIN, "", tmp_path)
    monkeypatch.setattr(animator, "load_pretrained", lambda *_, **__: given)
    with pytest.raises(InputError, match="fd2talk_frames generates no motion from speech"):
        animator.Animator.from_pretrained("frames")


def test_a_checkpoint_of_motion_paints_nothing():
    with pytest.raises(InputError, match=r"paints no frames; .*--checkpoint .*--motion"):
        Painter.from_pretrained(DEFAULT_NAME)
