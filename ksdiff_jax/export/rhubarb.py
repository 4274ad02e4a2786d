"""Mouth cues in the form of Rhubarb Lip Sync, for 2D animation: shapes A to F, and G, H, X.

A is lips closed, B teeth together, C open, D wide open, E rounded, F puckered, G the lower lip at
the teeth, X at rest. H, a long L, is written only if the times of phonemes are known: no viseme of
the 15 is an L alone.
"""

import json
from pathlib import Path
from xml.etree import ElementTree

from ksdiff_jax.export.take import Take
from ksdiff_jax.export.visemes import Timed, cues
from ksdiff_jax.ownership import mark

SHAPES = {"sil": "X", "PP": "A", "FF": "G", "aa": "D", "E": "C", "oh": "E", "RR": "E", "ou": "F"}
OTHER_SHAPE = "B"
LONG_L = "H"
SHORTEST_L_S = 0.1


def mouth_cues(take: Take) -> list[tuple[str, float, float]]:
    """Return (shape, start_s, end_s), without gaps; neighbours differ."""
    found: list[tuple[str, float, float]] = []
    for viseme, start_s, end_s in cues(take.visemes, fps=take.fps):
        shape = SHAPES.get(viseme, OTHER_SHAPE)
        if viseme == "nn" and _is_l(take.phonemes, (start_s + end_s) / 2):
            shape = LONG_L
        if found and found[-1][0] == shape:
            found[-1] = (shape, found[-1][1], end_s)
        else:
            found.append((shape, start_s, end_s))
    return found


def _is_l(phonemes: tuple[Timed, ...], time_s: float) -> bool:
    """Return whether a long L is spoken at a time."""
    return any(
        "l" in ipa and start_s <= time_s < end_s and end_s - start_s >= SHORTEST_L_S
        for ipa, start_s, end_s in phonemes
    )


def write_rhubarb(path: Path, take: Take) -> None:
    """Write the JSON."""
    content = {
        "schema": "ksdiff-rhubarb/1",
        "metadata": {"soundFile": f"{take.name}.wav", "duration": round(len(take) / take.fps, 2)},
        "mouthCues": [
            {"start": round(start_s, 2), "end": round(end_s, 2), "value": shape}
            for shape, start_s, end_s in mouth_cues(take)
        ],
    }
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def write_rhubarb_tsv(path: Path, take: Take) -> None:
    """Write the TSV: the time at which each shape begins, and X at the end."""
    lines = [f"{start_s:.2f}\t{shape}" for shape, start_s, _ in mouth_cues(take)]
    lines.append(f"{len(take) / take.fps:.2f}\tX")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_rhubarb_xml(path: Path, take: Take) -> None:
    """Write the XML, with our mark in a comment."""
    root = ElementTree.Element("rhubarbResult")
    metadata = ElementTree.SubElement(root, "metadata")
    ElementTree.SubElement(metadata, "soundFile").text = _of_xml(f"{take.name}.wav")
    ElementTree.SubElement(metadata, "duration").text = f"{len(take) / take.fps:.2f}"
    shapes = ElementTree.SubElement(root, "mouthCues")
    for shape, start_s, end_s in mouth_cues(take):
        times = {"start": f"{start_s:.2f}", "end": f"{end_s:.2f}"}
        ElementTree.SubElement(shapes, "mouthCue", times).text = shape
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<!-- {mark("rhubarb-xml")} -->\n'
    path.write_text(f"{head}{text}\n", encoding="utf-8")


def _of_xml(text: str) -> str:
    """Return a text without the characters that XML cannot hold, which become question marks."""
    return "".join(c if c.isprintable() else "?" for c in text)
