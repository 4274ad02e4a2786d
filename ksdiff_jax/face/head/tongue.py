"""The tongue of the built-in head that is drawn: a body with a groove and a round tip, and the two
poses that speech shows.

| pose | sounds | tip |
|---|---|---|
| up | /l/ /n/ /t/ /d/ | at the ridge behind the upper teeth |
| out | /θ/ /ð/ | between the teeth |

It moves with the lower jaw. The ridge does not, so the pose `up` rises further the further the jaw
is open. `out` is zero with closed teeth, and full from `_TEETH_APART_RAD` on.
"""

import numpy as np

from ksdiff_jax.face.head.parts import TONGUE, Part, cap_faces, painted, ring_faces, smoothstep
from ksdiff_jax.face.head.rig import JAW_JOINT
from ksdiff_jax.typing import Float

POSES = ("up", "out")
_ROWS, _AROUND = 12, 16
_ROOT_Z, _TIP_Z = 0.036, 0.0712
_UP = (0.0110, -0.0015)  # metres of the tip, y and z, with closed teeth
_OUT = (0.0115, 0.0100)  # over the edge of the lower teeth
_TEETH_APART_RAD = 0.07


def make_tongue_body() -> Part:
    """Return the tongue at rest, root first, tip last."""
    u = _along()
    angle = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    a, up = np.cos(angle), np.sin(angle)
    tip = np.sqrt(np.clip(1 - ((u - 0.55) / 0.45).clip(0) ** 2, 0.06, 1))  # rounds the end
    half = 0.0160 * np.sqrt(np.clip(1 - (1.10 * u - 0.25).clip(0) ** 4, 0.02, 1)) * tip
    top = -0.0500 - 0.0035 * u[:, None] ** 3 - 0.0050 * np.abs(a) ** 3 * tip[:, None]
    groove = 0.0012 * np.exp(-((a / 0.22) ** 2)) * smoothstep((0.9 - u) / 0.4)[:, None]
    thick = 0.0055 * tip[:, None]
    y = np.where(up >= 0, top + 0.0018 * up - groove * (up > 0), top - 2 * thick * np.abs(up))
    x = half[:, None] * a
    z = np.broadcast_to((_ROOT_Z + (_TIP_Z - _ROOT_Z) * u)[:, None], x.shape)
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    last = points[-_AROUND:].mean(axis=0) + np.array([0, 0, 0.0008])
    index = np.arange(_ROWS * _AROUND).reshape(_ROWS, _AROUND)
    faces = [ring_faces(index[k + 1], index[k]) for k in range(_ROWS - 1)]
    faces.append(cap_faces(index[-1], len(points)))
    part = painted(np.concatenate([points, last[None]]), np.concatenate(faces), TONGUE, gloss=0.4)
    light = np.append(np.repeat(0.12 + 0.80 * smoothstep(u / 0.85), _AROUND), 0.92)
    return part._replace(colours=part.colours * light[:, None])


def tongue_displacements(
    weights: Float[np.ndarray, "*t 2"], jaw_rad: Float[np.ndarray, "*t"]
) -> Float[np.ndarray, "*t k 3"]:
    """Return the displacement of the tongue's vertices, in metres and in the jaw's axes, for
    weights (0 to 1) of `POSES` and an opening of the jaw in radians.
    """
    u = np.append(np.repeat(_along(), _AROUND), 1.0)
    jaw_rad = np.maximum(jaw_rad, 0.0)[..., None]
    up, out = weights[..., :1], weights[..., 1:]
    raised, pushed = smoothstep((u - 0.30) / 0.70), smoothstep((u - 0.10) / 0.90)
    out = out * np.minimum(jaw_rad / _TEETH_APART_RAD, 1.0)
    lever = _TIP_Z - JAW_JOINT[2]  # a jaw open by an angle lowers the tip by angle times this
    lift = up * raised * (_UP[0] + 0.85 * lever * jaw_rad)
    lift = lift + out * pushed * _OUT[0]
    forward = up * raised * _UP[1] + out * pushed * _OUT[1]
    return np.stack([np.zeros_like(lift), lift, forward], axis=-1)


def _along() -> Float[np.ndarray, "k"]:
    """Return the position of each ring from root (0) to tip (1), denser at the tip."""
    return 1 - (1 - np.linspace(0, 1, _ROWS)) ** 1.4
