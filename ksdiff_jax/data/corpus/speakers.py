"""The speakers of the built-in corpus: espeak voice variants, accents, and their variation between
clips.

A voice is an espeak variant (a set of formant shifts, pitch, breath and roughness). Each variant
belongs to one split in every language, so that the voices of the test split do not occur in
training. The rate, pitch and pitch range of a voice vary between clips. In addition, the recording
is resampled by a factor that stretches the spectrum as a longer or shorter vocal tract would (its
times are stretched too). The speakers of flite and Kokoro vary in the same ways, as far as they
can.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.corpus.espeak import Voice
from ksdiff_jax.data.corpus.flite import FliteVoice
from ksdiff_jax.data.corpus.kokoro import LANGUAGES as KOKORO_LANGUAGES
from ksdiff_jax.data.corpus.kokoro import KokoroVoice
from ksdiff_jax.data.corpus.sentences import Split
from ksdiff_jax.errors import InputError

# Robots, whispers and echo effects are excluded, because no filmed speaker sounds like them.
VARIANTS: dict[Split, tuple[str, ...]] = {
    "test": ("m4", "f4", "Andrea", "benjamin", "klatt3", "steph2", "victor", "linda"),
    "val": ("m6", "f3", "caleb", "belinda", "klatt4", "Reed"),
    "train": (
        "m1",
        "m2",
        "m3",
        "m5",
        "m7",
        "m8",
        "f1",
        "f2",
        "f5",
        "klatt",
        "klatt2",
        "Alex",
        "Alicia",
        "Andy",
        "Annie",
        "Denis",
        "Diogo",
        "Gene",
        "Gene2",
        "Henrique",
        "Hugo",
        "Jacky",
        "Lee",
        "Marco",
        "Mario",
        "Michael",
        "Mike",
        "Nguyen",
        "RicishayMax",
        "RicishayMax2",
        "adam",
        "anika",
        "announcer",
        "antonio",
        "aunty",
        "boris",
        "david",
        "ed",
        "edward",
        "edward2",
        "grandma",
        "grandpa",
        "gustave",
        "ian",
        "iven",
        "iven2",
        "iven3",
        "iven4",
        "john",
        "kaukovalta",
        "marcelo",
        "max",
        "michel",
        "miguel",
        "mike2",
        "norbert",
        "pablo",
        "paul",
        "pedro",
        "quincy",
        "rob",
        "robert",
        "sandro",
        "shelby",
        "steph",
        "steph3",
        "travis",
        "zac",
    ),
}

# flite's voices, each of one person, with the pitch of the recordings in Hz.
FLITE_VOICES: dict[Split, dict[str, float]] = {
    "test": {"rms": 104.0},
    "val": {"kal16": 97.0},
    "train": {"slt": 169.0, "awb": 118.0},
}
TRACT_FACTOR = (0.85, 1.18)

# espeak's language names (with accents) for each language of the phrasebook.
ACCENTS: dict[str, tuple[str, ...]] = {
    "en": (
        "en",
        "en-us",
        "en-us",
        "en-gb-x-rp",
        "en-gb-scotland",
        "en-us-nyc",
        "en-029",
        "en-gb-x-gbclan",
    ),
    "es": ("es", "es-419"),
    "fr": ("fr", "fr-ch"),
    "de": ("de",),
    "it": ("it",),
    "pt": ("pt", "pt-br"),
    "zh": ("cmn",),
    "nl": ("nl",),
    "ru": ("ru",),
}


class Speaker(NamedTuple):
    speaker_id: str  # espeak language + variant, flite/voice or kokoro/voice
    voice: Voice | FliteVoice | KokoroVoice
    tract_factor: float  # > 1: shorter vocal tract, higher formants and shorter times


def draw_speaker(rng: np.random.Generator, *, language: str, split: Split) -> Speaker:
    """Draw a random speaker of a language among the voices of a split."""
    accents, variants = ACCENTS[language], VARIANTS[split]
    accent = accents[int(rng.integers(len(accents)))]
    variant = variants[int(rng.integers(len(variants)))]
    tract_factor = float(rng.uniform(*TRACT_FACTOR))
    # The rate of the recording is espeak's rate times the factor; divide by it, so that both vary
    # independently.
    words_per_minute = int(np.clip(rng.normal(165, 25), 110, 230) / tract_factor)
    voice = Voice(
        name=f"{accent}+{variant}",
        words_per_minute=max(80, words_per_minute),
        pitch=int(np.clip(rng.normal(50, 14), 15, 90)),
        pitch_range=int(np.clip(rng.normal(55, 20), 10, 99)),
    )
    return Speaker(voice.name, voice, tract_factor)


def draw_flite_speaker(rng: np.random.Generator, *, language: str, split: Split) -> Speaker:
    """Draw a random speaker among flite's voices of a split, which speak English only."""
    pitches = FLITE_VOICES[split]
    name = tuple(pitches)[int(rng.integers(len(pitches)))]
    tract_factor = float(rng.uniform(*TRACT_FACTOR))
    voice = FliteVoice(
        name=name,
        duration_stretch=float(np.clip(rng.normal(1.0, 0.15), 0.75, 1.4)) * tract_factor,
        pitch_hz=pitches[name] * float(np.clip(rng.normal(1.0, 0.12), 0.75, 1.35)) / tract_factor,
    )
    return Speaker(f"flite/{name}", voice, tract_factor)


def draw_kokoro_speaker(
    rng: np.random.Generator, *, language: str, split: Split, names: Sequence[str]
) -> Speaker:
    """Draw a random speaker among those of Kokoro's voices that belong to a split."""
    own = [name for name in names if kokoro_split(name) == split]
    if not own:
        raise InputError(
            f"none of the {len(names)} voices of kokoro belongs to the split {split}; use the file "
            "with all of its voices"
        )
    name = own[int(rng.integers(len(own)))]
    tract_factor = float(rng.uniform(*TRACT_FACTOR))
    voice = KokoroVoice(
        name=name,
        language=KOKORO_LANGUAGES[language],
        speed=float(np.clip(rng.normal(1.0, 0.12) / tract_factor, 0.5, 2.0)),
    )
    return Speaker(f"kokoro/{name}", voice, tract_factor)


def kokoro_split(name: str) -> Split:
    """Return the only split in which a voice of Kokoro may occur, by a checksum of its name."""
    residue = zlib.crc32(name.encode()) % 10
    return {0: "test", 1: "val"}.get(residue, "train")
