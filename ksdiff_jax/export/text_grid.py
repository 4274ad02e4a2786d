"""Words, and phonemes if they are known, as a TextGrid of Praat: interval tiers without gaps."""

from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.take import Take
from ksdiff_jax.export.visemes import Timed


def write_words(path: Path, take: Take) -> None:
    """Write the tiers; raise `InputError` if no times are known."""
    tiers = {"words": take.words, "phones": take.phonemes}
    tiers = {name: spoken for name, spoken in tiers.items() if spoken}
    if not tiers:
        raise InputError(
            f"{take.name}: no times of words are known; animate the recording with a transcript "
            "that has them (.TextGrid, .srt, --transcribe), and export with the words.json that "
            "it writes beside the motion"
        )
    end_s = max(len(take) / take.fps, *(item[2] for spoken in tiers.values() for item in spoken))
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0"]
    lines += [f"xmax = {end_s:.6f}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spoken) in enumerate(tiers.items(), start=1):
        intervals = _without_gaps(spoken, end_s)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"']
        lines += [f'        name = "{name}"', "        xmin = 0", f"        xmax = {end_s:.6f}"]
        lines.append(f"        intervals: size = {len(intervals)}")
        for place, (text, start, stop) in enumerate(intervals, start=1):
            lines.append(f"        intervals [{place}]:")
            lines += [f"            xmin = {start:.6f}", f"            xmax = {stop:.6f}"]
            lines.append(f'            text = "{text.replace(chr(34), chr(34) * 2)}"')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _without_gaps(spoken: tuple[Timed, ...], end_s: float) -> list[Timed]:
    """Return the intervals in their order, with empty ones between; what overlaps is cut."""
    found: list[Timed] = []
    now = 0.0
    for text, start_s, stop_s in sorted(spoken, key=lambda item: item[1]):
        start_s = max(start_s, now)
        if stop_s - start_s < 1e-6:
            continue
        if start_s - now > 1e-6:
            found.append(("", now, start_s))
        found.append((text, start_s, stop_s))
        now = stop_s
    return [*found, ("", now, end_s)] if end_s - now > 1e-6 else found
