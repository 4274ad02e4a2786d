"""Reads any recording that FFmpeg can decode as float32 mono at 16 kHz, and writes 16-bit WAV
files.

`load_audio` returns the voice of a recording (`audio.voice`) as samples (s,) in [-1, 1]; sample 0
is the instant at which a player starts the file. AAC decoders return up to one frame more than was
recorded; samples beyond the duration that the container states are cut off.

Unusable input raises an `InputError` of one line: no such file, a folder, a text file, a video
without sound, no samples, less than one motion frame, only NaN. Other faults are repaired and
reported:

| found | repair |
|---|---|
| some samples NaN, infinite or absurdly large | they become 0 |
| a header that states more sound than the file contains | the available sound is used |
| float samples beyond full scale | the level is brought to full scale, stray peaks are clipped |
| gaps in the time stamps, sound that starts late | silence of that length |
| packets that do not decode | they are left out, or silence where the time stamps go on |
| channels of opposite polarity, or of different people; tracks | `audio.channels`, `audio.tracks` |

`read_recording` returns the notes of these repairs; `load_audio` emits each as an `AudioWarning`.
Work and memory are linear in the duration: blocks are mixed and resampled as they are decoded.
"""

import stat
import warnings
import wave
from pathlib import Path
from typing import NamedTuple

import av.error
import numpy as np

from ksdiff_jax.audio.decode import Findings
from ksdiff_jax.audio.pipe import copy_of_pipe, is_pipe
from ksdiff_jax.audio.sound_buffer import with_whole_frames
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.voice import Examined, VoiceSource, examine
from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import Float

# Decoders with a fixed frame size return at most one extra frame (2048 samples, at 22 kHz 93 ms).
LONGEST_DECODER_TAIL_S = 0.1
# Stated and decoded durations differ by rounding and codec frames; those of a truncated file differ
# by more.
TRUNCATION_TOLERANCE_S = 0.1
# Formats without a stored duration. FFmpeg estimates it from the bit rate, in Ogg from the last
# position, which counts from the start of a live stream. It is therefore no evidence of truncation.
FORMATS_WITH_GUESSED_DURATION = ("mp3", "aac", "mpeg", "mpegts", "ac3", "amr", "ogg")
FULL_SCALE_QUANTILE = 0.999
# Lossy codecs exceed full scale by a little, which clipping repairs; a larger excess means a float
# file of another scale.
CODEC_OVERSHOOT = 1.25
MANY_DAMAGED = 0.01  # of the packets; concatenated files have one or two at each joint
# of silence inserted before or into a sound; shorter silence has no visible effect on the lips
SHORTEST_REPORTED_S = 0.1


class AudioWarning(Notice):
    """A recording was repaired before use; the message is one line that gives the file and the
    repair.
    """


class Recording(NamedTuple):
    """A decoded recording and the repairs made to it, one line per repair."""

    audio: Float[np.ndarray, "s"]
    notes: tuple[str, ...]
    heard: VoiceSource  # parameters of the voice, for `audio.voice.voice`
    start_s: float = 0.0  # time of its first sample; silence comes before it
    # silence inserted for missing sound: start and length in seconds
    gaps: tuple[tuple[float, float], ...] = ()
    # `audio` padded with zeros or cut to whole motion frames, in the same memory
    whole: Float[np.ndarray, "_"] | None = None


def load_audio(
    path: str | Path, *, channel: int | None = None, audio_stream: int | None = None
) -> Float[np.ndarray, "s"]:
    """Return a recording, or the sound of a video, as float32 mono samples at 16 kHz in [-1, 1].

    Raises `InputError` if there is no usable sound; warns with `AudioWarning` about each repair.
    """
    recording = read_recording(path, channel=channel, audio_stream=audio_stream)
    for note in recording.notes:
        warnings.warn(note, AudioWarning, stacklevel=2)
    return recording.audio


def read_recording(
    path: str | Path, *, channel: int | None = None, audio_stream: int | None = None
) -> Recording:
    """Like `load_audio`, but return the notes of the repairs as a value instead of warnings.

    `channel` and `audio_stream` select one channel and one sound track, counted from 1.
    """
    path = Path(path)
    _check_file(path)
    if not is_pipe(path):
        return _read(path, channel=channel, audio_stream=audio_stream)
    copy = copy_of_pipe(path)
    try:
        recording = _read(copy, channel=channel, audio_stream=audio_stream)
    except InputError as error:
        raise InputError(str(error).replace(str(copy), str(path))) from error
    return recording._replace(
        notes=tuple(note.replace(str(copy), str(path)) for note in recording.notes)
    )


def write_wav(path: str | Path, audio: Float[np.ndarray, "s"]) -> None:
    """Write samples at 16 kHz as a 16-bit mono WAV; the file appears only when complete."""
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(to_int16(audio).astype("<i2").tobytes())


def to_int16(audio: Float[np.ndarray, "*b s"]) -> np.ndarray:
    """Return samples in [-1, 1] as 16-bit integers (full scale 32767), rounded and clipped."""
    return np.clip(np.rint(audio * 32767.0), -32768, 32767).astype(np.int16)


def from_int16(samples: np.ndarray) -> Float[np.ndarray, "*b s"]:
    """Return the inverse of `to_int16`, as float32."""
    return samples.astype(np.float32) / np.float32(32767.0)


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{path}: this is a folder; give the path of one recording in it")
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            raise InputError(
                f"{path}: a terminal or another device, not a recording; give a file or a pipe"
            )
        if stat.S_ISREG(found.st_mode):
            path.open("rb").close()
            if not found.st_size:
                raise InputError(
                    f"{path}: the file is empty (0 bytes); give a recording with sound in it"
                )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file; give the path of a recording") from error
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise InputError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error


def _read(path: Path, *, channel: int | None, audio_stream: int | None) -> Recording:
    try:
        return _finish(examine(path, channel=channel, track=audio_stream), path=path)
    except av.error.FFmpegError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(
            f"{path}: not a recording that FFmpeg can read ({reason}); give a wav, mp3, m4a, "
            "flac, ogg or a video"
        ) from error


def _finish(examined: Examined, *, path: Path) -> Recording:
    """Trim to the stated duration, normalise to full scale, and refuse input without sound."""
    audio, found, notes = examined.audio, examined.findings, list(examined.notes)
    if examined.samples == 0:
        raise InputError(
            f"{path}: no sound in it (0 samples decoded); give a recording with sound in it"
        )
    if examined.bad_samples == examined.samples:
        raise InputError(
            f"{path}: every sample is NaN or infinite; save the recording again from its source"
        )
    exact = not set(FORMATS_WITH_GUESSED_DURATION) & set(examined.format_name.split(","))
    lasted_s = found.end_s - found.start_s
    stated_s = examined.stated_s if exact else None
    if stated_s is not None and 0 < lasted_s - stated_s < LONGEST_DECODER_TAIL_S:
        audio = audio[: max(1, round((found.start_s + stated_s) * SAMPLE_RATE_HZ))]
    if len(audio) < SAMPLES_PER_MOTION_FRAME:
        raise InputError(
            f"{path}: only {found.decoded_s:.4f} s of sound; at least one motion frame (0.04 s) "
            "is needed"
        )
    if stated_s is not None and stated_s - lasted_s > TRUNCATION_TOLERANCE_S:
        notes.append(
            f"{path}: truncated: {lasted_s:.2f} s of the stated {stated_s:.2f} s are present; "
            "using those"
        )
    notes += _time_notes(found, path=path)
    if examined.bad_samples:
        share = 100 * examined.bad_samples / examined.samples
        notes.append(
            f"{path}: {examined.bad_samples} NaN or infinite samples ({share:.2g} %) replaced by "
            "silence"
        )
    heard = examined.heard
    # A million evenly spaced samples determine the level; hours of sound are scaled in place.
    level = float(np.quantile(np.abs(audio[:: len(audio) // 1_000_000 + 1]), FULL_SCALE_QUANTILE))
    if level > CODEC_OVERSHOOT:
        audio /= np.float32(level)
        heard = heard._replace(gain=heard.gain / level)
        notes.append(
            f"{path}: samples reach {level:.3g} times full scale; the level is divided by that"
        )
    np.clip(audio, -1.0, 1.0, out=audio)
    whole = with_whole_frames(audio)
    return Recording(audio, tuple(notes), heard, found.start_s, tuple(found.gaps), whole)


def _time_notes(found: Findings, *, path: Path) -> list[str]:
    """Return notes about the time stamps."""
    notes = []
    if found.start_s >= SHORTEST_REPORTED_S:
        notes.append(
            f"{path}: the sound starts after {found.start_s:.2f} s; silence is inserted before it"
        )
    seconds = sum(length_s for _, length_s in found.gaps)
    if seconds >= SHORTEST_REPORTED_S:
        where = (
            f"a gap at {found.gaps[0][0]:.2f} s"
            if len(found.gaps) == 1
            else f"{len(found.gaps)} gaps"
        )
        notes.append(
            f"{path}: {where} in the sound ({seconds:.2f} s); silence of that length is inserted"
        )
    if found.joined:
        places = "at one place" if found.joined == 1 else f"at {found.joined} places"
        notes.append(f"{path}: the time stamps restart {places}; the sound continues without a gap")
    if found.damaged > MANY_DAMAGED * found.packets:
        notes.append(
            f"{path}: {found.damaged} of {found.packets} packets of sound are damaged and are "
            "left out"
        )
    if found.stopped:
        notes.append(
            f"{path}: read up to {found.end_s:.2f} s, where reading fails ({found.stopped})"
        )
    return notes
