"""The corpus's own sentences: random expansions of the grammars in `phrasebook.py`, disjoint
between the splits.

A sentence belongs to exactly one split, by a checksum of its text alone: out of 20 checksums 2 are
validation, 2 are test, the rest is training. No sentence of one split can therefore occur in
another one, for any seed, and a larger corpus never moves a sentence between splits.
"""

import re
import zlib
from typing import Literal

import numpy as np

from ksdiff_jax.data.corpus.phrasebook import GRAMMARS, Grammar
from ksdiff_jax.errors import InputError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
LANGUAGES: tuple[str, ...] = tuple(GRAMMARS)

_SYMBOL = re.compile(r"\{(\w+)\}")
_MAX_DRAWS = 1000


def sentence_split(sentence: str) -> Split:
    """Return the only split in which a sentence may occur."""
    residue = zlib.crc32(sentence.encode()) % 20
    if residue in (0, 1):
        return "test"
    return "val" if residue in (2, 3) else "train"


def draw_sentence(rng: np.random.Generator, *, language: str, split: Split) -> str:
    """Draw a random sentence of a language that belongs to a split."""
    if language not in GRAMMARS:
        raise InputError(
            f"no sentences for the language {language!r}; choose among {', '.join(LANGUAGES)}"
        )
    for _ in range(_MAX_DRAWS):
        sentence = _capitalised(_expand(GRAMMARS[language], "sentence", rng))
        if sentence_split(sentence) == split:
            return sentence
    raise RuntimeError(
        f"no sentence of split {split} in {_MAX_DRAWS} draws of the {language} grammar"
    )


def _expand(grammar: Grammar, symbol: str, rng: np.random.Generator) -> str:
    alternatives = grammar[symbol]
    text = alternatives[int(rng.integers(len(alternatives)))]
    return _SYMBOL.sub(lambda match: _expand(grammar, match.group(1), rng), text)


def _capitalised(sentence: str) -> str:
    first = next((index for index, character in enumerate(sentence) if character.isalpha()), 0)
    return sentence[:first] + sentence[first].upper() + sentence[first + 1 :]
