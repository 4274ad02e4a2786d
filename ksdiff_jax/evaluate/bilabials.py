"""When the lips of a real speaker must close: the /p b m/ of clips whose words have times.

GRID's `.align` files give the time of every word, not of its phones, in units of 1/25000 s. In its
51 words a /p b m/ is always the first or the last phone, so the word's edge places it: the closure
of a first one precedes or follows the aligner's edge by at most 0.08 s, and the same holds for the
/m/ that ends the letter "m". `lips.bilabial_frames` widens the interval by one frame on each side.
Words outside the table (other corpora) have no known phone times and are not counted.
"""

from pathlib import Path

from ksdiff_jax.errors import InputError

ALIGN_UNITS_PER_S = 25_000
EDGE_S = 0.08
FIRST_BILABIAL = frozenset(["bin", "place", "blue", "by", "please", "b", "p"])
LAST_BILABIAL = frozenset(["m"])

Phones = tuple[tuple[str, float, float], ...]  # (ipa, start_s, end_s)


def bilabials_of(video: Path) -> Phones:
    """Return the /p b m/ of a video with a file of word times (`clip.align` beside `clip.mpg`),
    empty if there is no such file.
    """
    times = video.with_suffix(".align")
    return bilabials_of_words(read_align(times)) if times.is_file() else ()


def read_align(path: Path) -> Phones:
    """Return (word, start_s, end_s) of each line of an `.align` file; raise `InputError` for a line
    of another form.
    """
    words = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 3 or not all(part.isdigit() for part in parts[:2]):
            raise InputError(
                f"{path}, line {number}: got {line[:60]!r}, need a start, an end and a word"
            )
        start, end = (int(part) / ALIGN_UNITS_PER_S for part in parts[:2])
        words.append((parts[2].lower(), start, end))
    return tuple(words)


def bilabials_of_words(words: Phones) -> Phones:
    """Return the intervals around the edges of the words at which a /p b m/ is."""
    found = []
    for word, start_s, end_s in words:
        if word in FIRST_BILABIAL:
            found.append((word[0], max(0.0, start_s - EDGE_S), start_s + EDGE_S))
        if word in LAST_BILABIAL:
            found.append((word[-1], end_s - EDGE_S, end_s + EDGE_S))
    return tuple(found)
