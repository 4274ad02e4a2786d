"""`.lab`, `.mlf` and `.align`: HTK labels, those of festival or of GRID, or only words, as the
Montreal aligner reads them.

    0 2500000 sil            0.25 0.50 the -71.3          #                    the birch canoe
    2500000 5000000 the      0.50 1.00 birch -68.0        0.25 121 pau
                                                          0.50 121 the

Numbers with a decimal point are seconds. Whole numbers are HTK's units of 100 ns, samples at
TIMIT's 16 kHz, milliseconds or seconds. The mean length of the labels determines which; for samples
and milliseconds a warning is given. In a file named `.align`, as in the GRID corpus, they are
thousandths of a picture at 25 pictures a second. A number after the label is its score. A missing
end is the start of the next label. After a line `#`, each line is an end, a colour and a label, as
festival writes them; of several labels separated by semicolons the first counts. A master label
file (`#!MLF!#`) contains the labels of several recordings; those of the given one are read, or
those of the only one. Silences (sil, sp, pau, empty) are not words.
"""

import re
import warnings
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.never_spoken import is_silence, spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, TranscriptFileWarning

UNITS_PER_SECOND = 10_000_000
TIMIT_RATE_HZ = 16_000
GRID, GRID_UNITS_PER_SECOND = ".align", 25_000
# Mean lengths of labels in whole numbers: below the first they are seconds, then milliseconds,
# samples, and 100 ns.
LEAST_MILLISECONDS, LEAST_SAMPLES, LEAST_UNITS = 60, 600, 50_000
MASTER = "#!MLF!#"
_NUMBER = re.compile(r"\d{1,15}(?:[.,]\d{1,15})?|[.,]\d{1,15}")
_MARK = re.compile(r"<[^<>]*>|\{[^{}]*\}")  # the aligner's noises
_SCORE = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")

_Line = tuple[int, list[str]]  # its number, its fields


def read_labels(path: Path, text: str, *, stem: str) -> Transcript:
    """Read a label file's text, and its words with times if it has any.

    `stem` is the recording's name in a master file.
    """
    lines = _lines_of(path, text, stem=stem)
    header = next((index for index, (_, fields) in enumerate(lines[:20]) if fields == ["#"]), None)
    if header is not None:
        lines = lines[header + 1 :]
        if _have_colours(lines):
            return _ends(path, lines)
    if not any(_are_numbers(fields[:2]) for _, fields in lines):
        if len(lines) > 1 and all(
            _are_numbers(fields[:1], least=1) and len(fields) > 1 for _, fields in lines
        ):
            return _labels(path, _with_ends(lines))
        fields = (
            " ".join(field for field in fields if not _MARK.fullmatch(field)) for _, fields in lines
        )
        words = spoken_text("\n".join(fields))
        return Transcript(" ".join(words.split()), str(path))
    return _labels(path, lines)


def timed_labels(path: Path, text: str, *, stem: str) -> tuple[Spoken, ...]:
    """Return all labels with their times as they stand, silences included; () if none has times.

    The label is the first field after the times; what follows it, such as a score or the word that
    begins there, is left out.
    """
    lines = _lines_of(path, text, stem=stem)
    header = next((index for index, (_, fields) in enumerate(lines[:20]) if fields == ["#"]), None)
    lines = lines if header is None else lines[header + 1 :]
    of_ends = header is not None and _have_colours(lines)
    if not any(_are_numbers(fields[:2]) for _, fields in lines):
        return ()
    scale = _scale(path, [fields for _, fields in lines])  # not of ends, which are seconds
    labels: list[Spoken] = []
    for number, fields in lines:
        if not _are_numbers(fields[:2]):
            raise InputError(
                f"{path}, line {number}: {' '.join(fields)[:60]!r}; need `start end label` as on "
                "the others"
            )
        name = fields[2].split(";")[0] if len(fields) > 2 else ""
        if of_ends:
            start_s, end_s = labels[-1].end_s if labels else 0.0, _value(fields[0])
        else:
            start_s, end_s = (_value(field) * scale for field in fields[:2])
        labels.append(Spoken(name, start_s, end_s))
    return tuple(labels)


def _lines_of(path: Path, text: str, *, stem: str) -> list[_Line]:
    lines = [
        (number, line.split())
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    return _of_recording(path, lines[1:], stem) if lines and lines[0][1] == [MASTER] else lines


def has_label_lines(text: str) -> bool:
    """Return whether a text consists only of lines with a start, an end and a label, two or more,
    or after a mark `#`.
    """
    lines = [line[:200].split() for line in text.split("\n") if line.strip()]
    if ["#"] in lines[:20] and all(
        _are_numbers(fields[:2]) for fields in lines[lines.index(["#"]) + 1 :]
    ):
        return len(lines) > lines.index(["#"]) + 1
    if len(lines) < 2 or not all(len(fields) > 2 and _are_numbers(fields[:2]) for fields in lines):
        return False
    return all(_value(fields[0]) <= _value(fields[1]) for fields in lines)


def _labels(path: Path, lines: list[_Line]) -> Transcript:
    broken, texts = BrokenLines(path), []
    scale = _scale(path, [fields for _, fields in lines])
    for number, fields in lines:
        if not _are_numbers(fields[:2]):
            broken.add(number, " ".join(fields), "; need `start end label` as on the others")
            continue
        label = _label(fields[2:])
        if not is_silence(label):
            start_s, end_s = (_value(field) * scale for field in fields[:2])
            texts.append(NumberedText(Spoken(label, start_s, end_s), number))
    unit = "line" if any(" " in item.spoken.text for item in texts) else "word"
    return timed_transcript(path, texts, broken, unit=unit)


def _ends(path: Path, lines: list[_Line]) -> Transcript:
    broken, texts, start_s = BrokenLines(path), [], 0.0
    for number, fields in lines:
        if len(fields) < 2 or not _are_numbers(fields[:1], least=1):
            broken.add(number, " ".join(fields), "; need `end colour label` as on the others")
            continue
        end_s, label = _value(fields[0]), " ".join(fields[2:]).split(";")[0]
        if not is_silence(label):
            texts.append(NumberedText(Spoken(label, start_s, end_s), number))
        start_s = end_s
    return timed_transcript(path, texts, broken, unit="word")


def _have_colours(lines: list[_Line]) -> bool:
    """Return whether lines are `end colour label`: ends in seconds with a decimal point, and
    colours without one.
    """
    timed = [fields for _, fields in lines if _are_numbers(fields[:2])]
    return not timed or (
        any(not end.isdigit() for end, *_ in timed) and all(fields[1].isdigit() for fields in timed)
    )


def _with_ends(lines: list[_Line]) -> list[_Line]:
    starts = [fields[0] for _, fields in lines]
    ends = [*starts[1:], starts[-1]]
    return [
        (number, [fields[0], end, *fields[1:]])
        for (number, fields), end in zip(lines, ends, strict=True)
    ]


def _label(fields: list[str]) -> str:
    if len(fields) > 1 and all(_SCORE.fullmatch(field) for field in fields[1:]):
        fields = fields[:1]
    label = " ".join(fields)
    is_quoted = len(label) > 1 and label[0] == label[-1] and label[0] in "\"'"
    return label[1:-1] if is_quoted else label


def _of_recording(path: Path, lines: list[_Line], stem: str) -> list[_Line]:
    """Return the lines of one recording in a master label file; each recording begins with its name
    in quotes and ends with a period.
    """
    recordings: dict[str, list[_Line]] = {}
    here: list[_Line] | None = None
    for number, fields in lines:
        if here is None:
            name = " ".join(fields).strip("\"'")
            here = recordings.setdefault(Path(name).stem.lstrip("*"), [])
        elif fields == ["."]:
            here = None
        else:
            here.append((number, fields))
    if stem in recordings:
        return recordings[stem]
    if len(recordings) == 1:
        return next(iter(recordings.values()))
    names = ", ".join(list(recordings)[:5]) or "none"
    raise InputError(
        f"{path}: labels of {len(recordings)} recordings ({names} ...), none of them called {stem}"
    )


def _are_numbers(fields: list[str], *, least: int = 2) -> bool:
    return len(fields) >= least and all(
        field.isascii() and _NUMBER.fullmatch(field) for field in fields
    )


def _value(field: str) -> float:
    return float(field.replace(",", "."))


def _scale(path: Path, lines: list[list[str]]) -> float:
    """Return the seconds per unit of the file's numbers."""
    times = [fields[:2] for fields in lines if _are_numbers(fields[:2])]
    if not times or any(not field.isdigit() for pair in times for field in pair):
        return 1.0
    if path.suffix.lower() == GRID:
        return 1 / GRID_UNITS_PER_SECOND
    mean = sum(max(0, int(end) - int(start)) for start, end in times) / len(times)
    if mean < LEAST_MILLISECONDS:
        return 1.0
    if mean >= LEAST_UNITS:
        return 1 / UNITS_PER_SECOND
    in_samples = mean >= LEAST_SAMPLES
    unit = f"samples at {TIMIT_RATE_HZ} Hz" if in_samples else "milliseconds"
    warnings.warn(f"{path}: its times are taken as {unit}", TranscriptFileWarning, stacklevel=4)
    return 1 / TIMIT_RATE_HZ if in_samples else 0.001
