"""Articulatory targets of phoneme classes: the target position of each articulator, and its
dominance.

Every IPA symbol belongs to a class. A class gives some of the articulators a `Target` = (value,
dominance). An articulator that a class omits is free: the neighbouring phonemes determine it.
Values are shares of the speech range (0 rest, 1 the extreme of clear speech); dominances are the α
of `dominance.py`. The openings of vowels follow their first formant (open vowels are low vowels),
rounding and spreading follow their second. Consonants constrain only what their place of
articulation requires: lips together for p b m, lower lip to the upper teeth for f v, teeth close
for s z ʃ t d.
"""

import unicodedata
from typing import NamedTuple

JAW, CLOSE, TUCK, PUCKER, FUNNEL, STRETCH, LOWER, UPPER, CHIN, CHEEK = range(10)
ARTICULATORS = (
    "jaw",
    "close",
    "tuck",
    "pucker",
    "funnel",
    "stretch",
    "lower",
    "upper",
    "chin",
    "cheek",
)


class Target(NamedTuple):
    value: float
    dominance: float


class Segment(NamedTuple):
    """A stretch of time with one set of targets; a diphthong or an affricate has several."""

    symbol: str  # one IPA letter, "" in pauses
    start_s: float
    end_s: float
    stress: int  # 2 primary, 1 secondary, 0 none


def vowel_lips(opening: float, *, round: float) -> tuple[float, float]:
    """Return the values of the lower and the upper lip of a vowel, which follow its opening."""
    return 0.25 + 0.35 * opening * (1 - round), 0.10 + 0.25 * opening * (1 - round)


def _vowel(opening: float, *, round: float = 0.0, spread: float = 0.0) -> dict[int, Target]:
    lower, upper = vowel_lips(opening, round=round)
    return {
        JAW: Target(opening, 1.0),
        CLOSE: Target(0.0, 1.0),
        TUCK: Target(0.0, 1.0),
        PUCKER: Target(round, 1.0),
        FUNNEL: Target(0.4 * round, 0.8),
        STRETCH: Target(spread, 0.8),
        LOWER: Target(lower, 0.8),
        UPPER: Target(upper, 0.8),
        CHIN: Target(0.0, 0.5),
        CHEEK: Target(0.0, 0.5),
    }


def _consonant(
    jaw: float, jaw_dominance: float, **targets: tuple[float, float]
) -> dict[int, Target]:
    """Return a consonant with parted lips unless `targets` overrides that; articulators not given
    are free.
    """
    result = {JAW: Target(jaw, jaw_dominance), CLOSE: Target(0.0, 0.6), TUCK: Target(0.0, 0.6)}
    result |= {ARTICULATORS.index(name): Target(*target) for name, target in targets.items()}
    return result


_BILABIAL = _consonant(
    0.18,
    0.9,
    close=(1.0, 40.0),
    lower=(0.0, 2.0),
    upper=(0.0, 2.0),
    chin=(0.25, 1.0),
    cheek=(0.15, 1.0),
)
_LABIODENTAL = _consonant(
    0.14, 1.5, tuck=(1.0, 20.0), lower=(0.0, 3.0), upper=(0.2, 1.5), stretch=(0.1, 0.5)
)
_DENTAL = _consonant(0.32, 0.8, lower=(0.35, 0.8), upper=(0.15, 0.5))
_ALVEOLAR = _consonant(0.34, 0.7, lower=(0.3, 0.5), stretch=(0.15, 0.2))
_SIBILANT = _consonant(0.42, 1.2, lower=(0.45, 1.0), upper=(0.2, 0.8), stretch=(0.35, 0.6))
_HUSHING = _consonant(
    0.26, 1.2, funnel=(0.75, 1.5), pucker=(0.35, 1.0), lower=(0.4, 0.8), stretch=(0.0, 0.8)
)
_LATERAL = _consonant(0.4, 0.6, lower=(0.3, 0.4))
_RHOTIC = _consonant(0.2, 0.8, pucker=(0.35, 0.7), funnel=(0.3, 0.7))
_TAP = _consonant(0.4, 0.3)
_PALATAL = _consonant(0.35, 0.7, stretch=(0.4, 0.5), lower=(0.3, 0.4))
_VELAR = _consonant(0.45, 0.4)
_GLOTTAL = _consonant(0.5, 0.12)
_LABIOVELAR = _consonant(
    0.05,
    1.0,
    close=(0.45, 1.5),
    pucker=(1.0, 2.5),
    funnel=(0.4, 1.2),
    lower=(0.1, 1.0),
    stretch=(0.0, 1.5),
)
_SOFT_BILABIAL = _consonant(0.18, 0.9, close=(0.72, 6.0), lower=(0.05, 1.0), upper=(0.0, 1.0))
_PAUSE = {index: Target(0.0, 0.35) for index in range(len(ARTICULATORS))} | {
    CLOSE: Target(1.0, 0.5)
}

CLASSES: tuple[tuple[str, dict[int, Target]], ...] = (
    ("a ɑ ɐ ɶ", _vowel(1.0)),
    ("æ", _vowel(0.9, spread=0.25)),
    ("ʌ", _vowel(0.75)),
    ("ɒ", _vowel(0.8, round=0.25)),
    ("ɔ", _vowel(0.6, round=0.45)),
    ("ɛ ɜ ɞ œ", _vowel(0.6, spread=0.15)),
    ("e ø", _vowel(0.45, spread=0.35)),
    ("ə ɘ ɚ ɝ ɵ ɤ", _vowel(0.45)),
    ("o", _vowel(0.4, round=0.7)),
    ("ɪ ɨ ᵻ ɩ", _vowel(0.42, spread=0.3)),
    ("ʊ", _vowel(0.34, round=0.55)),
    ("i", _vowel(0.36, spread=0.6)),
    ("y ʏ ʉ", _vowel(0.22, round=0.85)),
    ("u ɯ", _vowel(0.22, round=0.9)),
    ("p b m", _BILABIAL),
    ("β ɸ", _SOFT_BILABIAL),
    ("f v ɱ ʋ", _LABIODENTAL),
    ("θ ð", _DENTAL),
    ("t d n ʈ ɖ ɳ", _ALVEOLAR),
    ("s z", _SIBILANT),
    ("ʃ ʒ ʂ ʐ ɕ ʑ", _HUSHING),
    ("l ɫ ɭ ʎ ɬ ɮ", _LATERAL),
    ("ɹ r ɻ", _RHOTIC),
    ("ɾ ɽ", _TAP),
    ("j ɲ ç ʝ c ɟ ʲ", _PALATAL),
    ("k ɡ g ŋ x ɣ q ʁ χ ɢ ɴ ʀ", _VELAR),
    ("h ɦ ʔ ħ ʕ", _GLOTTAL),
    ("w ʍ ɥ", _LABIOVELAR),
    ("", _PAUSE),
)


def symbols_of(letters: str) -> list[str]:
    """Return the symbols of a class from its key in `CLASSES`."""
    return letters.split() or [""]


TARGETS: dict[str, dict[int, Target]] = {
    symbol: targets for symbols, targets in CLASSES for symbol in symbols_of(symbols)
}
VOWELS = frozenset("aɑɐɶæʌɒɔɛɜɞœeøəɘɚɝɵɤoɪɨᵻɩʊiyʏʉuɯ")
STOPS = frozenset("pbtdkɡgqcɟʈɖɢ")
_STRESS = {"ˈ": 2, "ˌ": 1}


def segments(ipa: str, start_s: float, end_s: float) -> tuple[Segment, ...]:
    """Divide one espeak phoneme among its IPA letters: "ˈaɪ" is an a and then an ɪ, "tʃ" a t and
    then a ʃ.

    Vowels take twice the time of consonants, and the first part of a diphthong takes 1.5 times that
    of the second. Diacritics, length marks and symbols without a class are ignored.
    """
    stress = max((_STRESS.get(character, 0) for character in ipa), default=0)
    # ç is a letter of its own; the two dots of ä are a mark.
    letters = "".join(
        letter if letter in TARGETS else unicodedata.normalize("NFD", letter) for letter in ipa
    )
    symbols = [letter for letter in letters if letter in TARGETS]
    if not symbols:
        return (Segment("", start_s, end_s, 0),)
    shares = [2.0 if symbol in VOWELS else 1.0 for symbol in symbols]
    if len(symbols) > 1 and symbols[0] in VOWELS and symbols[1] in VOWELS:
        shares[0] *= 1.5
    total, edges = sum(shares), [start_s]
    for share in shares:
        edges.append(edges[-1] + (end_s - start_s) * share / total)
    return tuple(
        Segment(symbol, first, last, stress)
        for symbol, first, last in zip(symbols, edges[:-1], edges[1:], strict=True)
    )
