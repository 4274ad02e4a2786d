"""The UDP packet of Live Link Face, which Unreal's Live Link receives on port 11111.

| bytes, big-endian | content |
|---|---|
| u8 | version, 6 |
| i32, text | device: 36 characters, as many readers expect |
| i32, text | subject: the name that Unreal lists |
| i32, f32 | frame number, part of a frame |
| i32, i32 | frame rate as a fraction |
| u8, 61 x f32 | 61; 52 weights, left before right; yaw, pitch, roll of head, left and right eye |

Angles are in radians with the signs of a recorded take: positive yaw is to the subject's right and
positive pitch is down.
"""

import struct
import uuid
from fractions import Fraction

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.live_link import ANGLE_SIGNS
from ksdiff_jax.export.take import yaw_pitch_roll
from ksdiff_jax.live.frame import LiveFrame

_DEVICES = uuid.UUID("6b736469-6666-4a58-8000-000000000000")


def live_link_packet(
    time_s: float | int, frame: LiveFrame, *, subject: str, fps: float | int
) -> bytes:
    """Return the packet of one frame."""
    device = str(uuid.uuid5(_DEVICES, subject)).upper().encode()
    name = subject.encode(errors="replace")
    rate = Fraction(fps).limit_denominator(1001)
    number, part = divmod(round(time_s * fps, 6), 1)
    turns = Rotation.from_rotvec(np.stack([frame.head, frame.left_eye, frame.right_eye]))
    angles = yaw_pitch_roll(turns) * ANGLE_SIGNS
    return (
        struct.pack(">Bi", 6, len(device))
        + device
        + struct.pack(">i", len(name))
        + name
        + struct.pack(">ifiiB", int(number), part, rate.numerator, rate.denominator, 61)
        + np.concatenate([frame.weights, angles.ravel()]).astype(">f4").tobytes()
    )
