"""The sound of a source, block by block, for the video: what is heard of it (`audio.heard`), at 48
kHz, on both sides.

Sample 0 is the same instant as sample 0 of `audio.waveform.load_audio`, so the picture made from
one fits the sound of the other; track, channels and level are the same too.
"""

from collections.abc import Iterator
from pathlib import Path

import av.error
import numpy as np

from ksdiff_jax.audio.heard import Heard, voice
from ksdiff_jax.audio.waveform import read_recording
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

RATE_HZ = 48_000


def soundtrack(source: str | Path | Heard) -> Iterator[Float[np.ndarray, "2 s"]]:
    """Yield the sound of a recording, or of what is known to be heard of it, in blocks of stereo at
    48 kHz.
    """
    heard = source if isinstance(source, Heard) else read_recording(source).heard
    try:
        for block in voice(heard, RATE_HZ):
            yield np.stack([block, block])
    except (av.error.FFmpegError, FileNotFoundError) as error:
        raise InputError(
            f"{heard.path}: its sound cannot be read for the video ({error.strerror})"
        ) from error
