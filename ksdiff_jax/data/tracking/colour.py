"""Converts a decoded picture to displayed colours: 8-bit RGB in standard dynamic range (BT.709,
sRGB).

Headers name the matrix (BT.601, 709, 2020) and the range. If they do not, the size decides, as in
players: 709 for high definition, 601 below. High dynamic range (PQ, HLG) is mapped to a screen of
203 cd/m², the white of BT.2408:

    signal -> light in units of that white -> BT.2020 to BT.709 primaries
           -> f(brightest channel) -> sRGB

    f(x) = x below j;  m (x + p) / (x + q) above it, with f(j) = j, f'(j) = 1 and f(peak) = 1

so that faces keep their brightness and highlights are compressed towards white. Transparent areas
are black.
"""

import functools

import av.error
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from ksdiff_jax.typing import Float, UInt, UInt8

# Numbers of H.273, as FFmpeg uses them.
BT709, FCC, BT601_625, BT601_525, SMPTE240, BT2020, BT2020_CONSTANT = 1, 4, 5, 6, 7, 9, 10
PQ, HLG = 16, 18
LIMITED, FULL = 1, 2
MATRICES = (BT709, FCC, BT601_625, BT601_525, SMPTE240, BT2020)
HD_WIDTH, SD_HEIGHT = 1280, 576

WHITE_NITS, PEAK_NITS = 203.0, 1000.0
KNEE = 0.3  # light below this is unchanged
TO_BT709 = np.array(  # from BT.2020, light; BT.2087
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
CODE_STEPS = 4096


def signal_of(picture: VideoFrame, width: int, height: int) -> UInt[np.ndarray, "y x c"]:
    """Return the picture in the given size as (y, x, 3 or 4) integers for `shown_colours`.

    It is neither mirrored nor rotated, so that only the required part needs the slower second step.
    """
    if _is_wide(picture):
        return _converted(picture, width, height, "rgb48le")
    return _converted(picture, width, height, "rgba" if _has_alpha(picture) else "rgb24")


def shown_colours(
    signal: UInt[np.ndarray, "y x c"], picture: VideoFrame
) -> UInt8[np.ndarray, "y x 3"]:
    """Return the displayed colours of any part of a picture's `signal_of`."""
    if _is_wide(picture):
        return _standard(signal.reshape(-1, 3), picture.color_trc).reshape(signal.shape)
    if _has_alpha(picture):
        return (signal[..., :3].astype(np.uint16) * signal[..., 3:] // 255).astype(np.uint8)
    if picture.format.name.startswith("gray") and picture.color_range == LIMITED:
        return _widened()[signal]
    return signal


def luma_of(picture: VideoFrame, width: int, height: int) -> UInt8[np.ndarray, "y x"]:
    """Return the brightness in the given size, accurate enough to compare pictures of one video."""
    return _converted(picture, width, height, "gray")[:, :width]


def matrix_of(picture: VideoFrame) -> int | None:
    """Return the YUV matrix for decoding a picture; None: its own, or the picture is not YUV."""
    if not _is_yuv(picture) or picture.colorspace in MATRICES:
        return None
    if picture.colorspace == BT2020_CONSTANT or picture.color_primaries == BT2020:
        return BT2020
    return BT709 if picture.width >= HD_WIDTH or picture.height > SD_HEIGHT else BT601_625


def _is_wide(picture: VideoFrame) -> bool:
    """Return whether the picture has high dynamic range, or primaries outside a standard
    screen's.
    """
    return _is_yuv(picture) and (
        picture.color_trc in (PQ, HLG) or picture.color_primaries == BT2020
    )


def _has_alpha(picture: VideoFrame) -> bool:
    return _alpha_and_yuv(picture.format.name)[0]


def _is_yuv(picture: VideoFrame) -> bool:
    return _alpha_and_yuv(picture.format.name)[1]


@functools.cache
def _alpha_and_yuv(pixel_format: str) -> tuple[bool, bool]:
    """Return whether pixels of a format may be transparent, and whether they are luma and
    chroma.
    """
    layout = VideoFormat(pixel_format)
    alpha = layout.has_palette or any(component.is_alpha for component in layout.components)
    return alpha, not (layout.is_rgb or layout.has_palette or len(layout.components) < 3)


def _converted(picture: VideoFrame, width: int, height: int, pixel_format: str) -> np.ndarray:
    hints = {"src_colorspace": matrix_of(picture)}
    if picture.color_range not in (0, LIMITED, FULL):
        hints["src_color_range"] = LIMITED
    try:
        converted = picture.reformat(width, height, pixel_format, **hints)
    except av.error.FFmpegError:  # unknown tags: read as plain video
        converted = picture.reformat(
            width, height, pixel_format, src_colorspace=BT709, src_color_range=LIMITED
        )
    return converted.to_ndarray()


@functools.cache
def _widened() -> UInt8[np.ndarray, "256"]:
    """Return the table from limited to full range, a step that FFmpeg's conversion omits for grey
    pictures.
    """
    return np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


def _standard(signal: UInt[np.ndarray, "n 3"], transfer: int) -> UInt8[np.ndarray, "n 3"]:
    """Return BT.2020 colours on a screen of standard range."""
    light = _light(transfer)[signal]
    if transfer == HLG:  # scene light to display light, BT.2100 with the gamma of 1000 cd/m²
        luma = np.maximum(light @ np.array([0.2627, 0.6780, 0.0593], np.float32), 1e-6)
        light *= (PEAK_NITS / WHITE_NITS * luma**0.2)[:, None]
    light = np.maximum(light @ TO_BT709.T, 0)
    if transfer in (PQ, HLG):
        brightest = np.maximum(light.max(axis=1), 1e-6)
        light *= (_toned(brightest) / brightest)[:, None]
    places = np.sqrt(np.minimum(light, 1, out=light), out=light)
    places *= CODE_STEPS - 1
    return _codes()[places.astype(np.uint16)]


def _toned(light: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return f of the module's docstring."""
    peak = PEAK_NITS / WHITE_NITS
    q = (peak * (1 - 2 * KNEE) + KNEE**2) / (peak - 1)
    m = q + 2 * KNEE
    p = KNEE * (KNEE + q) / m - KNEE
    return np.where(light <= KNEE, light, np.minimum(m * (light + p) / (light + q), 1)).astype(
        np.float32
    )


@functools.cache
def _light(transfer: int) -> Float[np.ndarray, "65536"]:
    """Return the light of a 16-bit signal: PQ and standard video in units of white, HLG in those of
    the scene's peak.
    """
    signal = np.arange(65536) / 65535
    if transfer == PQ:  # SMPTE ST 2084
        power = signal ** (1 / 78.84375)
        nits = 10_000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (
            1 / 0.1593017578125
        )
        light = nits / WHITE_NITS
    elif transfer == HLG:  # ARIB STD-B67
        bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(signal <= 0.5, signal**2 / 3, bright)
    else:
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@functools.cache
def _codes() -> UInt8[np.ndarray, "4096"]:
    """Return the sRGB code of the square root of light."""
    light = (np.arange(CODE_STEPS) / (CODE_STEPS - 1)) ** 2
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * code).astype(np.uint8)
