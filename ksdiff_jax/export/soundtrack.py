"""The sound of a source for the video, block by block: the voice selected by `audio.voice`, at 48
kHz, on both channels.

Sample 0 is the same instant as sample 0 of `audio.waveform.load_audio`, so the picture generated
from one is in sync with the sound of the other. Track, channels and level are also the same.
"""

from collections.abc import Iterator
from pathlib import Path

import av.error
import numpy as np

from ksdiff_jax.audio.voice import VoiceSource, voice
from ksdiff_jax.audio.waveform import read_recording
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

RATE_HZ = 48_000


def soundtrack(source: str | Path | VoiceSource) -> Iterator[Float[np.ndarray, "2 s"]]:
    """Yield the sound of a recording, or of a known selection from it, in stereo blocks at 48
    kHz.
    """
    heard = source if isinstance(source, VoiceSource) else read_recording(source).heard
    try:
        for block in voice(heard, RATE_HZ):
            yield np.stack([block, block])
    except (av.error.FFmpegError, FileNotFoundError) as error:
        raise InputError(
            f"{heard.path}: its sound cannot be read for the video ({error.strerror})"
        ) from error
