"""The speakers of the built-in corpus: espeak voice variants, accents, and their variation between
clips.

A voice is an espeak variant (a set of formant shifts, pitch, breath and roughness). Each variant
belongs to one split in every language, so that the voices of the test split do not occur in
training. The rate, pitch and pitch range of a voice vary between clips. In addition, the recording
is resampled by a factor that stretches the spectrum as a longer or shorter vocal tract would (its
times are stretched too).
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.corpus.espeak import Voice
from ksdiff_jax.data.corpus.sentences import Split

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
    speaker_id: str  # espeak language + variant
    voice: Voice
    tract_factor: float  # > 1: shorter vocal tract, higher formants and shorter times


def draw_speaker(rng: np.random.Generator, *, language: str, split: Split) -> Speaker:
    """Draw a random speaker of a language among the voices of a split."""
    accents, variants = ACCENTS[language], VARIANTS[split]
    accent = accents[int(rng.integers(len(accents)))]
    variant = variants[int(rng.integers(len(variants)))]
    tract_factor = float(rng.uniform(0.85, 1.18))
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
