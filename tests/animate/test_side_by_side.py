"""Videos of several views and motions, transparent ones, and options that cannot be drawn."""

import av
import numpy as np
import pytest

from ksdiff_jax import Motion
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.side_by_side import write_side_by_side
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.ownership import purpose_of


def moving(frames, fps=25):
    values = np.zeros((frames, MOTION_DIMS), np.float32)
    values[:, 53] = 0.2
    return Motion.from_coefficients(values, fps=fps)


def decoded(path, codec=None, form="rgb24"):
    with av.open(str(path)) as container:
        if codec is None:
            return [frame.to_ndarray(format=form) for frame in container.decode(video=0)]
        reader, frames = av.codec.CodecContext.create(codec, "r"), []
        for packet in container.demux(video=0):
            frames += reader.decode(packet)
        return [frame.to_ndarray(format=form) for frame in frames]


def test_views_and_labelled_motions_stand_side_by_side(tmp_path):
    path = write_side_by_side(
        tmp_path / "a.mp4",
        [moving(2).shown("one"), moving(1).shown("two")],
        size=(64, 48),
        view=("front", "side"),
        look="clay",
    )
    frames = decoded(path)
    assert len(frames) == 2 and frames[0].shape == (48 + 32, 4 * 64, 3)
    below = frames[1][32:].astype(int)
    assert np.abs(below[:, :128] - below[:, 128:]).mean() < 5  # the same motion
    assert np.abs(below[:, :64] - below[:, 64:128]).mean() > 7  # another view
    bright = (frames[0][:32] > 150).any(axis=(0, 2))
    assert bright[:128].any() and bright[128:].any()


@pytest.mark.parametrize(("ending", "codec"), [(".mov", None), (".webm", "libvpx-vp9")])
def test_a_transparent_video_shows_the_head_alone(tmp_path, ending, codec):
    path = moving(2).render(tmp_path / f"a{ending}", size=64, transparent=True)
    assert purpose_of(path) == "video"
    frame = decoded(path, codec, "rgba")[0]
    assert frame[:4, :4, 3].max() < 8 and frame[32, 32, 3] > 247
    assert frame[30:34, 30:34, 0].mean() > frame[30:34, 30:34, 2].mean()  # skin
    moving(2).render(path, size=64, transparent=True)  # a video of ours is replaced


def test_what_cannot_be_drawn_is_refused_before_any_work(tmp_path):
    cases = {
        "needs a file named .mov": {"transparent": True},
        "even number": {"size": 63},
        "16 to 4096": {"size": 5000},
        "view: got back": {"view": "back"},
        "look: got gold": {"look": "gold"},
        "got colour, need options among": {"colour": 1},
    }
    for message, options in cases.items():
        with pytest.raises(InputError, match=message):
            moving(1).render(tmp_path / "a.mp4", **options)
    with pytest.raises(InputError, match="got 25 and 30 frames per second"):
        write_side_by_side(tmp_path / "a.mp4", [moving(1).shown(), moving(1, fps=30).shown()])
    with pytest.raises(InputError, match="tongue: got"):
        moving(2).render(tmp_path / "a.mp4", size=64, tongue=np.zeros((3, 2)))
    assert not list(tmp_path.iterdir())


def test_the_tongue_of_the_picture_moves_with_its_weights():
    motion = moving(2)
    rest, up = (
        np.concatenate(list(motion.drawn_blocks(tongue=np.tile(weights, (2, 1)))))
        for weights in ([0.0, 0.0], [1.0, 0.0])
    )
    moved = np.flatnonzero(np.abs(up - rest).max(axis=(0, 2)) > 1e-3)
    assert len(moved) > 50 and len(moved) < 200
    np.testing.assert_array_equal(rest, np.concatenate(list(motion.drawn_blocks())))
