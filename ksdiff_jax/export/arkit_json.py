"""ARKit's weights as JSON: names once, then one row a frame, with the head and the eyes.

Rotations are quaternions x, y, z, w with y up, +z out of the face and +x to the subject's left,
which are ARKit's axes of a face anchor.
"""

import json
from pathlib import Path

from scipy.spatial.transform import Rotation

from ksdiff_jax.export.take import Take
from ksdiff_jax.face.arkit import ARKIT_NAMES


def write_arkit(path: Path, take: Take) -> None:
    """Write `{schema, name, fps, names, times, weights, head, leftEye, rightEye}`."""
    eyes = {
        key: Rotation.from_rotvec(take.rotations(joint)).as_quat().round(6).tolist()
        for key, joint in (("leftEye", "left_eye"), ("rightEye", "right_eye"))
    }
    content = {
        "schema": "ksdiff-arkit/1",
        "name": take.name,
        "fps": take.fps,
        "names": list(ARKIT_NAMES),
        "times": take.times_s.round(6).tolist(),
        "weights": take.arkit.round(5).tolist(),
        "head": take.head.as_quat().round(6).tolist(),
        **eyes,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
