"""Extracts the voice of a file: the one definition that the motion, the plot, the soundtrack and
`prepare` share.

`examine` decodes a file once, selects the track, the channel mix and the level, and computes the
sound at 16 kHz at the same time. If the channels need a mix other than the usual one, they are
decoded a second time. `voice` returns the same sound again at any rate: its sample i is the instant
i / rate after a player starts the file.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
from av.container import InputContainer

from ksdiff_jax.audio.channels import Covariance, Mix, mix_in_time, one_channel, usual_mix
from ksdiff_jax.audio.container import open_container, start_s
from ksdiff_jax.audio.decode import TOLERANCE_S, Block, Findings, decoded_blocks
from ksdiff_jax.audio.sound_buffer import collected, peak
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.audio.tracks import choose_track
from ksdiff_jax.audio.wave_header import (
    FLOAT,
    PCM,
    WaveHeader,
    is_followed_by_another,
    read_wave_header,
)
from ksdiff_jax.typing import Float

LARGEST_SAMPLE = 1e10  # 32-bit integers stored as floats are valid sound; larger values are garbage
SILENCE = 0.0005  # -66 dB; a track whose samples are all below this has no voice
SILENCE_BLOCK_S = 10.0

Layout = tuple[str, ...]


class VoiceSource(NamedTuple):
    """A file and the parameters that extract one voice from it."""

    path: Path
    track: int  # from 1
    mixes: dict[Layout, Mix]
    gain: float = 1.0


class Examined(NamedTuple):
    """The result of `examine`."""

    heard: VoiceSource
    audio: Float[np.ndarray, "s"]  # 16 kHz, before the level is adjusted; of `collected`
    findings: Findings
    bad_samples: int  # NaN, infinite or absurd, over all channels
    samples: int  # over all channels
    stated_s: float | None  # the duration of the sound that the file states
    format_name: str
    notes: tuple[str, ...]


def examine(path: Path, *, channel: int | None = None, track: int | None = None) -> Examined:
    """Select the voice of a file, and decode it. Raises `InputError`, and `FFmpegError` for a file
    that is not a recording.

    A silent track is replaced by another one that is not silent, unless `track` selects it.
    """
    first = _examine(path, channel=channel, track=track)
    others = first.others if track is None and peak(first.examined.audio) < SILENCE else ()
    for number in others:
        other = _examine(path, channel=channel, track=number).examined
        if peak(other.audio) >= SILENCE:
            silent, count = first.examined.heard.track, 1 + len(first.others)
            note = f"{path}: sound track {silent} of {count} is silent; track {number} is used"
            return other._replace(notes=(note,))
    return first.examined


def voice(heard: VoiceSource, rate_hz: int) -> Iterator[Float[np.ndarray, "s"]]:
    """Yield the voice in blocks at `rate_hz`, from the instant at which a player starts the file;
    NaN becomes silence.
    """

    def mono(block: Block) -> np.ndarray:
        samples, _ = _finite(block.channels)
        return heard.mixes.get(block.layout, usual_mix(block.layout))(samples)

    for part in placed(_blocks(heard.path, heard.track), mono, rate_hz=rate_hz):
        yield np.clip(part * np.float32(heard.gain), -1.0, 1.0)


def _blocks(path: Path, track: int) -> Iterator[Block]:
    """Decode the sound of a track again."""
    with open_container(path) as container:
        stored, header = _headers(container, path)
        stream = choose_track(container, path=path, track=track, stored=stored).stream
        yield from decoded_blocks(
            container, stream, path=path, stored=stored, header=header,
            findings=Findings(),
        )  # fmt: skip


def placed(
    blocks: Iterator[Block], mono: Callable[[Block], Float[np.ndarray, "s"]], *, rate_hz: int
) -> Iterator[Float[np.ndarray, "n"]]:
    """Yield blocks mixed to one channel and resampled to `rate_hz`, each at its position in time,
    with silence in the gaps.
    """
    resampler: soxr.ResampleStream | None = None
    made = 0

    def counted(part: np.ndarray) -> np.ndarray:
        nonlocal made
        made += len(part)
        return part

    for block in blocks:
        samples = mono(block)
        if resampler is None or not block.joins:
            if resampler is not None:
                yield counted(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
            missing_s = block.start_s - made / rate_hz
            if missing_s > TOLERANCE_S / 2:
                yield from (counted(part) for part in _silence(round(missing_s * rate_hz), rate_hz))
            resampler = soxr.ResampleStream(
                block.rate_hz, rate_hz, 1, dtype="float32", quality="HQ"
            )
        yield counted(resampler.resample_chunk(np.ascontiguousarray(samples)))
    if resampler is not None:
        yield counted(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


class _First(NamedTuple):
    examined: Examined
    others: tuple[int, ...]


def _examine(path: Path, *, channel: int | None, track: int | None) -> _First:
    with open_container(path) as container:
        stored, header = _headers(container, path)
        choice = choose_track(container, path=path, track=track, stored=stored)
        findings = Findings()
        stated_s, format_name = _stated_s(container, choice.stream, header), container.format.name
        blocks = decoded_blocks(
            container,
            choice.stream,
            path=path,
            stored=stored,
            header=header,
            findings=findings,
        )
        mixes: dict[Layout, Mix] = {}
        covariances: dict[Layout, Covariance] = {}
        bad = samples = 0

        def mono(block: Block) -> np.ndarray:
            nonlocal bad, samples
            channels, bad_here = _finite(block.channels)
            bad, samples = bad + bad_here, samples + channels.size
            if channel is not None:
                mixes.setdefault(block.layout, one_channel(block.layout, channel, path=path))
            elif len(block.layout) > 1:
                covariances.setdefault(block.layout, Covariance(len(block.layout))).add(channels)
            return mixes.setdefault(block.layout, usual_mix(block.layout))(channels)

        parts = placed(blocks, mono, rate_hz=SAMPLE_RATE_HZ)
        audio = collected(parts, about_s=stated_s)

    def again(layout: Layout) -> Iterator[tuple[np.ndarray, int]]:
        blocks = _blocks(path, choice.number)
        return (
            (_finite(block.channels)[0], block.rate_hz)
            for block in blocks
            if block.layout == layout
        )

    fitting = mixes | {
        layout: mix_in_time(layout, sums, partial(again, layout))
        for layout, sums in covariances.items()
    }
    heard = VoiceSource(path, choice.number, fitting)
    if any(not np.allclose(mix.weights, mixes[layout].weights) for layout, mix in fitting.items()):
        about_s = len(audio) / SAMPLE_RATE_HZ
        del audio  # hours of it are large
        audio = collected(voice(heard, SAMPLE_RATE_HZ), about_s=about_s)
    notes = (*choice.notes, *_channel_notes(path, fitting), *_wave_notes(path, header))
    gain = findings.gain
    if any(mix.voices > 1 for mix in fitting.values()):
        gain /= max(1.0, peak(audio))
    if gain != 1:
        audio *= np.float32(gain)
    examined = Examined(
        heard._replace(gain=gain), audio, findings, bad, samples, stated_s, format_name, notes
    )
    return _First(examined, choice.others)


def _headers(container: InputContainer, path: Path) -> tuple[WaveHeader | None, WaveHeader | None]:
    """Return the header of a WAV file if `audio.pcm` must read its samples, and the header of any
    WAV file.
    """
    header = read_wave_header(path) if container.format.name == "wav" else None
    if header is None or not (header.container_bytes and header.channels and header.rate_hz):
        return None, None
    stream = next(iter(container.streams.audio), None)
    codec = stream and stream.codec_context and stream.codec_context.name
    misread = header.format_tag in (PCM, FLOAT) and (codec is None or codec != header.ffmpeg_codec)
    return header if misread else None, header


def _finite(channels: Float[np.ndarray, "c s"]) -> tuple[Float[np.ndarray, "c s"], int]:
    finite = np.abs(channels) < LARGEST_SAMPLE  # false for NaN too
    if finite.all():
        return channels, 0
    return np.where(finite, channels, np.float32(0)), int(channels.size - finite.sum())


def _silence(samples: int, rate_hz: int) -> Iterator[np.ndarray]:
    step = round(SILENCE_BLOCK_S * rate_hz)
    for start in range(0, samples, step):
        yield np.zeros(min(step, samples - start), np.float32)


def _stated_s(container: InputContainer, stream, header: WaveHeader | None) -> float | None:
    """Return the duration of the sound that the file states, in seconds, or None. For a truncated
    WAV file FFmpeg reduces it to what the file contains.

    Matroska and NUT state the end time of the file; it is the duration only if the clock starts at
    zero.
    """
    if header is not None and header.uncompressed:
        return header.duration_s
    stated = []
    if stream.duration and stream.time_base:
        stated.append(float(stream.duration * stream.time_base))
    if container.duration and len(container.streams) == 1 and start_s(container) < TOLERANCE_S:
        stated.append(container.duration / 1_000_000)
    return max(stated, default=None)


def _wave_notes(path: Path, header: WaveHeader | None) -> list[str]:
    """Notes on the parts of a WAV file that are not read."""
    if header is None:
        return []
    notes = []
    if is_followed_by_another(path, header):
        notes.append(
            f"{path}: a second WAV file follows the first; as in players, only the first is read"
        )
    if header.data_chunks > 1:
        notes.append(
            f"{path}: {header.data_chunks} data chunks in this WAV file; as in players, only the "
            "last is read"
        )
    return notes


def _channel_notes(path: Path, mixes: dict[Layout, Mix]) -> list[str]:
    notes = []
    for layout, mix in mixes.items():
        if mix.inverted:
            plural = "channels" if len(mix.inverted) > 1 else "channel"
            numbers = " and ".join(map(str, mix.inverted))
            notes.append(
                f"{path}: {plural} {numbers} of {len(layout)} opposite in polarity to the loudest, "
                "inverted"
            )
        if mix.centre:
            notes.append(
                f"{path}: the centre, channel {mix.centre} of {len(layout)}, is used as the voice "
                "(--channel N selects another)"
            )
        if mix.alone:
            notes.append(
                f"{path}: the {len(layout)} channels cancel each other in places; channel "
                f"{mix.alone} is used (--channel N selects another)"
            )
        if mix.voices > 1:
            notes.append(
                f"{path}: {mix.voices} channels of different sounds are mixed; --channel N selects "
                f"one of {len(layout)}"
            )
    return notes
