"""The CSV of Live Link Face: `Timecode,BlendShapeCount`, 52 weights, 9 angles.

The file lists right before left for JawRight, JawLeft, MouthRight and MouthLeft; readers go by
name. `Timecode` is `HH:MM:SS:FF.mmm`, FF the frame in the second and .mmm a fraction of a frame.

Angles are radians by default. In a real take, eye pitch is 0.60 times (EyeLookDown - EyeLookUp),
with a correlation of 0.998, and eye yaw reaches 0.61: in radians these are eyes that turn by up to
35 degrees. There, positive yaw is a turn to the subject's right and positive pitch a turn down. The
head's columns of that take are zero; here they follow the eyes.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.take import Take, yaw_pitch_roll
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.typing import Float

ANGLE_NAMES = tuple(
    f"{part}{axis}" for part in ("Head", "LeftEye", "RightEye") for axis in ("Yaw", "Pitch", "Roll")
)
_IN_FILE = {"jawLeft": "jawRight", "jawRight": "jawLeft"}
_IN_FILE |= {"mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}
CSV_ORDER = tuple(_IN_FILE.get(name, name) for name in ARKIT_NAMES)
ANGLE_SIGNS = (-1, 1, -1)  # of yaw, pitch and roll, relative to turns about +y, +x and +z
ANGLE_UNITS = {"radians": 1.0, "degrees": 180 / np.pi, "degrees/180": 1 / np.pi}


def pascal_case(name: str) -> str:
    """Return `JawOpen` for `jawOpen`."""
    return name[0].upper() + name[1:]


def live_link_angles(take: Take) -> Float[np.ndarray, "t 9"]:
    """Return yaw, pitch and roll of head, left eye and right eye in radians, with the file's
    signs.
    """
    eyes = (Rotation.from_rotvec(take.rotations(name)) for name in ("left_eye", "right_eye"))
    return np.concatenate([yaw_pitch_roll(turn) for turn in (take.head, *eyes)], axis=1) * [
        *ANGLE_SIGNS * 3
    ]


def timecode(frame: int, fps: float | int) -> str:
    """Return the time of a frame as `HH:MM:SS:FF.mmm`, exact for whole frame rates."""
    nominal = round(fps)
    thousandths = round(frame / fps * nominal * 1000)  # of a frame
    frames, part = divmod(thousandths, 1000)
    seconds, frame_in_second = divmod(frames, nominal)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}:{frame_in_second:02d}.{part:03d}"


def write_live_link(path: Path, take: Take, *, units: str = "radians") -> None:
    """Write the CSV."""
    columns = [ARKIT_NAMES.index(name) for name in CSV_ORDER]
    values = np.concatenate(
        [take.arkit[:, columns], live_link_angles(take) * ANGLE_UNITS[units]], axis=1
    )
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["Timecode", "BlendShapeCount", *map(pascal_case, CSV_ORDER), *ANGLE_NAMES])
        for frame, row in enumerate(values):
            rows.writerow([timecode(frame, take.fps), 61, *(f"{value:.10f}" for value in row)])
