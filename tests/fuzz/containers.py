"""Sound in every container that FFmpeg writes, whole, cut or damaged.

The player is a plain decode of the same track by FFmpeg, errors passed over. Where it plays a tenth
of a second or more, a refusal is wrong; a whole file and the part before a cut have the samples of
the file that was encoded.
"""

import functools
import os
from pathlib import Path

import numpy as np

from ksdiff_jax.audio.voice import voice
from ksdiff_jax.audio.waveform import read_recording
from tests.fuzz.damage import damaged
from tests.fuzz.forked import Case, Outcome
from tests.fuzz.player import decoded
from tests.recordings import bursts, encoded, rms

FORMS = [
    ("mp3", "libmp3lame", 44_100),
    ("m4a", "aac", 44_100),
    ("mp4", "aac", 48_000),
    ("mkv", "aac", 48_000),
    ("webm", "libopus", 48_000),
    ("opus", "libopus", 48_000),
    ("flac", "flac", 48_000),
    ("ts", "aac", 48_000),
    ("aac", "aac", 44_100),
    ("avi", "libmp3lame", 44_100),
    ("mov", "pcm_s16le", 48_000),
    ("wav", "pcm_s16le", 16_000),
    ("aiff", "pcm_s16be", 44_100),
    ("ac3", "ac3", 48_000),
    ("mp2", "mp2", 44_100),
    ("au", "pcm_s16be", 22_050),
    ("caf", "pcm_s16le", 44_100),
    ("w64", "pcm_s16le", 44_100),
    ("flv", "aac", 44_100),
    ("nut", "libmp3lame", 44_100),
]
SPEECH = bursts(1.5)
AUDIBLE_S = 0.1


@functools.cache
def _whole(number: int, folder: Path) -> bytes:
    suffix, codec, rate_hz = FORMS[number]
    path = folder / f"whole.{suffix}"
    encoded(
        path, SPEECH, codec=codec, rate_hz=rate_hz, format_name="adts" if suffix == "aac" else None
    )
    return path.read_bytes()


@functools.cache
def _real() -> list[Path]:
    """Real recordings, where the folder of real data is there."""
    folder = os.environ.get("KSDIFF_SHARED_DATA")
    files = sorted(Path(folder).rglob("*")) if folder else []
    kinds = (".mp3", ".flac", ".ogg", ".aiff", ".wav", ".mpg")
    return [file for file in files if file.suffix in kinds and file.stat().st_size < 1_500_000]


def make(rng: np.random.Generator, folder: Path) -> Case:
    """A file that is whole in one of four cases."""
    if _real() and rng.random() < 0.25:
        source = _real()[rng.integers(len(_real()))]
        how, content = damaged(source.read_bytes(), rng)
        suffix, known = source.suffix[1:], False
    else:
        number = int(rng.integers(len(FORMS)))
        suffix, content = FORMS[number][0], _whole(number, folder)
        known = rng.random() < 0.4
        how, content = ("whole", content) if known else damaged(content, rng)
    path = folder / f"a.{suffix}"
    path.write_bytes(content)
    return Case(
        f"{suffix} {how}",
        known,
        lambda: _read(path),
        lambda outcome: _judge(outcome, path, known=known),
    )


def _read(path: Path):
    recording = read_recording(path)
    return recording, np.concatenate(list(voice(recording.heard, 48_000)))


def _judge(outcome: Outcome, path: Path, *, known: bool) -> str:
    played_s = sum(frame.samples / frame.sample_rate for frame in decoded(path, "audio"))
    if outcome.value is None:
        return (
            f"refused what plays for {played_s:.2f} s: {outcome.refusal}"
            if played_s > AUDIBLE_S
            else ""
        )
    recording, sound = outcome.value
    audio = recording.audio
    if not np.isfinite(audio).all() or np.abs(audio).max() > 1:
        return "samples beyond full scale, or NaN"
    # a decoder's tail is cut off from the motion
    if abs(len(sound) / 48_000 - len(audio) / 16_000) > 0.11:
        return (
            f"{len(audio) / 16_000:.3f} s for the motion, {len(sound) / 48_000:.3f} s in the video"
        )
    silence_s = recording.start_s + sum(length_s for _, length_s in recording.gaps)
    if len(audio) / 16_000 < 0.9 * played_s - 1.1 - silence_s:
        return f"{len(audio) / 16_000:.2f} s of the {played_s:.2f} s that a player plays"
    if known:
        return _judge_whole(audio, recording.notes)
    return ""


def _judge_whole(audio: np.ndarray, notes: tuple[str, ...]) -> str:
    if abs(len(audio) / 16_000 - 1.5) > 0.12:
        return f"{len(audio) / 16_000:.3f} s instead of 1.5"
    if notes:
        return f"a false notice: {notes[0]}"
    if not 0.8 < rms(audio) / rms(SPEECH) < 1.2:
        return f"{rms(audio) / rms(SPEECH):.2f} times as loud"
    return ""
