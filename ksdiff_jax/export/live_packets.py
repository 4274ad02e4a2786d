"""The datagrams of live face capture, one or more a frame.

| to | port | content of a frame |
|---|---|---|
| livelink | 11111 | version 6, device, subject, time, 61 floats, big-endian |
| vmc | 39539 | OSC bundle: Blend/Val for each expression, Blend/Apply, Bone/Pos of the head |
| ifacialmocap | 49983 | text: `jawOpen-12`, `=head#rx,ry,rz,x,y,z`, `rightEye#`, `leftEye#` |

VMC's port is that of a marionette, which shows the motion; 39540 is a performer's. VMC gets VRM's
expressions and ARKit's shapes under their names. Unity's axes are left-handed: x is mirrored.
iFacialMocap has whole per cent and degrees. No program that receives these was at hand: the tests
read the datagrams by the descriptions of the formats.
"""

import struct
from collections.abc import Callable, Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.live_link import live_link_angles, pascal_case
from ksdiff_jax.export.take import Take, yaw_pitch_roll
from ksdiff_jax.export.vrm import vrm_expressions
from ksdiff_jax.face.arkit import ARKIT_NAMES

PORTS = {"livelink": 11111, "vmc": 39539, "ifacialmocap": 49983}
DEVICE, SUBJECT = "ksdiff-jax", "ksdiff"
_SIDES = {"Left": "_L", "Right": "_R"}
Frames = Iterator[tuple[float, bytes]]  # seconds from the first frame, and the datagram


def live_link_frames(take: Take) -> Frames:
    """Yield Live Link's datagrams."""
    values = np.concatenate([take.arkit, live_link_angles(take)], axis=1).astype(">f4")
    head = struct.pack("B", 6) + _counted(DEVICE) + _counted(SUBJECT)
    for frame, (time_s, row) in enumerate(zip(take.times_s, values, strict=True)):
        stamp = struct.pack(">ifii", frame, 0.0, round(take.fps), 1)
        yield float(time_s), head + stamp + struct.pack("B", len(row)) + row.tobytes()


def vmc_frames(take: Take) -> Frames:
    """Yield VMC's datagrams."""
    names = [*vrm_expressions(take), *map(pascal_case, ARKIT_NAMES)]
    values = np.concatenate([np.array(list(vrm_expressions(take).values())).T, take.arkit], axis=1)
    turns = take.head.as_quat() * [1, -1, -1, 1]  # mirrored in x
    for time_s, row, turn in zip(take.times_s, values, turns, strict=True):
        messages = [
            _osc("/VMC/Ext/Blend/Val", name, float(value))
            for name, value in zip(names, row, strict=True)
        ]
        messages.append(_osc("/VMC/Ext/Blend/Apply"))
        messages.append(_osc("/VMC/Ext/Bone/Pos", "Head", 0.0, 0.0, 0.0, *map(float, turn)))
        sized = b"".join(struct.pack(">i", len(message)) + message for message in messages)
        yield float(time_s), b"#bundle\0" + struct.pack(">Q", 1) + sized  # 1: at once


def ifacialmocap_frames(take: Take) -> Frames:
    """Yield iFacialMocap's datagrams."""
    names = [_with_side(name) for name in ARKIT_NAMES]
    eyes = (Rotation.from_rotvec(take.rotations(name)) for name in ("right_eye", "left_eye"))
    angles = [np.degrees(yaw_pitch_roll(turn)) for turn in (take.head, *eyes)]
    rows = zip(take.times_s, np.rint(100 * take.arkit).astype(int), *angles, strict=True)
    for time_s, weights, *turns in rows:
        parts = [f"{name}-{value}" for name, value in zip(names, weights, strict=True)]
        texts = [f"{pitch:.4f},{yaw:.4f},{roll:.4f}" for yaw, pitch, roll in turns]
        text = f"{'|'.join(parts)}|=head#{texts[0]},0,0,0|rightEye#{texts[1]}|leftEye#{texts[2]}|"
        yield float(time_s), text.encode("ascii")


FRAMES: dict[str, Callable[[Take], Frames]] = {
    "livelink": live_link_frames,
    "vmc": vmc_frames,
    "ifacialmocap": ifacialmocap_frames,
}


def _counted(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack(">i", len(data)) + data


def _osc(address: str, *values: str | float) -> bytes:
    """Return an OSC message: address, types and values, each padded to four bytes."""
    types = "," + "".join("s" if isinstance(value, str) else "f" for value in values)
    parts = [_padded(address), _padded(types)]
    for value in values:
        parts.append(_padded(value) if isinstance(value, str) else struct.pack(">f", value))
    return b"".join(parts)


def _padded(text: str) -> bytes:
    data = text.encode("utf-8") + b"\0"
    return data + b"\0" * (-len(data) % 4)


def _with_side(name: str) -> str:
    """Return `mouthSmile_L` for `mouthSmileLeft`; jawLeft and mouthLeft are directions and stay."""
    for side, short in _SIDES.items():
        if name.endswith(side) and name.removesuffix(side) not in ("jaw", "mouth"):
            return name.removesuffix(side) + short
    return name
