"""The VMC protocol, which moves VRM avatars: one OSC bundle a frame.

| address | values |
|---|---|
| /VMC/Ext/OK | 1: the performer is loaded |
| /VMC/Ext/T | seconds |
| /VMC/Ext/Bone/Pos | Head, LeftEye, RightEye; position 0; quaternion x, y, z, w |
| /VMC/Ext/Blend/Val | name and weight of each of the 52 shapes, in the spelling `JawOpen` |
| /VMC/Ext/Blend/Apply | |

Marionettes (programs that show the avatar) receive on port 39539, performers on 39540. Avatars with
these 52 expressions ("perfect sync") use them; avatars with the expressions A I U E O alone do not.

Unity's axes are left-handed with +x to the subject's right: of a rotation, y and z change sign.
"""

from scipy.spatial.transform import Rotation

from ksdiff_jax.export.live_link import pascal_case
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.live.frame import LiveFrame
from ksdiff_jax.live.osc import bundle, message

_NAMES = tuple(map(pascal_case, ARKIT_NAMES))


def vmc_bundle(time_s: float | int, frame: LiveFrame, *, subject: str, fps: float | int) -> bytes:
    """Return the bundle of one frame; the protocol has no place for subject and frame rate."""
    bones = {"Head": frame.head, "LeftEye": frame.left_eye, "RightEye": frame.right_eye}
    return bundle(
        [
            message("/VMC/Ext/OK", 1),
            message("/VMC/Ext/T", float(time_s)),
            *(
                message("/VMC/Ext/Bone/Pos", bone, 0.0, 0.0, 0.0, *_unity(axis_angle))
                for bone, axis_angle in bones.items()
            ),
            *(
                message("/VMC/Ext/Blend/Val", name, weight)
                for name, weight in zip(_NAMES, frame.weights.tolist(), strict=True)
            ),
            message("/VMC/Ext/Blend/Apply"),
        ]
    )


def _unity(axis_angle) -> list[float]:
    x, y, z, w = Rotation.from_rotvec(axis_angle).as_quat().tolist()
    return [x, -y, -z, w]
