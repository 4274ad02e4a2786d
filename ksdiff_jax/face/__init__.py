"""Faces in FLAME's form: expression coefficients and joint rotations to a moving mesh.

`model` is the forward pass. `builtin` is the head that ships with the package. `flame_files` reads
FLAME's own files. `actions` names the built-in head's 50 actions (FACS and ARKit) and maps them to
expression coefficients.
"""

from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.flame_files import load_face
from ksdiff_jax.face.model import FaceModel, check_face, face_height, face_vertices, mouth_opening

__all__ = [
    "FaceModel",
    "builtin_face",
    "check_face",
    "face_height",
    "face_vertices",
    "load_face",
    "mouth_opening",
]
