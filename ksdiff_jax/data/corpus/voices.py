"""The synthesisers of the corpus: espeak, and those that a user has installed beside it.

Clip k of a split is spoken by voice k modulo their number, so that all have an equal share. A voice
is named, or named with the path of its program or model: `flite`, `flite=PATH`, `kokoro=DIR`. The
voice `none` is no synthesiser: its clips have no speech (listening.py).
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ksdiff_jax.data.corpus import flite, kokoro
from ksdiff_jax.data.corpus.espeak import Espeak, SpokenText
from ksdiff_jax.data.corpus.sentences import LANGUAGES
from ksdiff_jax.data.corpus.speakers import (
    Speaker,
    draw_flite_speaker,
    draw_kokoro_speaker,
    draw_speaker,
)
from ksdiff_jax.errors import InputError

ESPEAK = ("espeak",)
UNVOICED = "none"
VOICES = ("espeak", "flite", "kokoro", UNVOICED)


class Synthesiser(NamedTuple):
    """A way to make speech; `speak(text, voice=...)` takes the voices of its speakers."""

    languages: tuple[str, ...]
    draw_speaker: Callable[..., Speaker]
    speak: Callable[..., SpokenText]


def check_voices(voices: Sequence[str], *, languages: Sequence[str]) -> None:
    """Raise `InputError` for unknown or repeated voices, and for one without a language."""
    names = voice_names(voices)
    for name in names:
        if name not in VOICES:
            raise InputError(f"no voice {name!r}; choose among {' '.join(VOICES)}")
        if names.count(name) > 1:
            raise InputError(f"the voice {name} is named twice; all have an equal share of clips")
        if name == UNVOICED:
            if UNVOICED not in voices:
                raise InputError(f"the voice {name} has no program or model; leave the = out")
            continue
        known = {"espeak": LANGUAGES, "flite": flite.LANGUAGES, "kokoro": tuple(kokoro.LANGUAGES)}
        if not set(known[name]) & set(languages):
            raise InputError(
                f"{name} speaks {' '.join(known[name])}, none of the languages "
                f"{' '.join(languages)}; add one of them or leave {name} out"
            )


def voice_names(voices: Sequence[str]) -> list[str]:
    """Return the names without paths."""
    return [voice.partition("=")[0] for voice in voices]


def open_voice(voice: str, *, languages: Sequence[str]) -> Synthesiser | None:
    """Return a synthesiser for those of the languages that it speaks, or None for the voice `none`;
    raise `InputError` with what to install if it is not there.
    """
    name, _, path = voice.partition("=")
    if name == UNVOICED:
        return None
    if name == "flite":
        program = flite.Flite(path)
        return Synthesiser(
            tuple(found for found in languages if found in flite.LANGUAGES),
            draw_flite_speaker,
            program.speak,
        )
    if name == "kokoro":
        model = kokoro.Kokoro(path)
        return Synthesiser(
            tuple(found for found in languages if found in kokoro.LANGUAGES),
            functools.partial(draw_kokoro_speaker, names=model.names),
            model.speak,
        )
    return Synthesiser(tuple(languages), draw_speaker, Espeak().speak)
