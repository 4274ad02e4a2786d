"""Sound of unknown length in one array, without a second copy of it: three hours are 691 MB.

`collected` writes blocks into one array as they are decoded. `with_whole_frames` pads that array
within its own memory. Memory that is reserved but not written takes none of the machine's.
"""

from collections.abc import Iterable

import numpy as np

from ksdiff_jax.audio.timebase import (
    SAMPLE_RATE_HZ,
    SAMPLES_PER_MOTION_FRAME,
    motion_frames,
    samples_of_motion_frames,
)
from ksdiff_jax.typing import Float

_LEAST_S, _MOST_S = 60, 4 * 3600  # reserved at first; a stated duration may be wrong


def collected(
    parts: Iterable[Float[np.ndarray, "n"]], *, about_s: float | None = None
) -> Float[np.ndarray, "s"]:
    """Return parts at 16 kHz as one array, which has memory for one more motion frame behind it.

    `about_s` is the expected duration in seconds. With more sound than that, the memory is doubled.
    """
    seconds = min(max(about_s or 0.0, _LEAST_S), _MOST_S) + 1
    buffer, count = np.empty(int(seconds * SAMPLE_RATE_HZ), np.float32), 0
    for part in parts:
        end = count + len(part)
        if end + SAMPLES_PER_MOTION_FRAME > len(buffer):
            longer = np.empty(2 * end + SAMPLES_PER_MOTION_FRAME, np.float32)
            longer[:count] = buffer[:count]
            buffer = longer
        buffer[count:end] = part
        count = end
    return buffer[:count]


def with_whole_frames(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "_"]:
    """Return the beginning of an array of `collected`, padded with zeros or cut to whole motion
    frames, in the same memory.
    """
    samples = samples_of_motion_frames(motion_frames(len(audio)))
    whole = audio.base[:samples]
    whole[len(audio) :] = 0
    return whole


def peak(audio: Float[np.ndarray, "s"]) -> float:
    """Return the largest absolute value of finite samples; 0 without any."""
    return float(max(audio.max(initial=0.0), -audio.min(initial=0.0)))
