"""Colours: YUV computed from known RGB by the standards' closed forms, and read back as
displayed.
"""

import av
import numpy as np
import pytest

from ksdiff_jax.data.tracking.colour import shown_colours, signal_of

COEFFICIENTS = {
    1: (0.2126, 0.0722),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
SKIN = (200, 120, 90)


def yuv(rgb, matrix, *, bits=8, full=False):
    """Integers of luma and the two chromas; BT.601, 709, 2020 by their red and blue shares."""
    red_share, blue_share = COEFFICIENTS[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    chroma = ((blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share))
    if full:
        scale = 2**bits - 1
        return [round(luma * scale), *(round(c * scale + 2 ** (bits - 1)) for c in chroma)]
    return [
        round((16 + 219 * luma) * 2 ** (bits - 8)),
        *(round((128 + 224 * c) * 2 ** (bits - 8)) for c in chroma),
    ]


def flat(values, pixel_format, *, size=(64, 48), bits=8, **tags):
    """A frame of one colour."""
    frame = av.VideoFrame(*size, pixel_format)
    for plane, value in zip(frame.planes, values, strict=True):
        plane.update(
            np.full(
                plane.buffer_size // (1 if bits == 8 else 2), value, "u1" if bits == 8 else "<u2"
            )
        )
    for name, value in tags.items():
        setattr(frame, name, value)
    return frame


def seen(frame, size=(16, 12)):
    return shown_colours(signal_of(frame, *size), frame)[5, 5].astype(int)


@pytest.mark.parametrize("matrix", [1, 5, 6, 7])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("bits", "pixel_format"), [(8, "yuv420p"), (10, "yuv420p10le")])
def test_flagged_matrices_and_ranges_are_obeyed(matrix, full, bits, pixel_format):
    values = yuv(SKIN, matrix, bits=bits, full=full)
    frame = flat(values, pixel_format, bits=bits, colorspace=matrix, color_range=2 if full else 1)
    np.testing.assert_allclose(seen(frame), SKIN, atol=3)


@pytest.mark.parametrize(
    ("size", "matrix"), [((720, 576), 5), ((1280, 720), 1), ((1080, 1920), 1), ((704, 480), 5)]
)
@pytest.mark.parametrize("flag", [0, 2, 3, 12])  # none, unspecified, reserved, derived
def test_without_a_flag_the_size_tells_the_matrix(size, matrix, flag):
    np.testing.assert_allclose(
        seen(flat(yuv(SKIN, matrix), "yuv420p", size=size, colorspace=flag)), SKIN, atol=3
    )


def test_full_range_by_the_pixel_format():
    np.testing.assert_allclose(
        seen(flat(yuv(SKIN, 5, full=True), "yuvj420p", colorspace=5)), SKIN, atol=3
    )


def test_grey_of_limited_range_reaches_white():
    assert seen(flat([235], "gray", color_range=1)).tolist() == [255] * 3
    assert seen(flat([235], "gray", color_range=2)).tolist() == [235] * 3


def test_transparent_places_are_black():
    frame = av.VideoFrame.from_ndarray(
        np.full((12, 16, 4), (200, 120, 90, 51), np.uint8), format="rgba"
    )
    np.testing.assert_allclose(seen(frame), np.array(SKIN) / 5, atol=1)
    palette = np.zeros((256, 4), np.uint8)
    palette[3] = (255, 200, 120, 90)  # ARGB
    paletted = av.VideoFrame.from_ndarray((np.full((12, 16), 3, np.uint8), palette), format="pal8")
    np.testing.assert_allclose(seen(paletted), SKIN, atol=1)


def pq(nits):
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light):
    return (
        np.sqrt(3 * light)
        if light <= 1 / 12
        else 0.17883277 * np.log(12 * light - 0.28466892) + 0.55991073
    )


def grey(signal, transfer):
    values = yuv((255 * signal,) * 3, 9, bits=10)
    return flat(
        values,
        "yuv420p10le",
        bits=10,
        colorspace=9,
        color_range=1,
        color_primaries=9,
        color_trc=transfer,
    )


def srgb(light):
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("nits", [0, 2, 20, 60])
def test_dark_and_middle_tones_of_pq_keep_their_light_on_a_screen_of_203_nits(nits):
    np.testing.assert_allclose(seen(grey(pq(nits), 16)), [srgb(nits / 203)] * 3, atol=3)


def test_highlights_of_pq_fade_into_white():
    levels = [seen(grey(pq(nits), 16))[0] for nits in (60, 100, 203, 400, 1000, 10_000)]
    assert (np.diff(levels[:5]) > 0).all() and levels[-2] >= 253 and levels[-1] == 255
    assert 190 <= levels[2] <= 235  # paper white stays below the highlights


def test_hlg_shows_a_face_as_bright_as_it_was_graded():
    """HLG's 38 % signal is 18 % grey-ish skin shadow; its reference white, 75 %, lands where PQ's
    203 nits do.
    """
    white = seen(grey(hlg(0.2650), 18))
    np.testing.assert_allclose(white, seen(grey(pq(203), 16)), atol=3)
    assert white[0] == white[1] == white[2]
    assert seen(grey(0.0, 18)).max() <= 1


def test_wide_primaries_are_brought_to_the_screen():
    """A BT.709 colour mastered in BT.2020 comes back: closed form of BT.2087, light by light."""
    to_wide = np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    )
    light = np.array([0.25, 0.08, 0.04])  # of 203 nits, below the knee
    values = yuv([255 * pq(203 * channel) for channel in to_wide @ light], 9, bits=10)
    frame = flat(
        values, "yuv420p10le", bits=10, colorspace=9, color_range=1, color_primaries=9, color_trc=16
    )
    np.testing.assert_allclose(seen(frame), [srgb(channel) for channel in light], atol=4)
