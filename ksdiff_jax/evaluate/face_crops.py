"""Pictures of a motion as SyncNet's own pipeline would cut them from a video of it: 224 x 224
pixels at 25 Hz, drawn by this package's renderer.

The original detects a face in every frame and takes the square box around it, from the top of the
forehead to the chin. It filters centre and size of the box over 13 frames (median), and cuts a
square of 1.4 box heights that begins at the top of the box and is centred on it sideways. Here the
box is known: it spans the face height (landmarks 10 and 152 of MediaPipe) as drawn. The head keeps
its rotation, and the crop follows it as it would follow the head in a video; the translation of the
camera is left out. The identity is the mean one; background and light are `export.raster`'s.

A drawn head is not what SyncNet was trained on, so a figure from these pictures is comparable only
with one from the same renderer: the truth's is always computed too.
"""

import numpy as np

from ksdiff_jax.evaluate.articulation import in_blocks
from ksdiff_jax.export.raster import Camera, Surface, render_frames
from ksdiff_jax.face import FaceModel, face_height, face_vertices
from ksdiff_jax.models.syncnet.network import PICTURE_SIDE
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float, UInt8

CROP_OF_BOX = 1.4
FILTER_FRAMES = 13


def face_crops(
    face: FaceModel, motion: Float[np.ndarray, "t 59"]
) -> UInt8[np.ndarray, "t 224 224 3"]:
    """Return one picture for each frame of a motion in the space of `face`: red, green, blue."""
    surface = Surface(face.faces, face.colours, face.gloss)
    posed = [
        np.asarray(
            face_vertices(
                face,
                block[:, space.EXPRESSION],
                global_orient=block[:, space.ROTATION],
                jaw_pose=block[:, space.JAW],
            )
        )
        for block in in_blocks(motion)
    ]
    vertices = centred(face, np.concatenate(posed)[: len(motion)])
    pictures = render_frames(vertices, surface, camera=crop_camera(face), size=PICTURE_SIDE)
    return np.stack(list(pictures))


def description(face: FaceModel) -> str:
    """Return in words which pictures `face_crops` gives, for a report."""
    return (
        f"drawn on the face {face.name!r}: mean identity, head rotation kept, camera on the face, "
        f"{PICTURE_SIDE} x {PICTURE_SIDE}, {CROP_OF_BOX} face heights from the top of the forehead"
    )


def crop_camera(face: FaceModel) -> Camera:
    """Return the camera whose picture is the crop of a face that `centred` has placed."""
    height = face_height(face)
    below = (CROP_OF_BOX - 1) / 2 * height  # the crop's middle is below the box's
    return Camera(target=(0.0, -below, 0.0), height_m=CROP_OF_BOX * height)


def centred(face: FaceModel, vertices: Float[np.ndarray, "t v 3"]) -> Float[np.ndarray, "t v 3"]:
    """Return the vertices with the filtered box of each frame at the origin and of the resting
    face's height.
    """
    from scipy.ndimage import median_filter

    top, chin = (vertices[:, index] for index in face.height_pair)
    size = np.abs(top[:, 1] - chin[:, 1])
    boxes = np.concatenate([(top + chin) / 2, size[:, None]], axis=1)  # (t, 4)
    boxes = median_filter(boxes, size=(FILTER_FRAMES, 1), mode="nearest")
    scale = face_height(face) / np.maximum(boxes[:, 3], 1e-6)
    return (vertices - boxes[:, None, :3]) * scale[:, None, None]
