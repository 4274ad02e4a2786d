"""Trained systems as painters of targets, and their figures in validation."""

import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.evaluate.frame_scores import targets_of
from ksdiff_jax.evaluate.painted import painted_figures, painter_of
from ksdiff_jax.motion.space import BUILTIN
from tests.data.clips import make_clip

SIDE, FRAMES = 32, 30


class Levels:
    """Paints a frame in the level of its reference, changed by the gain times the first number of
    the motion.
    """

    space, picture_side = BUILTIN, SIDE

    def painter(self, params):
        def paint(reference, motion, keys, first):
            base = jnp.asarray(reference, jnp.float32)[:, None] / 127.5 - 1
            change = params["gain"] * motion[..., 0] / 127.5
            return base + change[:, :, None, None, None]

        return paint


def clip():
    """A clip whose frame k has the level 100 + 2 k, and 2 k as its first coefficient."""
    levels = (100 + 2 * np.arange(FRAMES)).astype(np.uint8)
    pictures = np.broadcast_to(levels[:, None, None, None], (FRAMES, SIDE, SIDE, 3))
    expression = np.zeros((FRAMES, 50), np.float32)
    expression[:, 0] = 2 * np.arange(FRAMES)
    coded = coded_pictures(pictures, side=SIDE)
    return make_clip(0, frames=FRAMES, pictures=coded, expression=expression, space="flame")


@pytest.mark.parametrize("block", [4, 25])
def test_a_system_paints_the_targets_of_a_clip_in_blocks_of_any_length(block):
    targets = targets_of(clip(), count=7)
    painted = painter_of(Levels(), {"gain": np.float32(1)}, block=block)(targets)
    assert painted.shape == targets.truth.shape and painted.dtype == np.uint8
    np.testing.assert_allclose(painted.astype(int), targets.truth, atol=1)
    assert np.isnan(targets.opening).all()  # of another space than the built-in head's


def test_the_figures_of_validation_are_of_the_middle_frame_beside_a_copy():
    still = painted_figures(Levels(), {"gain": np.float32(0)}, [clip()])
    assert still["psnr"] == still["psnr_of_copy"] == pytest.approx(20 * np.log10(255 / 30), abs=0.3)
    moved = painted_figures(Levels(), {"gain": np.float32(1)}, [clip()])
    assert moved["psnr"] > 40 and moved["ssim"] == pytest.approx(1, abs=1e-3)
