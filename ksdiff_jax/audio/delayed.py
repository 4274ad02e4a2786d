"""Detects channels that contain the sound of the loudest one slightly earlier or later: two
microphones in one room.

Sound travels 34 cm in 1 ms. With such a delay the channels of one voice look unrelated or inverted
if they are compared at the same instant, and their sum loses some frequencies. The channels are
therefore compared at every delay of up to `LONGEST_DELAY_S`, in parts of about a second. A channel
is a delayed copy if its correlation with the loudest one reaches `ALIKE` at the same delay in every
part that is not quiet. If a second person speaks in only one part, the channel counts as another
sound.
"""

import numpy as np

from ksdiff_jax.typing import Bool, Float

LONGEST_DELAY_S = 0.02
DELAY_TOLERANCE_S = 0.0005
ALIKE = 0.7
PART_S = 1.0
QUIET_ENERGY = 0.01  # of the loudest part


class DelayedCopies:
    """Finds the delayed copies of channel `loudest`, counted from 0, block by block."""

    def __init__(self, loudest: int):
        self._loudest = loudest
        # energy, correlation and delay of each channel
        self._parts: list[Float[np.ndarray, "c 3"]] = []

    def add(self, channels: Float[np.ndarray, "c s"], rate_hz: int) -> None:
        """Add finite samples to the statistics."""
        longest = max(1, round(LONGEST_DELAY_S * rate_hz))
        count = max(1, round(channels.shape[1] / (PART_S * rate_hz)))
        for part in np.array_split(channels, count, axis=1):
            if part.shape[1] > 2 * longest:
                self._parts.append(_compared(part, self._loudest, longest=longest, rate_hz=rate_hz))

    @property
    def found(self) -> Bool[np.ndarray, "c"]:
        """Return True for each delayed copy."""
        if not self._parts:
            return np.zeros(1, bool)
        energy, correlation, delay_s = np.moveaxis(np.stack(self._parts), -1, 0)
        loud = energy > QUIET_ENERGY * energy.max(axis=0)
        compared = loud | loud[:, self._loudest, None]
        usual_s = np.array(
            [
                np.median(at[used]) if used.any() else 0.0
                for at, used in zip(delay_s.T, compared.T, strict=True)
            ]
        )
        alike = (correlation >= ALIKE) & (np.abs(delay_s - usual_s) <= DELAY_TOLERANCE_S)
        return (usual_s != 0) & (alike | ~compared).all(axis=0)


def _compared(
    part: Float[np.ndarray, "c s"], loudest: int, *, longest: int, rate_hz: int
) -> Float[np.ndarray, "c 3"]:
    centred = part - part.mean(axis=1, keepdims=True)
    energy = np.square(centred, dtype=np.float64).sum(axis=1)
    spectra = np.fft.rfft(centred, 1 << (part.shape[1] + longest).bit_length())
    products = np.fft.irfft(spectra * np.conj(spectra[loudest]))
    near = np.abs(np.concatenate([products[:, -longest:], products[:, : longest + 1]], axis=1))
    at = near.argmax(axis=1)
    correlation = near.max(axis=1) / np.sqrt(np.maximum(energy * energy[loudest], 1e-30))
    return np.stack([energy, correlation, (at - longest) / rate_hz], axis=1)
