"""Mouth cues in the form of Rhubarb Lip Sync, for 2D animation: shapes A to F, and G, H, X.

A is lips closed, B teeth together, C open, D wide open, E rounded, F puckered, G the lower lip at
the teeth, X at rest. H (a long L) is not written: no viseme of the 15 is an L alone.
"""

import json
from pathlib import Path

from ksdiff_jax.export.take import Take
from ksdiff_jax.export.visemes import cues

SHAPES = {"sil": "X", "PP": "A", "FF": "G", "aa": "D", "E": "C", "oh": "E", "RR": "E", "ou": "F"}
OTHER_SHAPE = "B"


def mouth_cues(take: Take) -> list[tuple[str, float, float]]:
    """Return (shape, start_s, end_s), without gaps; neighbours differ."""
    found: list[tuple[str, float, float]] = []
    for viseme, start_s, end_s in cues(take.visemes, fps=take.fps):
        shape = SHAPES.get(viseme, OTHER_SHAPE)
        if found and found[-1][0] == shape:
            found[-1] = (shape, found[-1][1], end_s)
        else:
            found.append((shape, start_s, end_s))
    return found


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
