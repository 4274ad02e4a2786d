"""Forced alignment of English: the times of the phones of a recording whose words are known.

pocketsphinx contains acoustic models of American English and a dictionary of 130,000 words. It
decodes the recording twice: as the sequence of the words, which gives their pronunciations and the
silences between them, and as the phones of those. Times are in steps of 10 ms. Words outside the
dictionary, numbers in digits among them, cannot be aligned.
"""

import re
from pathlib import Path

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.audio.waveform import load_audio, to_int16
from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.spoken_words import Spoken

FRAMES_PER_S = 100
HOW_TO_GET = "install ksdiff-jax[align]"
_SPOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*['’]?")
_VARIANT = re.compile(r"\(\d+\)$")  # of a word's pronunciation
_SILENCES = ("SIL", "<sil>", "<s>", "</s>")


class Unaligned(Exception):
    """The words of a recording do not fit its sound or are not in the dictionary."""


class Aligner:
    """One decoder; it is loaded once for all recordings."""

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise InputError(
                f"pocketsphinx is not installed, which finds the times of phones; {HOW_TO_GET}"
            ) from error
        self._decoder = Decoder(samprate=SAMPLE_RATE_HZ, lm=None, loglevel="FATAL")

    def align(self, path: Path, transcript: str) -> SpeechTimes:
        """Return the phones (in ARPABET) and words of a recording.

        Raises `Unaligned` with the reason if it cannot.
        """
        words = [word.lower().replace("’", "'") for word in _SPOKEN.findall(transcript)]
        unknown = sorted({word for word in words if self._decoder.lookup_word(word) is None})
        if unknown or not words:
            raise Unaligned(
                f"not in the dictionary: {', '.join(unknown[:5])}" if words else "no words"
            )
        sound = to_int16(load_audio(path)).tobytes()
        try:
            self._decoder.set_align_text(" ".join(words))
            self._decode(sound)
            if self._decoder.hyp() is None:
                raise Unaligned("its words do not fit the sound")
            self._decoder.set_alignment()
            self._decode(sound)
            entries = [(word, list(word)) for word in self._decoder.get_alignment()]
        except RuntimeError as error:
            raise Unaligned("its words do not fit the sound") from error
        spoken = [(word, phones) for word, phones in entries if word.name not in _SILENCES]
        return SpeechTimes(
            tuple(_timed(phone, phone.name) for _, phones in spoken for phone in phones),
            tuple(_timed(word, _VARIANT.sub("", word.name)) for word, _ in spoken),
        )

    def pronunciation(self, word: str) -> tuple[str, ...]:
        """Return the phones (in ARPABET) of a word; none if it is not in the dictionary."""
        return tuple((self._decoder.lookup_word(word) or "").split())

    def _decode(self, sound: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()


def _timed(entry, name: str) -> Spoken:
    return Spoken(name, entry.start / FRAMES_PER_S, (entry.start + entry.duration) / FRAMES_PER_S)
