"""Reads timed text in XML, `.ttml` and `.dfxp`: paragraphs with a begin and an end.

    <tt xmlns="http://www.w3.org/ns/ttml" ttp:frameRate="25"> ...
      <p begin="00:00:01.000" end="00:00:02.500">What is<br/>said.</p>

Times are clock times (a fourth number counts frames) or offsets with a unit: `1.5s`, `1500ms`,
`90m`, `37f`, `15000t`. A document with a DOCTYPE is refused, because entities that it defines could
expand without limit.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.never_spoken import spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

_CLOCK = re.compile(r"(\d{1,9}):(\d{1,9}):(\d{1,9}(?:\.\d{1,30})?)(?::(\d{1,9}))?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,30})?)(h|ms|m|s|f|t)")
_ROOT = re.compile(r"<tt[\s>]|<\w+:tt[\s>]")


def is_xml(text: str) -> bool:
    """Return whether a text begins as XML does."""
    return re.match(r"\s*<(?:\?xml|tt[\s>])", text[:1000]) is not None


def read_timed_text(path: Path, text: str) -> Transcript:
    """Read the paragraphs of the document."""
    if not _ROOT.search(text[:5000]):
        raise InputError(
            f"{path}: XML, but not timed text (TTML); save it as SubRip, WebVTT or TextGrid"
        )
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(
            f"{path}: XML with a DOCTYPE, which is not read; save it as SubRip or WebVTT"
        )
    parser = ElementTree.XMLPullParser(["start", "end"])
    broken, texts, line, depth = BrokenLines(path), [], 0, 0  # depth: number of open paragraphs
    rates: dict[str, float] = {}
    try:
        for line, content in enumerate(text.lstrip().split("\n"), start=1):
            parser.feed(content + "\n")
            for event, element in parser.read_events():
                name = element.tag.rpartition("}")[2]
                if event == "start" and name == "tt":
                    rates = _rates(element)
                elif name == "p":
                    depth += 1 if event == "start" else -1
                    if not depth:
                        _add(element, rates, broken, texts, line)
                        element.clear()
        parser.close()
    except ElementTree.ParseError as error:
        raise InputError(
            f"{path}, line {error.position[0]}: not XML that can be read ({error})"
        ) from error
    return timed_transcript(path, texts, broken, unit="line")


def _add(
    element: ElementTree.Element,
    rates: dict[str, float],
    broken: BrokenLines,
    texts: list[NumberedText],
    line: int,
) -> None:
    for part in element.iter():
        if part.tag.rpartition("}")[2] == "br":
            part.text = "\n"
    text = " ".join(spoken_text("".join(element.itertext())).split())
    if not text:
        return
    start_s, end_s, lasts_s = (
        _seconds(element.get(name), rates) for name in ("begin", "end", "dur")
    )
    if end_s is None and start_s is not None and lasts_s is not None:
        end_s = start_s + lasts_s
    if start_s is None or end_s is None:
        broken.add(line, text, ": a paragraph without a begin and an end")
    else:
        texts.append(NumberedText(Spoken(text, start_s, end_s), line))


def _rates(root: ElementTree.Element) -> dict[str, float]:
    """Return frames and ticks per second, as stated in the document."""
    given = {name.rpartition("}")[2]: value for name, value in root.attrib.items()}
    frames = _positive(given.get("frameRate"), 30.0)
    numbers = [_positive(part, 1.0) for part in given.get("frameRateMultiplier", "1 1").split()[:2]]
    multiplier = numbers[0] / numbers[1] if len(numbers) == 2 else 1.0
    return {"f": frames * multiplier, "t": _positive(given.get("tickRate"), frames)}


def _positive(text: str | None, default: float) -> float:
    return (
        float(text)
        if text and re.fullmatch(r"\d{1,12}(?:\.\d{1,12})?", text) and float(text) > 0
        else default
    )


def _seconds(text: str | None, rates: dict[str, float]) -> float | None:
    text = (text or "").strip().replace(",", ".")
    if found := _CLOCK.fullmatch(text):
        hours, minutes, seconds, frames = found.groups()
        value = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        return value + int(frames) / rates.get("f", 30.0) if frames else value
    if found := _OFFSET.fullmatch(text):
        value, unit = float(found[1]), found[2]
        return (
            value / rates.get(unit, 30.0)
            if unit in "ft"
            else value * {"h": 3600, "m": 60, "s": 1, "ms": 0.001}[unit]
        )
    return None
