"""Converts stored samples, integers or floats of any width, to float32 with full scale 1.

Integers with fewer valid bits than their container are stored in its upper bits. `Justification`
detects files whose writer used the lower bits, so that the level can be corrected.
"""

import numpy as np

from ksdiff_jax.audio.wave_header import FLOAT, PCM, WaveHeader
from ksdiff_jax.typing import Float


def scaled(raw: np.ndarray) -> Float[np.ndarray, "*shape"]:
    """Return decoded samples of any NumPy type as float32; 8-bit integers are unsigned, as in WAV
    and FFmpeg.
    """
    if raw.dtype == np.uint8:
        return (raw.astype(np.float32, order="C") - 128.0) / np.float32(128.0)
    if raw.dtype.kind == "i":
        return raw.astype(np.float32, order="C") * np.float32(0.5 ** (8 * raw.dtype.itemsize - 1))
    with np.errstate(over="ignore"):
        return raw.astype(np.float32, order="C", copy=False)


def stored_samples(data: bytes, header: WaveHeader) -> np.ndarray:
    """Return the samples (c, s) in the bytes of a WAV's data chunk; an incomplete last block is
    left out.

    24-bit integers become 32-bit ones of the same scale. Raises `ValueError` for a format that no
    known tool writes.
    """
    width, order = header.container_bytes, ">" if header.big_endian else "<"
    block = width * header.channels
    flat = np.frombuffer(data, np.uint8, count=len(data) // block * block)
    if header.format_tag == FLOAT and width in (2, 4, 8):
        values = flat.view(f"{order}f{width}")
    elif header.format_tag == PCM and width == 1:
        values = flat
    elif header.format_tag == PCM and 1 < width <= 8:
        whole = 4 if width <= 4 else 8
        padded = np.zeros((len(flat) // width, whole), np.uint8)
        stored = flat.reshape(-1, width)
        padded[:, whole - width :] = stored[:, ::-1] if header.big_endian else stored
        values = padded.reshape(-1).view(f"<i{whole}")
    else:
        raise ValueError(f"format {header.format_tag} in {width} bytes a sample")
    return values.reshape(-1, header.channels).T


class Justification:
    """Determines the position of the valid bits in the container of integer samples, from all
    samples of a file.
    """

    def __init__(self, header: WaveHeader):
        self._container_bits, self._valid_bits = 8 * header.container_bytes, header.valid_bits
        self._set = self._magnitude = self._width = 0

    def add(self, samples: np.ndarray) -> None:
        """Add stored samples to the statistics."""
        if samples.dtype.kind == "i" and samples.size:
            self._width = 8 * samples.dtype.itemsize
            self._set |= int(np.bitwise_or.reduce(samples, axis=None)) & ((1 << self._width) - 1)
            self._magnitude |= int(
                np.bitwise_or.reduce(samples ^ (samples >> (self._width - 1)), axis=None)
            )

    @property
    def gain(self) -> float:
        """Return the factor that brings the samples to full scale: 1, or the power of 2 by which
        the writer's bits are too low.
        """
        spare = self._container_bits - self._valid_bits
        padding = self._width - self._container_bits  # zeros below a 24-bit sample in 32 bits
        if not self._width or spare <= 0 or self._valid_bits < 2:
            return 1.0
        low_bits_set = (self._set >> padding) & ((1 << spare) - 1)
        fits_below = self._magnitude >> padding < 1 << (self._valid_bits - 1)
        return float(1 << spare) if low_bits_set and fits_below else 1.0
