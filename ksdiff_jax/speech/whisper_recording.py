"""Features of one recording of any length by Whisper's encoder, in bounded memory: in windows of up
to 30 s (`whole`), or with a bounded look-ahead (`sliding`).

`whole` computes what `WhisperEncoder` computes of the recording, window after window; `in_parts`
computes the same when it is read. `sliding`
computes the frames t to t + step from the sound between t - past and t + step + ahead, with silence
behind it, so a frame never depends on sound more than `ahead` after its step. The log-mel frames
are computed once, in blocks; a frame whose window reaches beyond the known sound is silence.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME, SPEECH_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.parallel.programs import kept_program
from ksdiff_jax.speech.config import WhisperEncoderConfig
from ksdiff_jax.speech.feature_rows import FeatureRows
from ksdiff_jax.speech.whisper import SILENCE_FRAMES, WhisperEncoder, plan_windows
from ksdiff_jax.speech.whisper_mel import EDGE, HOP_SAMPLES, POWER_FLOOR, decades, normalised
from ksdiff_jax.typing import Array, Float, Int, PyTree

BUCKETS_S = (1, 2, 4, 8, 16)  # sound of shorter recordings; a longer one fills a window
PAST_S, AHEAD_S, STEP_S = 4.0, 0.2, 0.2  # of the sliding form
_BLOCK_FRAMES = 3000  # log-mel frames that are computed at once
_TOGETHER = 16  # sliding windows that are computed at once
_SILENT = np.float32(np.log10(POWER_FLOOR))


def whole(
    params: PyTree, audio: Float[np.ndarray, "s"], *, config: WhisperEncoderConfig, dtype: str
) -> Float[np.ndarray, "f d"]:
    """Return the features of a recording, f = s // 320."""
    y = _log_mel(audio, config)
    return _rows(params, y, y.max(), config=config, dtype=dtype)[:]


def in_parts(
    params: PyTree, audio: Float[np.ndarray, "s"], *, config: WhisperEncoderConfig, dtype: str
) -> FeatureRows:
    """Return `whole` as rows that are computed when they are read. The recording is read once
    beforehand, for the maximum of its log-mel frames.
    """
    y = FeatureRows(config.mel_bands, *_mel_blocks(audio, config))
    maximum = max(y[block].max() for block in y.parts)
    return _rows(params, y, maximum, config=config, dtype=dtype)


def _rows(
    params: PyTree,
    y: Float[np.ndarray, "n bands"] | FeatureRows,
    maximum: np.floating,
    *,
    config: WhisperEncoderConfig,
    dtype: str,
) -> FeatureRows:
    """Return the features of a recording with these log-mel frames and the silence behind it."""
    known = len(y) // 2
    lengths = [bucket * SPEECH_RATE_HZ + SILENCE_FRAMES for bucket in BUCKETS_S]
    length = min((n for n in lengths if known <= n), default=config.positions)
    length = min(length, config.positions)
    windows = plan_windows(known - SILENCE_FRAMES, longest=config.positions)
    loudest = np.full(1, maximum, np.float32)

    def features(number: int) -> Float[np.ndarray, "n d"]:
        start, keep = windows[number]
        cut = y[2 * start : 2 * (start + length)]
        cut = np.pad(cut, ((0, 2 * length - len(cut)), (0, 0)))[None]
        valid = np.full(1, min(known - start, length), np.int32)
        out = encode_log_mel(params, cut, loudest, valid, config=config, dtype=dtype)
        return np.asarray(out, np.float32)[0, keep.start - start : keep.stop - start]

    return FeatureRows(config.hidden_size, [keep for _, keep in windows], features)


def sliding(
    params: PyTree,
    audio: Float[np.ndarray, "s"],
    *,
    config: WhisperEncoderConfig,
    dtype: str,
    past_s: float = PAST_S,
    ahead_s: float = AHEAD_S,
    step_s: float = STEP_S,
) -> Float[np.ndarray, "f d"]:
    """Return the features of a recording of which `ahead_s` is known beyond the frames of a
    step.
    """
    frames = len(audio) // SAMPLES_PER_SPEECH_FRAME
    past, ahead, step = (round(seconds * SPEECH_RATE_HZ) for seconds in (past_s, ahead_s, step_s))
    length = past + step + ahead + SILENCE_FRAMES
    if min(past, ahead) < 0 or step < 1 or length > config.positions:
        raise InputError(
            f"{past_s:g} s of past, steps of {step_s:g} s, {ahead_s:g} s ahead: need a step of at "
            f"least 0.02 s, and {(config.positions - SILENCE_FRAMES) / SPEECH_RATE_HZ:g} s at most "
            "together"
        )
    y = _log_mel(audio, config)
    loudest = np.maximum.accumulate(y.max(axis=1))
    features = np.empty((frames, config.hidden_size), np.float32)
    steps = range(0, frames, step)
    for first in range(0, len(steps), _TOGETHER):
        starts = list(steps[first : first + _TOGETHER])
        starts += starts[-1:] * (_TOGETHER - len(starts))
        begins = [max(0, start - past) for start in starts]
        ends = [min(frames, start + step + ahead) for start in starts]
        cuts = silent_frames(_TOGETHER, 2 * length, bands=config.mel_bands)
        for cut, begin, end in zip(cuts, begins, ends, strict=True):
            cut[: 2 * (end - begin) - 1] = y[2 * begin : 2 * end - 1]
        maximum = loudest[[2 * end - 2 for end in ends]]
        valid = np.array(ends, np.int32) - np.array(begins, np.int32) + SILENCE_FRAMES
        out = np.asarray(
            encode_log_mel(params, cuts, maximum, valid, config=config, dtype=dtype), np.float32
        )
        for row, start, begin in zip(out, starts, begins, strict=True):
            stop = min(frames, start + step)
            features[start:stop] = row[start - begin : stop - begin]
    return features


def _log_mel(
    audio: Float[np.ndarray, "s"], config: WhisperEncoderConfig
) -> Float[np.ndarray, "n bands"]:
    """Return y (see `whisper_mel`) of the recording and the silence behind it, n = 2 (f + 50)."""
    return FeatureRows(config.mel_bands, *_mel_blocks(audio, config))[:]


def _mel_blocks(
    audio: Float[np.ndarray, "s"], config: WhisperEncoderConfig
) -> tuple[list[slice], Callable[[int], Float[np.ndarray, "n bands"]]]:
    """Return the blocks in which y is computed, and the function that computes one."""
    frames = len(audio) // SAMPLES_PER_SPEECH_FRAME
    audio = np.asarray(audio[: frames * SAMPLES_PER_SPEECH_FRAME], np.float32)
    count = 2 * (frames + SILENCE_FRAMES)
    # A short recording is one block of a few lengths, so that only a few programs are compiled.
    size = min(_BLOCK_FRAMES, 1 << (count - 1).bit_length())
    samples = size * HOP_SAMPLES + 2 * EDGE - HOP_SAMPLES
    before = audio[EDGE:0:-1]
    blocks = [slice(first, min(count, first + size)) for first in range(0, count, size)]

    def log_mel(number: int) -> Float[np.ndarray, "n bands"]:
        at = number * size * HOP_SAMPLES - len(before)
        sound = audio[max(0, at) : at + samples]
        cut = np.concatenate([before, sound]) if number == 0 else sound
        cut = np.pad(cut, (0, samples - len(cut)))[None]
        rows = blocks[number]
        return np.asarray(log_mel_of(cut, bands=config.mel_bands))[0, : rows.stop - rows.start]

    return blocks, log_mel


def silent_frames(count: int, frames: int, *, bands: int) -> Float[np.ndarray, "b n m"]:
    """Return y of windows of silence."""
    return np.full((count, frames, bands), _SILENT, np.float32)


@kept_program("bands")
def log_mel_of(padded: Float[Array, "b s"], *, bands: int) -> Float[Array, "b n m"]:
    """Return y of sound with its edges."""
    return decades(padded, bands=bands)


@kept_program("config", "dtype")
def encode_log_mel(
    params: PyTree,
    y: Float[Array, "b n m"],
    maximum: Float[Array, "b"],
    valid: Int[Array, "b"],
    *,
    config: WhisperEncoderConfig,
    dtype: str,
) -> Float[Array, "b f d"]:
    """Return the last hidden state of windows of y; `maximum` is the largest y that is known, and
    the first `valid` frames of a window exist.
    """
    encoder = WhisperEncoder(config, Execution(dtype=jnp.dtype(dtype)))
    mel = normalised(y, maximum)
    return encoder.apply({"params": params}, mel, valid=valid, method=WhisperEncoder.states).last
