"""WAV files of every sample form, layout, size and chunk order; their samples are known."""

from pathlib import Path

import numpy as np
import soxr

from ksdiff_jax.audio.waveform import read_recording
from tests.fuzz.forked import Case, Outcome
from tests.fuzz.player import opens
from tests.recordings import bursts, chunk, extensible, form, integers, riff

FORMS = [(1, 8), (1, 16), (1, 24), (1, 32), (1, 64), (3, 16), (3, 32), (3, 64)]
RATES_HZ = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)
UNKNOWN_SIZES = (0, 0x7FFFF000, 0x7FFFFFFF - 36, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36)
SPEECH = bursts(1.0)


def make(rng: np.random.Generator, folder: Path) -> Case:
    """A WAV file whose one voice is `SPEECH`."""
    tag, bits = FORMS[rng.integers(len(FORMS))]
    rate_hz = int(rng.choice(RATES_HZ))
    voice = np.clip(soxr.resample(SPEECH, 16_000, rate_hz), -0.99, 0.99)
    samples, what = _channels(voice, rng)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    data = _stored(samples, tag, bits)
    valid = int(rng.choice([bits, max(8, bits - 4), max(8, bits - 8)])) if bits <= 32 else bits
    head = rng.choice(["plain", "extensible", "wrong rate"])
    if head == "extensible":
        fmt = extensible(tag, channels=channels, rate_hz=rate_hz, bits=bits, valid=valid)
    else:
        wrong = int(rng.integers(1, 2**31)) if head == "wrong rate" else None
        fmt = form(tag, channels=channels, rate_hz=rate_hz, bits=bits, byte_rate=wrong)
    before = [_aside(rng) for _ in range(rng.integers(0, 3))]
    after = [_aside(rng) for _ in range(rng.integers(0, 2))]
    size = None if rng.random() < 0.5 else int(rng.choice(UNKNOWN_SIZES))
    content = riff(
        *before[:1],
        fmt,
        *before[1:],
        chunk(b"data", data, size=size),
        *(after if size is None else []),
        size=size,
    )
    path = folder / "a.wav"
    path.write_bytes(content)
    name = (
        f"{head} {tag}/{bits} ({valid}) {what} at {rate_hz} Hz, size {size}, "
        f"{len(before)}+{len(after)} chunks"
    )
    tolerance = 0.03 if bits == 8 else 0.01
    return Case(
        name,
        True,
        lambda: read_recording(path),
        lambda outcome: _judge(outcome, path, rate_hz, tolerance),
    )


def _channels(voice: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    count = int(rng.choice([1, 1, 2, 2, 3, 4, 6, 8, 9, 16, 32]))
    if count == 1:
        return voice, "mono"
    how = rng.choice(["alike", "one", "turned"])
    samples = np.zeros((len(voice), count), np.float32)
    if how == "one":
        samples[:, rng.integers(count)] = voice
    else:
        samples[:] = voice[:, None]
    if how == "turned":
        samples[:, int(rng.integers(count))] *= -1
    return samples, f"{how} on {count}"


def _stored(samples: np.ndarray, tag: int, bits: int) -> bytes:
    if tag == 3:
        return samples.astype(f"<f{bits // 8}").tobytes()
    if bits == 8:
        return np.rint(samples * 127 + 128).astype(np.uint8).tobytes()
    return integers(samples, bits)


def _aside(rng: np.random.Generator) -> bytes:
    name = bytes(rng.choice([b"LIST", b"bext", b"JUNK", b"fact", b"PEAK", b"id3 ", b"iXML"]))
    least = 602 if name == b"bext" else 0  # FFmpeg gives the whole file up at a shorter one
    return chunk(name, rng.bytes(int(rng.integers(least, 700))))


def _judge(outcome: Outcome, path: Path, rate_hz: int, tolerance: float) -> str:
    if outcome.value is None:
        return f"refused: {outcome.refusal}" if opens(path) else ""
    recording = outcome.value
    if abs(len(recording.audio) - len(SPEECH)) > 2:
        return f"{len(recording.audio)} samples"
    count = min(len(recording.audio), len(SPEECH))
    voice = soxr.resample(soxr.resample(SPEECH, 16_000, rate_hz), rate_hz, 16_000)[:count]
    # The polarity of one of two opposed channels cannot be known.
    error = min(np.abs(recording.audio[:count] - sign * voice).mean() for sign in (1, -1))
    if error > tolerance / 4:
        return f"other samples: mean error {error:.4f}"
    if false := [note for note in recording.notes if "opposite in polarity" not in note]:
        return f"a false notice: {false[0]}"
    return ""
