"""Faces and landmarks by MediaPipe, for another process; the tracker's own Python runs this file,
and nothing imports it.

MediaPipe pins its own NumPy and JAX, so it is installed in a separate environment (`make tracker`),
and this file imports nothing of this package. It reads requests from standard input and answers on
standard output, both little-endian:

    request   kind (1 byte: D faces, M landmarks, R a new face follows),
              height and width (uint32), RGB bytes
    answer D  number of faces (uint32),
              then per face float32 x, y, width, height in pixels and the score
    answer M  number of faces (uint32),
              then per face 478 × (x, y, z) float32: pixels, z in the units of x
    answer R  empty

Before the first answer it writes four bytes: the version of the protocol.
"""

import os
import struct
import sys

VERSION = 1
MAX_FACES = 3
# Larger faces do not improve landmarks, but take longer.
LARGEST_SIDE = 384


def main():
    """Answer requests until standard input ends."""
    source = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not be mixed with the answers
    import cv2
    import mediapipe
    import numpy as np

    finder = mediapipe.solutions.face_detection.FaceDetection(
        model_selection=1, min_detection_confidence=0.5
    )
    mesh = _mesh(mediapipe)
    answers.write(struct.pack("<I", VERSION))
    answers.flush()
    while header := source.read(9):
        kind, height, width = struct.unpack("<cII", header)
        if kind == b"R":
            mesh.close()
            mesh = _mesh(mediapipe)
            continue
        picture = np.frombuffer(source.read(3 * height * width), np.uint8).reshape(height, width, 3)
        shrunk = min(1.0, LARGEST_SIDE / max(height, width)) if kind == b"M" else 1.0
        if shrunk < 1:
            size = (round(width * shrunk), round(height * shrunk))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        picture = np.ascontiguousarray(picture)
        scale = np.array([width, height, width], np.float32)
        found = _faces(finder, picture, scale) if kind == b"D" else _landmarks(mesh, picture, scale)
        answers.write(
            struct.pack("<I", len(found)) + b"".join(face.astype("<f4").tobytes() for face in found)
        )
        answers.flush()


def _mesh(mediapipe):
    return mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=False,
        refine_landmarks=True,
        max_num_faces=1,
        min_detection_confidence=0.5,
    )


def _faces(finder, picture, scale):
    import numpy as np

    found = []
    for face in (finder.process(picture).detections or [])[:MAX_FACES]:
        box = face.location_data.relative_bounding_box
        x, y = box.xmin * scale[0], box.ymin * scale[1]
        found.append(
            np.array([x, y, box.width * scale[0], box.height * scale[1], face.score[0]], np.float32)
        )
    return found


def _landmarks(mesh, picture, scale):
    import numpy as np

    faces = mesh.process(picture).multi_face_landmarks or []
    return [
        np.array([[p.x, p.y, p.z] for p in face.landmark], np.float32) * scale for face in faces
    ]


if __name__ == "__main__":
    sys.exit(main())
