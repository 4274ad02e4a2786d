"""CPBD on pictures whose edges have known widths."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from ksdiff_jax.pictures.sharpness import cpbd, edge_widths

SIDE = 64


def ramps(*widths, low=40, high=240, side=SIDE):
    """A picture whose rows rise and fall in turn between two levels over so many pixels, evenly
    spaced.
    """
    row, level = np.full(side, float(low)), low
    for number, width in enumerate(widths, start=1):
        start = number * side // (len(widths) + 1)
        other = high if level == low else low
        row[start : start + width + 1] = np.linspace(level, other, width + 1)
        row[start + width :] = other
        level = other
    return np.broadcast_to(np.rint(row)[None, :, None], (side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("widths", "levels", "expected"),
    [
        ((1, 1, 1), (40, 240), 1.0),
        ((3, 3), (40, 240), 1.0),
        ((4, 4), (40, 240), 0.0),
        ((3, 4, 3, 4), (40, 240), 0.5),
        ((5,), (100, 145), 1.0),  # a contrast of 45: wider edges pass as sharp
        ((6,), (100, 145), 0.0),
        ((5,), (100, 155), 0.0),
    ],
)
def test_cpbd_is_the_share_of_edges_within_the_width_that_is_just_noticeable(
    widths, levels, expected
):
    assert cpbd(ramps(*widths, low=levels[0], high=levels[1])) == expected


def test_the_width_of_an_edge_is_that_of_its_ramp():
    for width in (2, 3, 7, 12):
        grey = ramps(width)[..., 0].astype(float)
        assert edge_widths(grey)[10, SIDE // 2 + width - 1] == width
        assert edge_widths(255 - grey)[10, SIDE // 2 + width - 1] == width


def test_cpbd_falls_as_a_picture_is_blurred():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 2, (1, SIDE // 8)).repeat(8, 1) * 200 + 20.0
    shown = [
        np.broadcast_to(gaussian_filter1d(sharp, sigma, axis=1)[..., None], (SIDE, SIDE, 3))
        for sigma in (0.3, 3.0)
    ]
    assert cpbd(np.stack(shown).astype(np.uint8)).tolist() == [1.0, 0.0]


def test_a_picture_without_edges_or_without_a_block_has_none():
    assert np.isnan(cpbd(np.full((SIDE, SIDE, 3), 90, np.uint8)))
    assert np.isnan(cpbd(ramps(1, 1, side=48)))
    wide = np.concatenate([ramps(1), np.full((SIDE, SIDE, 3), 90, np.uint8)], axis=1)
    assert cpbd(np.stack([wide, wide])).tolist() == [1.0, 1.0]
