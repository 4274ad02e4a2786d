"""espeak-ng through ctypes: converts text to 22.05 kHz speech with phoneme and word times.

`espeakng-loader` ships the library and its data in a wheel (it is GPL and therefore in the extra
`corpus`, never a dependency). espeak calls back with blocks of samples and with events. Each event
has a type, a time in milliseconds from the start of the utterance and, for phonemes, an IPA name. A
phoneme lasts until the next event. Stress is a ˈ or ˌ in front of a vowel's name; a pause is a
phoneme with an empty name or an underscore.

espeak keeps state between calls (noise generators, wave table positions), so the same sentence
synthesised twice in one process differs. A fresh process that makes the same calls returns the same
samples; `worker.py` relies on that.
"""

import ctypes
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Int

AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_PHONEME_EVENTS, INITIALIZE_PHONEME_IPA, INITIALIZE_DONT_EXIT = 0x1, 0x2, 0x8000
CHARS_UTF8, ENDPAUSE = 0x1, 0x1000
EVENT_END_OF_LIST, EVENT_WORD, EVENT_END, EVENT_PHONEME = 0, 1, 5, 7
PARAMETER_RATE, PARAMETER_PITCH, PARAMETER_RANGE = 1, 3, 4
LONGEST_DATA_PATH = 150  # espeak copies the path into a buffer of 160 bytes


class Voice(NamedTuple):
    """Parameters of espeak's voice; names and scales are espeak's own."""

    name: str  # language, "+", variant: "en+f3"
    words_per_minute: int = 175  # 80 .. 450
    pitch: int = 50  # 0 .. 99
    pitch_range: int = 50  # 0 .. 99, 0 is a monotone


class PhonemeTime(NamedTuple):
    ipa: str  # with its stress mark; "" for a pause
    start_s: float
    end_s: float


class WordTime(NamedTuple):
    word: str
    start_s: float
    end_s: float


class SpokenText(NamedTuple):
    samples: Int[np.ndarray, "n"]  # int16
    sample_rate_hz: int
    phonemes: tuple[PhonemeTime, ...]
    words: tuple[WordTime, ...]


class _EventName(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventName),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The only synthesiser of this process (the library has global state: create one, in a separate
    process).
    """

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise InputError(
                "the built-in corpus needs espeak-ng, which is not installed; install "
                "ksdiff-jax[corpus]"
            ) from error
        data = str(espeakng_loader.get_data_path())
        if len(os.fsencode(data)) > LONGEST_DATA_PATH:
            raise InputError(
                f"espeak-ng cannot read data below a path of {len(data)} characters (at most "
                f"{LONGEST_DATA_PATH}): {data}; install into a folder with a shorter path"
            )
        self._library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        options = INITIALIZE_PHONEME_EVENTS | INITIALIZE_PHONEME_IPA | INITIALIZE_DONT_EXIT
        rate = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data), options
        )
        if rate <= 0:
            raise InputError(
                f"espeak-ng could not load its data from {data}; reinstall espeakng-loader"
            )
        # The noise of breathy voices; by default its generator is seeded with the time of day in
        # seconds.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self.sample_rate_hz: int = rate
        self.data_folder = Path(data)
        self._blocks: list[np.ndarray] = []
        self._events: list[tuple[int, float, str, int, int]] = []
        self._callback = _Callback(self._receive)  # referenced as long as the library may call it
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, *, voice: Voice) -> SpokenText:
        """Synthesise one text.

        Times are espeak's own event times, in seconds of the returned samples.
        """
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise InputError(
                f"espeak-ng has no voice {voice.name!r}; name a language such as en, es or en+f3"
            )
        for parameter, value in (
            (PARAMETER_RATE, voice.words_per_minute),
            (PARAMETER_PITCH, voice.pitch),
            (PARAMETER_RANGE, voice.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._blocks, self._events = [], []
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, CHARS_UTF8 | ENDPAUSE, None, None)
        samples = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.int16)
        end_s = len(samples) / self.sample_rate_hz
        return SpokenText(
            samples,
            self.sample_rate_hz,
            _phonemes(self._events, end_s=end_s),
            _words(self._events, text=text, end_s=end_s),
        )

    def _receive(self, wave, count, events) -> int:
        if wave and count > 0:
            self._blocks.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())
        index = 0
        while events[index].type != EVENT_END_OF_LIST:
            event = events[index]
            name = event.id.string.decode("utf-8", "replace") if event.type == EVENT_PHONEME else ""
            self._events.append(
                (
                    event.type,
                    event.audio_position_ms / 1000,
                    name,
                    event.text_position,
                    event.length,
                )
            )
            index += 1
        return 0


def _phonemes(
    events: list[tuple[int, float, str, int, int]], *, end_s: float
) -> tuple[PhonemeTime, ...]:
    """Return each phoneme with the time from its event to the next phoneme's event; pauses are
    included.
    """
    marks = [(time_s, _ipa(name)) for kind, time_s, name, *_ in events if kind == EVENT_PHONEME]
    ends = [time_s for time_s, _ in marks[1:]] + [end_s]
    return tuple(
        PhonemeTime(name, start_s, max(start_s, stop_s))
        for (start_s, name), stop_s in zip(marks, ends, strict=True)
        if stop_s > start_s
    )


def _ipa(name: str) -> str:
    """Return the IPA of an event's name: "" for pauses and for the "(en)" with which espeak marks a
    foreign word.
    """
    return "" if name.startswith("(") else name.strip("_:-")


def _words(
    events: list[tuple[int, float, str, int, int]], *, text: str, end_s: float
) -> tuple[WordTime, ...]:
    """Return each word with the time from its event to the next word's event or the end of its
    sentence.
    """
    marks = [
        (time_s, text[position - 1 : position - 1 + length] if kind == EVENT_WORD else "")
        for kind, time_s, _, position, length in events
        if kind in (EVENT_WORD, EVENT_END)
    ]
    ends = [time_s for time_s, _ in marks[1:]] + [end_s]
    return tuple(
        WordTime(word, start_s, stop_s)
        for (start_s, word), stop_s in zip(marks, ends, strict=True)
        if word and stop_s > start_s
    )
