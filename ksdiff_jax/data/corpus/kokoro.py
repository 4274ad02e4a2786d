"""Kokoro-82M through the package `kokoro-onnx`: text to 24 kHz speech with the times of its phones.

The model predicts the duration of every letter of its input, which is IPA with stress marks,
punctuation and blanks. Only exports with the output `duration` return them. A stress mark and a
length mark have durations of their own; they belong to the vowel after and the letter before them.
What is no letter is a pause. Any voice speaks any language, with its own accent.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.corpus.espeak import PhonemeTime, Utterance
from ksdiff_jax.data.corpus.recordings.phone_names import ipa
from ksdiff_jax.errors import InputError, first_line

# Of the corpus, by the names that the package's conversion to IPA has for them.
LANGUAGES = {"en": "en-us", "es": "es", "fr": "fr-fr", "it": "it", "pt": "pt-br"}
HOW_TO_GET = (
    "kokoro-v1.0.onnx and voices-v1.0.bin of "
    "https://github.com/thewh1teagle/kokoro-onnx/releases/tag/model-files-v1.1"
)
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
                f"kokoro-onnx is not installed; pip install kokoro-onnx, and download {HOW_TO_GET}"
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

    def speak(self, text: str, *, voice: KokoroVoice) -> Utterance:
        """Synthesise one sentence."""
        audio, rate_hz, spoken = self._model.create_timed(
            text, voice=voice.name, speed=voice.speed, lang=voice.language
        )
        peak = max(float(np.abs(audio).max(initial=0.0)), 1.0)
        samples = np.round(audio / peak * 32767).astype(np.int16)
        times = ((part.phoneme, part.start, part.end) for part in spoken)
        return Utterance(samples, rate_hz, phonemes_of(times), words=())


def phonemes_of(letters: Iterable[tuple[str, float, float]]) -> tuple[PhonemeTime, ...]:
    """Return the phonemes of single letters with their times."""
    phonemes: list[PhonemeTime] = []
    mark, mark_s = "", 0.0
    for letter, start_s, end_s in letters:
        if letter in _STRESS:
            mark, mark_s = letter, start_s
            continue
        if letter in _AFTER:
            if phonemes and not mark:
                phonemes[-1] = phonemes[-1]._replace(end_s=end_s)
            continue
        name = ipa(letter) or ""
        if end_s > start_s:
            phonemes.append(
                PhonemeTime(mark + name if name else "", mark_s if mark else start_s, end_s)
            )
        mark = ""
    return tuple(phonemes)
