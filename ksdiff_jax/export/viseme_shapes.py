"""The 15 visemes: names, and their shapes as combinations of ARKit's.

The order is that of OpenXR's `XR_META_face_tracking_visemes`. Avatars call the morph targets
`viseme_sil` to `viseme_U`, with `I`, `O` and `U` where the track has `ih`, `oh` and `ou`. The
weights below are choices of this package, after the places of articulation.
"""

import numpy as np

from ksdiff_jax.face.actions import MOUTH_CLOSE_JAW_RAD
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.face.dressed import tongue_shape
from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.typing import Float

VISEMES = (
    *("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou"),
)
TONGUE_UP = ("DD", "nn")
_AVATAR_NAMES = {"ih": "I", "oh": "O", "ou": "U"}
VISEME_TARGETS = tuple(f"viseme_{_AVATAR_NAMES.get(name, name)}" for name in VISEMES)

_LOWER, _UPPER, _STRETCH = "mouthLowerDown", "mouthUpperUp", "mouthStretch"
_POSES: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"jawOpen": 0.12, "mouthClose": 0.12, "mouthPress": 0.4, "mouthRollLower": 0.15},
    "FF": {"jawOpen": 0.1, "mouthRollLower": 0.6, _UPPER: 0.25},
    "TH": {"jawOpen": 0.2, _LOWER: 0.25, _UPPER: 0.1, "tongueOut": 0.4},
    "DD": {"jawOpen": 0.15, _LOWER: 0.25, _UPPER: 0.1},
    "kk": {"jawOpen": 0.22, _LOWER: 0.15, _UPPER: 0.1},
    "CH": {"jawOpen": 0.12, "mouthFunnel": 0.6, "mouthPucker": 0.25},
    "SS": {"jawOpen": 0.06, _STRETCH: 0.3, _LOWER: 0.35, _UPPER: 0.15},
    "nn": {"jawOpen": 0.15, _LOWER: 0.2},
    "RR": {"jawOpen": 0.15, "mouthFunnel": 0.25, "mouthPucker": 0.35},
    "aa": {"jawOpen": 0.6, _LOWER: 0.3, _UPPER: 0.2},
    "E": {"jawOpen": 0.35, _STRETCH: 0.25, _LOWER: 0.3, _UPPER: 0.15},
    "ih": {"jawOpen": 0.2, _STRETCH: 0.4, _LOWER: 0.25},
    "oh": {"jawOpen": 0.35, "mouthFunnel": 0.3, "mouthPucker": 0.45},
    "ou": {"jawOpen": 0.15, "mouthFunnel": 0.3, "mouthPucker": 0.75},
}


def viseme_poses() -> Float[np.ndarray, "15 52"]:
    """Return the ARKit weights of each viseme; a name without a side sets both sides."""
    poses = np.zeros((len(VISEMES), len(ARKIT_NAMES)))
    for row, name in enumerate(VISEMES):
        for shape, weight in _POSES[name].items():
            for side in ("", "Left", "Right"):
                if shape + side in ARKIT_NAMES:
                    poses[row, ARKIT_NAMES.index(shape + side)] = weight
    return poses


def viseme_shapes(
    arkit: Float[np.ndarray, "52 v 3"], face: FaceModel | None = None
) -> Float[np.ndarray, "15 v 3"]:
    """Return the displacement of every vertex at weight 1 of each viseme, in metres.

    On the dressed head as `face` they have the tongue's own poses: up in `TONGUE_UP`, and between
    the teeth in TH in place of a share of tongueOut.
    """
    poses = viseme_poses()
    if face is None:
        return np.tensordot(poses.astype(np.float32), arkit, 1)
    poses[:, ARKIT_NAMES.index("tongueOut")] = 0.0
    shapes = np.tensordot(poses.astype(np.float32), arkit, 1)
    for name, pose in {"TH": "out", **dict.fromkeys(TONGUE_UP, "up")}.items():
        jaw_rad = MOUTH_CLOSE_JAW_RAD * _POSES[name]["jawOpen"]
        shapes[VISEMES.index(name)] += tongue_shape(face, pose, jaw_rad=jaw_rad)
    return shapes


def tongue_weights(visemes: Float[np.ndarray, "t 15"]) -> Float[np.ndarray, "t 2"]:
    """Return the weights of the tongue's poses (`face.head.tongue.POSES`) of a viseme track: `up`
    for `TONGUE_UP`, `out` for TH.
    """
    up = visemes[:, [VISEMES.index(name) for name in TONGUE_UP]].sum(axis=1)
    return np.clip(np.stack([up, visemes[:, VISEMES.index("TH")]], axis=1), 0, 1)
