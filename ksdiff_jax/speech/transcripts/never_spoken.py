"""Removes text of a transcript that is not spoken.

| dropped | where |
|---|---|
| `[Music]`, `【笑】` | square brackets, anywhere |
| `(laughs)`, `（笑）` | round, up to five words, unpunctuated: first, after a sentence, on a line |
| `*sighs*` | up to three words between asterisks, if they are a line |
| ♪ and ♫, `# ... #` | the signs; sung words stay, unless they only state that there is music |
| `Transcribed by https://otter.ai` | a line of its own |
| `Ada: ` | the speaker, if all timed lines begin so, three or more, and names recur |
| `- `, `>> `, `>> Ada: `, `JOHN: `, `Speaker 1: ` | the speaker, at the start of a line |

Round brackets inside a sentence may be spoken, and so may `Note: ` or any name that is not all
capitals. They are kept.
"""

import re

from ksdiff_jax.speech.transcripts.encoding import clean

MOST_WORDS = 5
SILENCES = frozenset(
    {
        "",
        "sil",
        "sp",
        "spn",
        "pau",
        "#",
        "##",
        "h#",
        "_",
        "ssil",
        "...",
        "…",
        "!sil",
        "!null",
        "sent-start",
        "sent-end",
    }
)
_SIDE = re.compile(r"\[[^\[\]]*\]|【[^【】]*】|［[^［］]*］")
_ROUND = re.compile(
    r"(?:\A\s*|(?<=[.!?…。！？♪♫])\s*)[(（]([^()（）]{1,60})[)）][ \t]*|"
    r"^[ \t]*[(（]([^()（）]{1,60})[)）][ \t]*$",
    re.M,
)
_STARRED = re.compile(r"^[ \t]*\*\s*\w+(?:\s\w+){0,2}\s*\*[ \t]*$", re.M)
_NOTES = re.compile("[♩♪♫♬🎵🎶]+")
_MUSIC = re.compile(
    r"\b(?:music|musik|musique|m[uú]sica|muziek|muzyka|музыка)\b|音楽|音乐|音樂|음악", re.IGNORECASE
)
_PUNCTUATION = re.compile(r"[.!?,;:…。！？]")
_DASH = re.compile(r"^[-–—‐•][ \t]*(?=\D)")
_CHEVRONS = re.compile(
    r"^(?:>{1,3}|»)[ \t]*(?:[^\W\d_][\w.'’-]{0,20}(?:[ \t][^\W\d_][\w.'’-]{0,20}){0,2}:(?=\s|$))?"
)
_NUMBERED = re.compile(
    r"^(?:speaker|sprecher|sprecherin|locuteur|hablante|interviewer)[ _]?\d{0,3}:(?=\s|$)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^([^\W\d_][^:\n(]{0,30})(?:\([^()\n]{1,30}\))?:(?=\s|$)")
_NAME = re.compile(r"([^\W\d_][\w.'’-]*(?:[ \t][\w.,()'’-]+){0,4}):[ \t]+(?=\S)")
_SUNG = re.compile(r"#[ \t]+(.+?)[ \t]+#")
_ABBREVIATION = re.compile(r"\w\.\w")
_SPOKEN_CAPITALS = frozenset({"OK", "PS", "NB"})
_WORD = re.compile(r"\w")
_CREDIT = re.compile(
    r"(?:transcribed|subtitles|captions) by\b.*\w\.(?:ai|com|org|net)\b.*", re.IGNORECASE
)
_LABELLED = re.compile(r"[\[<({].*[\])>}]", re.S)


def spoken_text(text: str) -> str:
    """Return the spoken part of a caption or a paragraph; its lines stay separate, and empty ones
    are removed.
    """
    text = clean(text)
    for _ in range(2):  # nested brackets
        text = _SIDE.sub(" ", text)
    text = _STARRED.sub("", _ROUND.sub(_unless_a_sentence, text))
    lines = [_of_a_line(line.strip()) for line in text.split("\n")]
    return "\n".join(line for line in lines if _WORD.search(line) and not _CREDIT.fullmatch(line))


def without_names(lines: list[str]) -> list[str]:
    """Remove the speakers' names if all lines begin with one, as in a meeting's captions."""
    found = [_NAME.match(line) for line in lines]
    names = [name[1] for name in found if name and name[1][0].isupper()]
    if len(lines) < 3 or len(names) < len(lines) or len(set(names)) == len(names):
        return lines
    return [line[len(name) + 1 :].lstrip() for line, name in zip(lines, names, strict=True)]


def is_silence(label: str) -> bool:
    """Return whether the label of an interval is not a word: sil, sp, `<p:>`, `[noise]`."""
    label = label.strip()
    return label.casefold() in SILENCES or _LABELLED.fullmatch(label) is not None


def _unless_a_sentence(found: re.Match) -> str:
    inside = found[1] or found[2] or ""
    keeps = _PUNCTUATION.search(inside) or len(inside.split()) > MOST_WORDS
    return found[0] if keeps else " "


def _of_a_line(line: str) -> str:
    if _NOTES.search(line):
        line = _NOTES.sub(" ", line).strip()
        if _MUSIC.search(line) and len(line.split()) <= MOST_WORDS:
            return ""
    if sung := _SUNG.fullmatch(line):
        line = sung[1]
    whole = line
    line = _DASH.sub("", line.lstrip(": \t") if line.startswith(":") else line)
    line = _NUMBERED.sub("", _CHEVRONS.sub("", line).lstrip()).lstrip()
    if (label := _LABEL.match(line)) and _names_a_speaker(label[1], rest=line[label.end() :]):
        line = line[label.end() :].lstrip()
    if line != whole:  # text after the speaker's name counts as the start of the line
        line = _ROUND.sub(_unless_a_sentence, line)
    return " ".join(line.split())


def _names_a_speaker(label: str, *, rest: str) -> bool:
    """Return whether a label is in capitals while the text is not; in a text of capitals a label
    cannot be recognised.
    """
    return (
        label.isupper()
        and label not in _SPOKEN_CAPITALS
        and not _ABBREVIATION.search(label)
        and not rest.isupper()
    )
