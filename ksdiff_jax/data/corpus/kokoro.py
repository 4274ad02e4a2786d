"""Kokoro-82M through the package `kokoro-onnx`: text to 24 kHz speech with the times of its phones.

The model predicts the duration of every letter of its input, which is IPA with stress marks,
punctuation and blanks. Only exports with the output `duration` return them. A stress mark and a
length mark have durations of their own; they belong to the vowel after and the letter before them.
Blanks and punctuation have durations too, whether the voice pauses or not: where the sound is
silent they are a pause, elsewhere the letters on both sides share their time. The sound is ahead of
the durations by `LEAD_S`: in two English sentences by four voices the energy correlates best with
vowels that are 40 to 60 ms earlier (in flite's by four voices, 0 to 10 ms later). Any voice speaks
any language, with its own accent.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.corpus.espeak import PhonemeTime, SpokenText
from ksdiff_jax.data.corpus.recordings.phone_names import ipa
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.typing import Float

# Of the corpus, by the names that the package's conversion to IPA has for them.
LANGUAGES = {"en": "en-us", "es": "es", "fr": "fr-fr", "it": "it", "pt": "pt-br"}
HOW_TO_GET = (
    "kokoro-v1.0.onnx and voices-v1.0.bin of "
    "https://github.com/thewh1teagle/kokoro-onnx/releases/tag/model-files-v1.1"
)
LEAD_S = 0.05
SILENT_SHARE = 0.01  # of the median power of the letters
_STRESS, _AFTER = "ˈˌ", "ːˑʰʲ̩̃"


class KokoroVoice(NamedTuple):
    """Parameters of a voice; names and scales are the package's own."""

    name: str  # af_heart, bm_george
    language: str = "en-us"
    speed: float = 1.0  # 0.5 .. 2


class Kokoro:
    """The model in a folder with one `.onnx` file and the file of its voices, `voices*.bin`."""

    def __init__(self, folder: str = "") -> None:
        try:
            import kokoro_onnx
        except ImportError as error:
            raise InputError(
                "kokoro-onnx is not installed; install ksdiff-jax[kokoro], and download "
                f"{HOW_TO_GET}"
            ) from error
        if not folder:
            raise InputError(
                f"kokoro needs the folder of its model: --voices kokoro=DIR, with {HOW_TO_GET}"
            )
        models = sorted(Path(folder).glob("*.onnx"))
        voices = sorted(Path(folder).glob("voices*.bin"))
        if len(models) != 1 or len(voices) != 1:
            raise InputError(
                f"{folder}: {len(models)} files *.onnx and {len(voices)} voices*.bin, one of each "
                f"is needed; download {HOW_TO_GET}"
            )
        try:
            self._model = kokoro_onnx.Kokoro(str(models[0]), str(voices[0]))
        except Exception as error:  # of onnxruntime, NumPy or phonemizer
            raise InputError(
                f"{models[0]}: cannot be loaded ({first_line(error)}); download {HOW_TO_GET}"
            ) from error
        if not getattr(self._model, "has_timings", False):
            raise InputError(
                f"{models[0]}: without the output `duration`, which gives the times of phones; "
                f"download {HOW_TO_GET}, for kokoro-onnx 0.6 or later"
            )
        self.names = tuple(sorted(self._model.voices.keys()))

    def speak(self, text: str, *, voice: KokoroVoice) -> SpokenText:
        """Synthesise one sentence."""
        audio, rate_hz, spoken = self._model.create_timed(
            text, voice=voice.name, speed=voice.speed, lang=voice.language
        )
        peak = max(float(np.abs(audio).max(initial=0.0)), 1.0)
        samples = np.round(audio / peak * 32767).astype(np.int16)
        times = [
            (part.phoneme, max(0.0, part.start - LEAD_S), max(0.0, part.end - LEAD_S))
            for part in spoken
        ]
        phonemes = without_false_pauses(phonemes_of(times), samples / 32768.0, rate_hz=rate_hz)
        return SpokenText(samples, rate_hz, phonemes, words=())


def phonemes_of(letters: Iterable[tuple[str, float, float]]) -> tuple[PhonemeTime, ...]:
    """Return the phonemes of single letters with their times, and pauses where no letter is."""
    phonemes: list[PhonemeTime] = []
    mark, mark_s = "", 0.0
    for letter, start_s, end_s in letters:
        if letter in _STRESS:
            mark, mark_s = letter, start_s
            continue
        name = ipa(letter) or ""
        follows = bool(phonemes) and not mark
        if follows and (letter in _AFTER or not (name or phonemes[-1].ipa)):
            phonemes[-1] = phonemes[-1]._replace(end_s=end_s)
        elif end_s > start_s:
            start_s = mark_s if mark else start_s
            phonemes.append(PhonemeTime(mark + name if name else "", start_s, end_s))
        mark = ""
    return tuple(phonemes)


def without_false_pauses(
    phonemes: tuple[PhonemeTime, ...], samples: Float[np.ndarray, "n"], *, rate_hz: int
) -> tuple[PhonemeTime, ...]:
    """Divide the pauses that are not silent among the phonemes beside them."""
    level = [_power(samples[int(p.start_s * rate_hz) : int(p.end_s * rate_hz)]) for p in phonemes]
    spoken = [own for own, phoneme in zip(level, phonemes, strict=True) if phoneme.ipa]
    quiet = SILENT_SHARE * float(np.median(spoken)) if spoken else 0.0
    kept = list(phonemes)
    for at in range(len(phonemes) - 2, 0, -1):
        pause = kept[at]
        if not pause.ipa and level[at] > quiet:
            middle_s = (pause.start_s + pause.end_s) / 2
            kept[at - 1] = kept[at - 1]._replace(end_s=middle_s)
            kept[at + 1] = kept[at + 1]._replace(start_s=middle_s)
            del kept[at]
    return tuple(kept)


def _power(samples: Float[np.ndarray, "n"]) -> float:
    return float(np.mean(samples**2)) if samples.size else 0.0
