"""Converts the phone names of a data set, in ARPABET, X-SAMPA or IPA, to IPA with stress marks.

The notation is a property of the data set: `T` is a t in ARPABET and a θ in X-SAMPA. IPA has
letters outside ASCII. All vowels of ARPABET have two letters or more, X-SAMPA has some of one. The
result consists of the letters of `phonemes.TARGETS`, behind ˈ or ˌ where the name carries stress
(`AH1`, `"a`, `ˈa`). Silence is "". Speech that an aligner could not name (`spn`) becomes ə, a mouth
half open.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from ksdiff_jax.data.corpus.phonemes import TARGETS, VOWELS


def _table(text: str) -> dict[str, str]:
    """Return names and IPA that alternate in a text."""
    names = text.split()
    return dict(zip(names[::2], names[1::2], strict=True))


_SILENCES = frozenset(  # in lower case
    [
        "",
        "sil",
        "sils",
        "silence",
        "sp",
        "ssil",
        "!sil",
        "pau",
        "pause",
        "epi",
        "h#",
        "#",
        "##",
        "_",
        "__",
        "-",
        "br",
        "brth",
        "breath",
        "noise",
        "nsn",
        "+nsn+",
        "+noise+",
        "+breath+",
    ]
)
_UNNAMED = frozenset(["spn", "+spn+", "unk", "<unk>", "<spn>"])

_ARPABET = _table("""
    aa ɑ  ae æ  ah ʌ  ao ɔ  aw aʊ  ax ə  axr ɚ  ax-h ə  ay aɪ  eh ɛ  er ɝ  ey eɪ  ih ɪ  ix ɨ  iy i
    ow oʊ  oy ɔɪ  uh ʊ  uw u  ux ʉ
    b b  ch tʃ  d d  dh ð  dx ɾ  f f  g ɡ  h h  hh h  hv ɦ  jh dʒ  k k  l l  m m  n n  ng ŋ  nx ɾ
    p p  q ʔ  r ɹ  s s  sh ʃ  t t  th θ  v v  w w  wh ʍ  y j  z z  zh ʒ
    el əl  em əm  en ən  eng əŋ
    bcl b  dcl d  gcl ɡ  pcl p  tcl t  kcl k
""")
_ARPABET_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}

_X_SAMPA = _table(r"""
    a a  b b  c c  d d  e e  f f  g ɡ  h h  i i  j j  k k  l l  m m  n n  o o  p p  q q  r r  s s
    t t  u u  v v  w w  x x  y y  z z
    A ɑ  B β  C ç  D ð  E ɛ  F ɱ  G ɣ  H ɥ  I ɪ  J ɲ  K ɬ  L ʎ  M ɯ  N ŋ  O ɔ  P ʋ  Q ɒ  R ʁ  S ʃ
    T θ  U ʊ  V ʌ  W ʍ  X χ  Y ʏ  Z ʒ
    1 ɨ  2 ø  3 ɜ  4 ɾ  5 ɫ  6 ɐ  7 ɤ  8 ɵ  9 œ  @ ə  { æ  } ʉ  & ɶ  ? ʔ
    G\ ɢ  H\ ħ  I\ ᵻ  J\ ɟ  K\ ɮ  L\ ɣ  M\ ɣ  N\ ɴ  R\ ʀ  U\ ʊ  X\ ħ  h\ ɦ  j\ ʝ  l\ ɾ  p\ ɸ  r\ ɹ
    s\ ɕ  v\ ʋ  x\ ʃ  z\ ʑ  3\ ɞ  @\ ɘ  ?\ ʕ  <\ ʕ  >\ ʔ
    d` ɖ  l` ɭ  n` ɳ  r` ɽ  s` ʂ  t` ʈ  z` ʐ  r\` ɻ  @` ɚ  3` ɝ  b_< b  d_< d  g_< ɡ
""")
_ONE_LETTER_VOWELS = frozenset("aeiouAEIOU@{}")
MOST_LETTERS = 3  # of a name in X-SAMPA; a word would be read as well
_X_SAMPA_STRESS = {'"': "ˈ", "%": "ˌ"}
# Marks that leave the letter what it is: length, nasality, syllabicity, palatalisation, `_h`, tone.
_X_SAMPA_MARK = re.compile(r"_[<>a-zA-Z0-9\"}/\\?^=~+\-]\\?|[:~='`\-.|]+")

_IPA_LETTERS = {
    "ʦ": "ts", "ʣ": "dz", "ʧ": "tʃ", "ʤ": "dʒ", "ʨ": "tɕ", "ʥ": "dʑ", "ɰ": "ɣ", "ɧ": "ʃ", "ɺ": "ɾ",
    "ʜ": "ħ", "ʢ": "ʕ", "ʡ": "ʔ", "ɓ": "b", "ɗ": "d", "ɠ": "ɡ", "ʄ": "ɟ", "ʛ": "ɢ", "ʙ": "b",
    "ⱱ": "v", "ɿ": "ɨ", "ʅ": "ɨ", "ȵ": "ɲ", "ȶ": "c", "ȡ": "ɟ", "ʘ": "p", "ɡ": "ɡ", "ε": "ɛ",
    "θ": "θ", "β": "β", "χ": "χ", "ꭓ": "χ",
}  # fmt: skip
_GLIDES = {"j": "ɪ", "w": "ʊ"}  # after a vowel of the same name: aj is aɪ


def ipa_names(
    names: Iterable[str], *, given: Mapping[str, str] | None = None
) -> tuple[str, dict[str, str], tuple[str, ...]]:
    """Return the notation of these names, the IPA of each, and the names that it does not have;
    `given` are names with their IPA that are not looked up.
    """
    names = set(names)
    known = {name: "" for name in names if is_silence(name)}
    known |= {name: "ə" for name in names if name.strip().lower() in _UNNAMED} | dict(given or {})
    asked = sorted(names - set(known))
    notation = _notation(asked)
    reader = {"ARPABET": arpabet, "X-SAMPA": x_sampa, "IPA": ipa}[notation]
    read = {name: reader(name) for name in asked}
    unknown = tuple(name for name, found in read.items() if found is None)
    return notation, known | {name: found for name, found in read.items() if found}, unknown


def _notation(names: list[str]) -> str:
    if any(not name.isascii() and ipa(name) for name in names):
        return "IPA"
    read = [found for name in names if (found := arpabet(name))]
    with_vowels = any(set(found) & VOWELS for found in read)
    if any(name.strip('":%~') in _ONE_LETTER_VOWELS for name in names):
        return "X-SAMPA"
    return "ARPABET" if with_vowels or len(read) == len(names) else "X-SAMPA"


def is_silence(name: str) -> bool:
    """Return whether a phone or word name stands for silence or noise."""
    text = name.strip().lower()
    marked = text.startswith(("<", "(", "[", "{")) and text.endswith((">", ")", "]", "}"))
    return text in _SILENCES or (marked and text not in _UNNAMED)


def arpabet(name: str) -> str | None:
    """Return the IPA of an ARPABET name, of CMUdict's or TIMIT's set, or None."""
    found = re.fullmatch(r"([A-Za-z]+(?:-[hH])?)([012]?)(?:_[BIES])?", name.strip())
    if found is None or found[1].lower() not in _ARPABET:
        return None
    letters, stress = _ARPABET[found[1].lower()], found[2]
    if stress and letters[0] not in VOWELS:
        return None
    if (letters, stress) == ("ʌ", "0"):
        letters = "ə"
    elif (letters, stress) == ("ɝ", "0"):
        letters = "ɚ"
    return _ARPABET_STRESS.get(stress, "") + letters


def x_sampa(name: str) -> str | None:
    """Return the IPA of an X-SAMPA or SAMPA name, or None."""
    rest, stress, letters = name.strip(), "", ""
    while rest:
        if rest[0] in _X_SAMPA_STRESS:
            stress, rest = stress or _X_SAMPA_STRESS[rest[0]], rest[1:]
            continue
        part = next((rest[:n] for n in (3, 2, 1) if rest[:n] in _X_SAMPA and len(rest) >= n), None)
        if part is not None:
            letters, rest = letters + _X_SAMPA[part], rest[len(part) :]
        elif letters and (mark := _X_SAMPA_MARK.match(rest)):
            rest = rest[mark.end() :]
        else:
            return None
    return stress + letters if 0 < len(letters) <= MOST_LETTERS else None


def ipa(name: str) -> str | None:
    """Return the letters of an IPA name that have targets, or None if it has another letter."""
    stress, letters = "", ""
    for character in name.strip():
        if character in "ˈˌ":
            stress = stress or character
        elif character in TARGETS:
            letters += character
        else:
            for part in unicodedata.normalize("NFD", character):
                if part in TARGETS or part in _IPA_LETTERS:
                    letters += _IPA_LETTERS.get(part, part)
                elif unicodedata.category(part) in ("Lu", "Ll", "Lo"):
                    return None
    if len(letters) == 2 and letters[0] in VOWELS and letters[1] in _GLIDES:
        letters = letters[0] + _GLIDES[letters[1]]
    return stress + letters if letters else None
