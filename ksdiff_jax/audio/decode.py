"""Decodes one sound track of a file to runs of samples, each at its position in time.

Time zero is the time at which a player starts the file: the earliest start of its sound and
pictures (`container.start_s`). A frame whose time stamp is within `TOLERANCE_S` of the end of the
previous frame continues the same run. Otherwise:

| the time stamp | result |
|---|---|
| is later: packets are missing, or the sound starts late | the next run starts later: a gap |
| is earlier by up to `LONGEST_OVERLAP_S`: the same instant twice | the second copy is left out |
| is earlier by more, or later by more than any gap: joined files | the clock is shifted: no gap |

A change of sample rate or of channels also starts a new run. Frames without time stamps follow the
previous frame directly, and so do those of formats that store none, for which FFmpeg counts samples
at the rate of the first frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.container import InputContainer

from ksdiff_jax.audio.container import is_broadcast, packets_of, start_s
from ksdiff_jax.audio.pcm import Justification, scaled, stored_samples
from ksdiff_jax.audio.wave_header import WaveHeader
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

TOLERANCE_S = 0.02
LONGEST_OVERLAP_S = 1.0
LONGEST_GAP_S, LONGEST_BROADCAST_GAP_S = 3600.0, 10.0
LONGEST_GAPS_S = 7200.0  # total of one file: silence takes memory
STAMPED_FORMATS = frozenset(
    {"matroska", "mov", "mpegts", "mpeg", "hls", "flv", "asf", "ogg", "rm", "nut", "mxf"}
)
BLOCK_S = 10.0


class Block(NamedTuple):
    """Consecutive samples of one format."""

    channels: Float[np.ndarray, "c s"]  # full scale 1; may hold NaN
    rate_hz: int
    layout: tuple[str, ...]  # a name for each channel, "NONE" if the file does not name it
    start_s: float
    joins: bool  # it follows the previous block without a gap, in the same format


@dataclass
class Findings:
    """Facts found while decoding that the caller may need; complete when the last block has been
    consumed.
    """

    gaps: list[tuple[float, float]] = field(default_factory=list)  # start and length in seconds
    start_s: float = 0.0  # of the first sample
    end_s: float = 0.0  # of the last one
    decoded_s: float = 0.0  # of sound, without gaps
    joined: int = 0  # places where the clock restarts
    packets: int = 0
    damaged: int = 0  # packets that cannot be decoded
    stopped: str = ""  # why reading ended before the end of the file
    gain: float = 1.0  # factor that brings integers stored too low in their container to full scale


class _Clock:
    """Computes the position of each frame from its time stamp and the samples before it."""

    def __init__(self, container_format: str, origin_s: float, findings: Findings):
        self._stamped = bool(STAMPED_FORMATS & set(container_format.split(",")))
        self._longest_gap_s = (
            LONGEST_BROADCAST_GAP_S if is_broadcast(container_format) else LONGEST_GAP_S
        )
        self._offset_s, self._findings = -origin_s, findings
        self.next_s: float | None = None  # end of the sound so far

    def place(self, stamp_s: float | None) -> tuple[float, float]:
        """Return the start of a frame, and the seconds at its beginning that are already
        decoded.
        """
        if self.next_s is None:
            return self._first(stamp_s)
        if stamp_s is None or not self._stamped:
            return self.next_s, 0.0
        drift_s = stamp_s + self._offset_s - self.next_s
        if abs(drift_s) <= TOLERANCE_S:
            return self.next_s, 0.0
        before_s = sum(length_s for _, length_s in self._findings.gaps)
        if not -LONGEST_OVERLAP_S <= drift_s <= min(self._longest_gap_s, LONGEST_GAPS_S - before_s):
            self._offset_s -= drift_s
            self._findings.joined += 1
            return self.next_s, 0.0
        if drift_s < 0:
            return self.next_s, -drift_s
        self._findings.gaps.append((self.next_s, drift_s))
        return self.next_s + drift_s, 0.0

    def _first(self, stamp_s: float | None) -> tuple[float, float]:
        start_s = 0.0 if stamp_s is None else stamp_s + self._offset_s
        if start_s > LONGEST_GAP_S or abs(start_s) <= TOLERANCE_S:
            self._offset_s, start_s = self._offset_s - start_s, 0.0
        self._findings.start_s = max(0.0, start_s)
        return max(0.0, start_s), max(0.0, -start_s)


def decoded_blocks(
    container: InputContainer,
    stream,
    *,
    path: Path,
    stored: WaveHeader | None,
    header: WaveHeader | None,
    findings: Findings,
) -> Iterator[Block]:
    """Yield the sound of a stream in blocks of about `BLOCK_S`; `findings` is filled during the
    iteration.

    `stored` is the header of a WAV file whose samples FFmpeg would decode wrongly, `header` that of
    any WAV file.
    """
    clock = _Clock(container.format.name, start_s(container), findings)
    spare_bits = header is not None and header.valid_bits < 8 * header.container_bytes
    justification = Justification(header) if spare_bits else None
    pieces: list[np.ndarray] = []
    run: tuple[int, tuple[str, ...]] | None = None  # rate and layout of the pieces
    from_s, samples, joins = 0.0, 0, False

    def block() -> Block:
        return Block(scaled(np.concatenate(pieces, axis=1)), *run, from_s, joins)

    for raw, rate_hz, layout, stamp_s in _frames(
        container, stream, stored=stored, path=path, findings=findings
    ):
        if not 0 < rate_hz < 10_000_000:
            raise InputError(
                f"{path}: a sample rate of {rate_hz} Hz; save the recording again with another tool"
            )
        at_s, there_s = clock.place(stamp_s)
        if there_s:
            raw = raw[:, round(there_s * rate_hz) :]
        if justification is not None:
            justification.add(raw)
            findings.gain = justification.gain
        gapless = run == (rate_hz, layout) and abs(at_s - clock.next_s) < 1e-9 and not there_s
        if pieces and (not gapless or samples >= BLOCK_S * rate_hz or raw.dtype != pieces[0].dtype):
            yield block()
            pieces, samples = [], 0
        if not pieces:
            from_s, joins = at_s, gapless
        run = (rate_hz, layout)
        pieces.append(raw)
        samples += raw.shape[1]
        clock.next_s = at_s + raw.shape[1] / rate_hz
        findings.end_s = clock.next_s
        findings.decoded_s += raw.shape[1] / rate_hz
    if pieces:
        yield block()


def _frames(
    container: InputContainer, stream, *, stored: WaveHeader | None, path: Path, findings: Findings
) -> Iterator[tuple[np.ndarray, int, tuple[str, ...], float | None]]:
    """Yield samples (c, s) as stored, rate, layout and time stamp of every frame; damaged packets
    are skipped.
    """
    if stored is not None:
        for packet in _packets(container, stream, findings):
            yield _of_packet(packet, stored, path=path)
        return
    for packet in _packets(container, stream, findings):
        try:
            frames = packet.decode()
        except av.error.DecoderNotFoundError:
            raise
        except av.error.FFmpegError:
            findings.damaged += 1
            continue
        for frame in frames:
            raw = frame.to_ndarray()
            if not frame.format.is_planar:
                raw = raw.reshape(frame.samples, -1).T
            layout = tuple(channel.name for channel in frame.layout.channels)
            yield raw, frame.sample_rate, layout, frame.time


def _packets(container: InputContainer, stream, findings: Findings) -> Iterator:
    """Yield the packets of a stream, then the empty packet that flushes the decoder."""
    failures: list[str] = []
    for packet in packets_of(container, stream, failures=failures):
        findings.packets += 1
        yield packet
    findings.stopped = next(iter(failures), "")
    last = av.Packet()
    last.stream = stream
    yield last


def _of_packet(
    packet, stored: WaveHeader, *, path: Path
) -> tuple[np.ndarray, int, tuple[str, ...], None]:
    try:
        samples = stored_samples(bytes(packet), stored)
    except ValueError as error:
        raise InputError(
            f"{path}: {error}; save the recording again as 16-bit wav or flac"
        ) from error
    return samples, stored.rate_hz, ("NONE",) * stored.channels, None
