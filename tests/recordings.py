"""Recordings and videos of known content for tests: WAV files byte by byte, everything else with
FFmpeg's encoders.
"""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr

RATE_HZ = 16_000


def bursts(seconds: float = 2.0, *, seed: int = 3, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Noise bursts below 3 kHz, peak about 0.5: a signal whose position in time is unmistakable."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * RATE_HZ)
    slow = np.interp(
        np.arange(samples), np.arange(samples // 2000 + 2) * 2000, rng.random(samples // 2000 + 2)
    )
    smooth = np.convolve(rng.normal(size=samples), np.hanning(24) / 12, mode="same")
    signal = (0.5 * slow**2 * smooth).astype(np.float32)
    return (
        signal if rate_hz == RATE_HZ else soxr.resample(signal, RATE_HZ, rate_hz).astype(np.float32)
    )


def lag_s(late: np.ndarray, reference: np.ndarray, rate_hz: int = RATE_HZ) -> float:
    """Seconds by which `late` comes after `reference`, by cross-correlation."""
    size = 1 << (len(late) + len(reference)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(late, size) * np.conj(np.fft.rfft(reference, size)))
    at = int(np.argmax(correlation))
    return (at if at < size // 2 else at - size) / rate_hz


def rms(samples: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def chunk(name: bytes, data: bytes, *, size: int | None = None) -> bytes:
    """A RIFF chunk; `size` lies about the length of its data."""
    return (
        name
        + struct.pack("<I", len(data) if size is None else size)
        + data
        + b"\0" * (len(data) % 2)
    )


def form(tag=1, *, channels=1, rate_hz=RATE_HZ, bits=16, align=None, byte_rate=None) -> bytes:
    """The plain `fmt ` chunk."""
    align = channels * bits // 8 if align is None else align
    byte_rate = rate_hz * align if byte_rate is None else byte_rate
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, byte_rate, align, bits))


def extensible(tag=1, *, channels=1, rate_hz=RATE_HZ, bits=16, valid=None, mask=0) -> bytes:
    """The extensible `fmt ` chunk: container bits, valid bits, channel mask."""
    align = channels * bits // 8
    plain = struct.pack("<HHIIHH", 0xFFFE, channels, rate_hz, rate_hz * align, align, bits)
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(
        b"fmt ", plain + struct.pack("<HHI", 22, bits if valid is None else valid, mask) + guid
    )


def riff(*chunks: bytes, magic=b"RIFF", size: int | None = None) -> bytes:
    """A WAV file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def integers(samples: np.ndarray, bits: int) -> bytes:
    """Samples in [-1, 1], (s,) or (s, channels), as little-endian integers, full scale 2^(bits -
    1).
    """
    top = 2.0 ** (bits - 1)
    whole = np.clip(np.rint(np.asarray(samples, np.float64) * top), -top, top - 1).astype("<i8")
    return whole.reshape(-1, 1).view(np.uint8).reshape(-1, 8)[:, : bits // 8].tobytes()


def wav(
    path: Path, samples: np.ndarray, *, rate_hz: int = RATE_HZ, mask: int | None = None
) -> Path:
    """A 16-bit WAV of samples (s,) or (s, channels), without a channel mask unless one is given."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    head = form(channels=channels, rate_hz=rate_hz) if mask is None else extensible(
        channels=channels, rate_hz=rate_hz, mask=mask
    )  # fmt: skip
    path.write_bytes(riff(head, chunk(b"data", integers(samples, 16))))
    return path


def encoded(
    path: Path,
    *tracks: np.ndarray,
    codec: str = "aac",
    rate_hz: int = 48_000,
    format_name: str | None = None,
    late_s: float = 0.0,
    keep: Callable[[float], bool] = lambda time_s: True,
    pictures: int = 0,
    pictures_late_s: float = 0.0,
) -> Path:
    """A file with each of `tracks`, 16 kHz (s,) or (s, 2), as a sound track, and grey pictures at
    25 Hz.

    `keep(time_s)` chooses the packets of sound that get into the file; `late_s` moves its time
    stamps.
    """
    with av.open(str(path), "w", format=format_name) as container:
        packets = []
        if pictures:
            video = container.add_stream("mpeg4", rate=25, width=64, height=48)
            video.codec_context.time_base = Fraction(1, 25)
            for number in range(pictures):
                frame = av.VideoFrame.from_ndarray(
                    np.full((48, 64, 3), 16 + 2 * number % 240, np.uint8), "rgb24"
                )
                frame.pts, frame.time_base = number + round(25 * pictures_late_s), Fraction(1, 25)
                packets += video.encode(frame)
            packets += video.encode(None)
        layouts = ["stereo" if samples.ndim == 2 else "mono" for samples in tracks]
        streams = [container.add_stream(codec, rate=rate_hz, layout=layout) for layout in layouts]
        for stream, samples, layout in zip(streams, tracks, layouts, strict=True):
            packets += _sound_packets(
                stream, samples, layout, rate_hz=rate_hz, late_s=late_s, keep=keep
            )
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _sound_packets(stream, samples, layout, *, rate_hz, late_s, keep) -> list:
    planes = np.ascontiguousarray(
        np.atleast_2d(soxr.resample(samples, RATE_HZ, rate_hz).astype(np.float32).T)
    )
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
    context = stream.codec_context
    resampler = av.AudioResampler(
        format=context.format.name,
        layout=layout,
        rate=rate_hz,
        frame_size=context.frame_size or 1024,
    )
    packets, position = [], round(late_s * rate_hz)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        piece.pts, piece.time_base = position, Fraction(1, rate_hz)
        position += piece.samples
        packets += stream.encode(piece)
    packets += stream.encode(None)
    return [packet for packet in packets if keep(float(packet.pts * packet.time_base))]
