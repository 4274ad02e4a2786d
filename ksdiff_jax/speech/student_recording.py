"""Features of one recording of any length by a student, in bounded memory: of every length what
`StudentEncoder` gives for the whole.

A frame depends on `past_frames` before it and on the look-ahead after it. A window of a long
recording therefore begins `past_frames` before the frames that are taken of it, and ends behind
their look-ahead.
"""

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME, SPEECH_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.backbone import encode
from ksdiff_jax.speech.config import StudentEncoderConfig
from ksdiff_jax.speech.whisper_mel import WINDOW_SAMPLES
from ksdiff_jax.typing import Float, PyTree

BUCKETS_S = (1, 2, 4, 8, 16)  # short recordings are padded to one of these
STEP_FRAMES = 1500  # taken of each window of a longer one


def whole(
    params: PyTree, audio: Float[np.ndarray, "s"], *, config: StudentEncoderConfig, dtype: str
) -> Float[np.ndarray, "f d"]:
    """Return the features of a recording, f = s // 320."""
    hop = SAMPLES_PER_SPEECH_FRAME
    frames = len(audio) // hop
    audio = np.asarray(audio[: frames * hop], np.float32)
    lengths = [bucket * SPEECH_RATE_HZ for bucket in BUCKETS_S]
    length = next((length for length in lengths if frames <= length), None)
    past = 0 if length else config.past_frames
    step = length or STEP_FRAMES
    # one frame more than the look-ahead: the log-mel window of a frame ends in the next one
    length = length or past + step + config.ahead_frames + 1
    features = np.empty((frames, config.hidden_size), np.float32)
    for start in range(0, frames, step):
        first = max(0, start - past)
        known = min(length, frames - first)
        cut = np.zeros((1, length * hop), np.float32)
        cut[0, : known * hop] = audio[first * hop : (first + known) * hop]
        mask = (np.arange(length) < known)[None]
        out = encode(params, cut, mask, config=config, dtype=dtype)
        stop = min(frames, start + step)
        features[start:stop] = np.asarray(out[0, start - first : stop - first], np.float32)
    return features


def look_ahead_s(config: StudentEncoderConfig) -> float:
    """Return how much sound after its beginning a frame needs, in seconds."""
    window_s = (WINDOW_SAMPLES - 40) / (SAMPLES_PER_SPEECH_FRAME * SPEECH_RATE_HZ)
    return config.ahead_frames / SPEECH_RATE_HZ + window_s


def check_look_ahead(config: StudentEncoderConfig, ahead_s: float) -> None:
    """Raise `InputError` if less than the look-ahead of a student is given."""
    if ahead_s < (least := look_ahead_s(config)):
        raise InputError(
            f"{ahead_s:g} s ahead: this student needs {least:g} s (ahead_frames "
            f"{config.ahead_frames}); give that, or train one with fewer"
        )
