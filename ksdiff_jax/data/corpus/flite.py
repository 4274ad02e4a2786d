"""flite: English text to 16 kHz speech of voices recorded from people, with the ends of its phones.

The program `flite` is called for every sentence. Two of its options print the phones of what it
synthesises: `-psdur` their ends in seconds, `-psstress` the stress of the vowels.

    pau:0.217 b:0.297 ow:0.506 t:0.614 pau:0.783
    pau b ow1 t pau

The names are ARPABET. flite prints no times of words. The same call gives the same samples. A
diphone voice ends up to 0.15 s earlier than its last pause.
"""

import shutil
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.corpus.espeak import PhonemeTime, SpokenText
from ksdiff_jax.data.corpus.recordings.phone_names import arpabet, is_silence
from ksdiff_jax.errors import InputError

LANGUAGES = ("en",)
LONGEST_CALL_S = 60.0


class FliteVoice(NamedTuple):
    """Parameters of a voice; name and scales are flite's own."""

    name: str  # slt, awb, rms, kal16
    duration_stretch: float = 1.0  # more is slower
    pitch_hz: float = 0.0  # mean; 0 leaves it as recorded


class Flite:
    """The program, found once."""

    def __init__(self, program: str = "") -> None:
        self._program = shutil.which(program or "flite") or ""
        if not self._program:
            raise InputError(
                f"{program or 'the program flite'} is not installed; install flite (on Debian or "
                "Ubuntu: apt install flite), or name its path: flite=PATH"
            )
        self.names = tuple(self._run("-lv").partition(":")[2].split())

    def speak(self, text: str, *, voice: FliteVoice) -> SpokenText:
        """Synthesise one sentence."""
        if voice.name not in self.names:
            raise InputError(
                f"{self._program} has no voice {voice.name!r}, only {' '.join(self.names)}; "
                "install a flite with all of its voices"
            )
        options = ["-voice", voice.name, "--setf", f"duration_stretch={voice.duration_stretch:.3f}"]
        if voice.pitch_hz:
            options += ["--setf", f"int_f0_target_mean={voice.pitch_hz:.1f}"]
        options += ["-t", text]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            ends = self._run(*options, "-psdur", "-o", str(path))
            stresses = self._run(*options, "-psstress", "-o", "none")
            samples, rate_hz = _samples(path)
        phonemes = phonemes_of(ends, stresses, end_s=len(samples) / rate_hz)
        return SpokenText(samples, rate_hz, phonemes, words=())

    def _run(self, *arguments: str) -> str:
        try:
            result = subprocess.run(
                [self._program, *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LONGEST_CALL_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"{self._program} cannot be run ({error}); reinstall flite") from error
        if result.returncode != 0:
            reason = " ".join((result.stderr or result.stdout).split())[:200]
            raise InputError(
                f"{self._program} ended with status {result.returncode} ({reason}); reinstall flite"
            )
        return result.stdout


def phonemes_of(ends: str, stresses: str, *, end_s: float) -> tuple[PhonemeTime, ...]:
    """Return the phonemes that `-psdur` and `-psstress` print, within a sound of `end_s`."""
    names, times = [], []
    for item in ends.split():
        name, _, time_s = item.rpartition(":")
        try:
            times.append(min(float(time_s), end_s))
        except ValueError as error:
            raise InputError(
                f"flite printed {item!r} where `phone:end` is expected; flite 2.0 or later is "
                "needed"
            ) from error
        names.append(name)
    marked = stresses.split()
    if [name.rstrip("012") for name in marked] != names:
        marked = names  # stresses of another division in phones
    phonemes = []
    for name, start_s, stop_s in zip(marked, [0.0, *times], times, strict=False):
        ipa = "" if is_silence(name) else arpabet(name)
        if ipa is None:
            raise InputError(f"flite printed the phone {name!r}, which is no ARPABET name")
        if stop_s > start_s:
            phonemes.append(PhonemeTime(ipa, start_s, stop_s))
    return tuple(phonemes)


def _samples(path: Path) -> tuple[np.ndarray, int]:
    try:
        with wave.open(str(path), "rb") as file:
            data = file.readframes(file.getnframes())
            return np.frombuffer(data, "<i2").astype(np.int16), file.getframerate()
    except (OSError, wave.Error, EOFError) as error:
        raise InputError(f"flite wrote no sound ({error}); reinstall flite") from error
