"""iFacialMocap's text, which its receivers read on UDP port 49983.

`name-weight|` for each shape, weights as whole numbers 0 to 100 and sides as `_L` and `_R`; then
`=head#rx,ry,rz,x,y,z|rightEye#rx,ry,rz|leftEye#rx,ry,rz|`, degrees about x (down), y (to the
subject's left) and z. The position is zero.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.take import yaw_pitch_roll
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.live.frame import LiveFrame

# jawLeft, mouthRight and so on are directions, not sides.
_DIRECTIONS = {"jawLeft", "jawRight", "mouthLeft", "mouthRight"}


def ifacialmocap_text(
    time_s: float | int, frame: LiveFrame, *, subject: str, fps: float | int
) -> bytes:
    """Return the text of one frame; the format has no place for time, subject and frame rate."""
    percent = np.rint(100 * frame.weights).astype(int)
    shapes = (f"{name}-{value}|" for name, value in zip(_NAMES, percent, strict=True))
    turns = Rotation.from_rotvec(np.stack([frame.head, frame.right_eye, frame.left_eye]))
    head, right, left = (
        f"{pitch:.4f},{yaw:.4f},{roll:.4f}"
        for yaw, pitch, roll in np.degrees(yaw_pitch_roll(turns))
    )
    return f"{''.join(shapes)}=head#{head},0,0,0|rightEye#{right}|leftEye#{left}|".encode()


def _short(name: str) -> str:
    """Return `mouthSmile_L` for `mouthSmileLeft`."""
    for side in ("Left", "Right"):
        if name.endswith(side) and name not in _DIRECTIONS:
            return f"{name.removesuffix(side)}_{side[0]}"
    return name


_NAMES = tuple(map(_short, ARKIT_NAMES))
