"""Sound in and out: any recording that FFmpeg reads -> float32 mono at 16 kHz, and back to a 16-bit WAV.

`load_audio` decodes with PyAV (FFmpeg inside the wheel), mixes the channels to mono, resamples with soxr and
returns samples (s,) in [-1, 1] whose sample 0 is the start of the stream. Decoders of AAC return up to one frame
more than was recorded; what exceeds the duration that the container states is cut off.

What cannot be used is an `InputError` of one line: no such file, a folder, a text file, a video without sound,
no samples, less than one motion frame, nothing but NaN. What can be repaired is repaired and said:

| found | repair |
|---|---|
| some samples NaN, infinite or absurdly large | they become 0 |
| a header that promises more sound than the file holds | what is there is used |
| float samples beyond full scale | the level is brought to full scale, stray peaks are clipped |

`read_recording` returns the notes of these repairs; `load_audio` emits each as an `AudioWarning`.
Work and memory are linear in the duration: blocks are mixed and resampled as they are decoded.
"""

import warnings
import wave
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np
import soxr

from ksdiff_jax.audio.container import open_container
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import Float

# Decoders with a fixed frame return at most one frame (2048 samples, at 22 kHz 93 ms) beyond the recording.
LONGEST_DECODER_TAIL_S = 0.1
# Stated and decoded durations differ by rounding and codec frames; a cut file differs by more.
TRUNCATION_TOLERANCE_S = 0.1
# Formats without a duration of their own: FFmpeg guesses it from the bit rate, so it proves nothing.
FORMATS_WITH_GUESSED_DURATION = ("mp3", "aac", "mpeg", "mpegts", "ac3", "amr")
BLOCK_S = 10.0
FULL_SCALE_QUANTILE = 0.999
# Lossy codecs overshoot full scale by a little, which clipping repairs; more is a float file of another scale.
CODEC_OVERSHOOT = 1.25
LARGEST_SAMPLE = 1e10  # 32-bit integers stored as floats are sound, beyond them lies garbage
UNNAMED_CHANNELS = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")  # the order of WAV and of 5.1 everywhere


class AudioWarning(Notice):
    """A recording was repaired before use; the message is one line that names the file and the repair."""


class Recording(NamedTuple):
    """A decoded recording and what was repaired in it, one line per repair."""

    audio: Float[np.ndarray, "s"]
    notes: tuple[str, ...]


class _Decoded(NamedTuple):
    audio: Float[np.ndarray, "s"]  # 16 kHz, may hold values beyond full scale, no NaN
    decoded_s: float
    bad_samples: int  # NaN or infinite, over all channels
    samples: int  # over all channels


def load_audio(path: str | Path) -> Float[np.ndarray, "s"]:
    """A recording, or the sound of a video, as float32 mono samples at 16 kHz in [-1, 1].

    Raises `InputError` where there is no usable sound; warns with `AudioWarning` about each repair.
    """
    recording = read_recording(path)
    for note in recording.notes:
        warnings.warn(note, AudioWarning, stacklevel=2)
    return recording.audio


def read_recording(path: str | Path) -> Recording:
    """`load_audio` with the notes of the repairs as a value instead of warnings."""
    path = Path(path)
    _check_file(path)
    try:
        with open_container(path) as container:
            stream = _audio_stream(container, path=path)
            stated_s = _stated_duration_s(container, stream)
            exact = not any(name in container.format.name.split(",") for name in FORMATS_WITH_GUESSED_DURATION)
            decoded = _decode(container, stream, path=path)
    except av.error.FFmpegError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(
            f"{path}: not a recording that FFmpeg can read ({reason}); give a wav, mp3, m4a, flac, ogg or a video"
        ) from error
    return _finish(decoded, path=path, stated_s=stated_s, exact=exact)


def write_wav(path: str | Path, audio: Float[np.ndarray, "s"]) -> None:
    """Write samples at 16 kHz as a 16-bit mono WAV; the file appears only when complete."""
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(to_int16(audio).astype("<i2").tobytes())


def to_int16(audio: Float[np.ndarray, "*b s"]) -> np.ndarray:
    """Samples in [-1, 1] as 16-bit integers (full scale 32767), rounded and clipped."""
    return np.clip(np.rint(audio * 32767.0), -32768, 32767).astype(np.int16)


def from_int16(samples: np.ndarray) -> Float[np.ndarray, "*b s"]:
    """Inverse of `to_int16`, as float32."""
    return samples.astype(np.float32) / np.float32(32767.0)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file; give the path of a recording")
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; give the path of one recording in it")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if empty:
        raise InputError(f"{path}: the file is empty (0 bytes); give a recording with sound in it")


def _audio_stream(container, *, path: Path):
    """The first audio stream of an open container."""
    if container.streams.audio:
        stream = container.streams.audio[0]
        if not stream.rate:
            raise InputError(f"{path}: the header gives no sample rate; save the recording again with another tool")
        return stream
    what = "a video without a sound track" if container.streams.video else "not a recording"
    raise InputError(f"{path}: {what} (read as {container.format.name}); give a file with sound in it")


def _stated_duration_s(container, stream) -> float | None:
    """What the container says the sound lasts, in seconds, or None. Stream and container may disagree: the longer."""
    wave_s = _wave_header_duration_s(container, stream)
    stated = [wave_s] if wave_s else []
    if stream.duration and stream.time_base:
        stated.append(float(stream.duration * stream.time_base))
    if container.duration and len(container.streams) == 1:
        stated.append(container.duration / av.time_base)
    return max(stated, default=None)


def _wave_header_duration_s(container, stream) -> float | None:
    """Seconds by the `data` chunk's own size: FFmpeg quietly lowers it to what a cut file still holds."""
    if container.format.name != "wav" or not stream.codec_context.name.startswith("pcm_"):
        return None
    with Path(container.name.removeprefix("file:")).open("rb") as file:
        header = file.read(64 * 1024)
    position, bytes_per_second = 12, 0
    while header[:4] == b"RIFF" and position + 8 <= len(header):
        name, size = header[position : position + 4], int.from_bytes(header[position + 4 : position + 8], "little")
        if name == b"fmt ":
            bytes_per_second = int.from_bytes(header[position + 16 : position + 20], "little")
        if name == b"data":
            # 0 and the largest sizes mean "unknown", as programs write that stream into a pipe.
            known = 0 < size < 0xFFFFFF00 and bytes_per_second > 0
            return size / bytes_per_second if known else None
        position += 8 + size + size % 2
    return None


def _decode(container, stream, *, path: Path) -> _Decoded:
    """Decode, mix and resample block by block. A damaged packet is skipped, as players do."""
    rate_hz = stream.rate
    resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    block: list[np.ndarray] = []
    parts: list[np.ndarray] = []
    in_block = decoded = bad = total = 0
    for frame in _frames(container, stream):
        if frame.sample_rate != rate_hz:
            raise InputError(
                f"{path}: the sample rate changes from {rate_hz} to {frame.sample_rate} Hz inside the file"
            )
        channels = _channels(frame)
        finite = np.abs(channels) < LARGEST_SAMPLE  # false for NaN too
        total += channels.size
        if not finite.all():
            bad += int(channels.size - finite.sum())
            channels = np.where(finite, channels, np.float32(0))
        block.append(_mono(channels, names=[channel.name for channel in frame.layout.channels]))
        decoded += frame.samples
        in_block += frame.samples
        if in_block >= BLOCK_S * rate_hz:
            parts.append(resampler.resample_chunk(np.concatenate(block)))
            block, in_block = [], 0
    rest = np.concatenate(block) if block else np.zeros(0, np.float32)
    parts.append(resampler.resample_chunk(rest, last=True))
    return _Decoded(np.concatenate(parts), decoded_s=decoded / rate_hz, bad_samples=bad, samples=total)


def _frames(container, stream):
    """Decoded frames of a stream, in order, going on after packets that do not decode."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the file ends in the middle of a packet
            packet = None
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _channels(frame) -> Float[np.ndarray, "c s"]:
    """The samples of a decoded frame as float32, full scale 1, channels first."""
    raw = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(frame.samples, -1).T
    if raw.dtype == np.uint8:
        return (raw.astype(np.float32) - 128.0) / np.float32(128.0)
    if raw.dtype.kind == "i":
        return raw.astype(np.float32) / np.float32(2.0 ** (8 * raw.dtype.itemsize - 1))
    with np.errstate(over="ignore"):
        return raw.astype(np.float32)


def _mono(channels: Float[np.ndarray, "c s"], *, names: list[str]) -> Float[np.ndarray, "s"]:
    """A weighted mean: front channels 1, centre (where films put speech) √2, surround 1/√2, subwoofer 0."""
    if len(channels) <= 2:
        return channels.mean(axis=0)
    if set(names) == {"NONE"}:  # a header without a channel mask
        names = [*UNNAMED_CHANNELS, *names][: len(channels)]
    gains = {"FC": 2.0**0.5, "LFE": 0.0, "LFE2": 0.0, "FL": 1.0, "FR": 1.0}
    gain = np.array([gains.get(name, 0.5**0.5) for name in names], np.float32)
    return (gain / gain.sum()) @ channels


def _finish(decoded: _Decoded, *, path: Path, stated_s: float | None, exact: bool) -> Recording:
    """Trim to the stated duration, bring to full scale, and refuse what is no sound at all."""
    audio, notes = decoded.audio, []
    if decoded.samples == 0:
        raise InputError(f"{path}: no sound in it (0 samples decoded); give a recording with sound in it")
    if decoded.bad_samples == decoded.samples:
        raise InputError(f"{path}: every sample is NaN or infinite; save the recording again from its source")
    if exact and stated_s is not None and 0 < decoded.decoded_s - stated_s < LONGEST_DECODER_TAIL_S:
        audio = audio[: max(1, round(stated_s * SAMPLE_RATE_HZ))]
    if len(audio) < SAMPLES_PER_MOTION_FRAME:
        raise InputError(
            f"{path}: only {decoded.decoded_s:.4f} s of sound; at least one motion frame (0.04 s) is needed"
        )
    if exact and stated_s is not None and stated_s - decoded.decoded_s > TRUNCATION_TOLERANCE_S:
        notes.append(
            f"{path}: truncated: {decoded.decoded_s:.2f} s of the {stated_s:.2f} s it claims are there; using those"
        )
    if decoded.bad_samples:
        share = 100 * decoded.bad_samples / decoded.samples
        notes.append(f"{path}: {decoded.bad_samples} NaN or infinite samples ({share:.2g} %) replaced by silence")
    # A million evenly spaced samples tell the level; hours of sound are changed in place.
    level = float(np.quantile(np.abs(audio[:: len(audio) // 1_000_000 + 1]), FULL_SCALE_QUANTILE))
    if level > CODEC_OVERSHOOT:
        audio /= np.float32(level)
        notes.append(f"{path}: samples reach {level:.3g} times full scale; the level is divided by that")
    return Recording(np.clip(audio, -1.0, 1.0, out=audio), tuple(notes))
