"""The files of NVIDIA's Audio2Face: `animation_frames.csv` and the JSON of its exporter.

| file | content |
|---|---|
| CSV | index, `timeCode` in seconds, `blendShapes.<Name>` for 52 shapes and 16 of the tongue |
| JSON | `exportFps`, `trackPath`, `numPoses` 52, `numFrames`, `facsNames`, `weightMat` |

The 16 shapes of the tongue are zero: the head's tongue does not move. Audio2Face leaves `joints`
empty; here they are the head and the jaw, with `rotations` as quaternions w, x, y, z, the order of
its animation service, and `translations` of zero.
"""

import csv
import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.live_link import pascal_case
from ksdiff_jax.export.take import Take
from ksdiff_jax.face.arkit import ARKIT_NAMES

TONGUE_NAMES = tuple(
    f"Tongue{part}"
    for part in (
        *("TipUp", "TipDown", "TipLeft", "TipRight", "RollUp", "RollDown", "RollLeft"),
        *("RollRight", "Up", "Down", "Left", "Right", "In", "Stretch", "Wide", "Narrow"),
    )
)


def write_audio2face_csv(path: Path, take: Take) -> None:
    """Write the CSV."""
    names = [*map(pascal_case, ARKIT_NAMES), *TONGUE_NAMES]
    still = ["0.0"] * len(TONGUE_NAMES)
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["", "timeCode", *(f"blendShapes.{name}" for name in names)])
        for index, (time_s, row) in enumerate(zip(take.times_s, take.arkit, strict=True)):
            rows.writerow([index, f"{time_s:.9g}", *(f"{value:.7g}" for value in row), *still])


def write_audio2face_json(path: Path, take: Take) -> None:
    """Write the JSON."""
    jaw = Rotation.from_rotvec(take.rotations("jaw"))
    turns = np.stack([_real_first(turn) for turn in (take.head, jaw)], axis=1)
    content = {
        "schema": "ksdiff-a2f-json/1",
        "exportFps": take.fps,
        "trackPath": take.name,
        "numPoses": len(ARKIT_NAMES),
        "numFrames": len(take),
        "facsNames": list(ARKIT_NAMES),
        "weightMat": take.arkit.round(5).tolist(),
        "joints": ["head", "jaw"],
        "rotations": turns.round(6).tolist(),
        "translations": np.zeros((len(take), 2, 3)).tolist(),
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def _real_first(turns: Rotation) -> np.ndarray:
    return np.roll(turns.as_quat(), 1, axis=1)
