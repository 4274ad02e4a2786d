"""Reduces a face to the vertices that a metric uses: some regions, posed only by expression and
jaw.

Lip metrics need a few hundred of the five thousand vertices. `face_part` keeps the requested
regions and returns a `FaceModel` of the same form, whose vertices equal the whole face's exactly.
The whole face regresses its joints from all its vertices; the part has the joints as five
additional vertices that only its joint regressor uses.

`articulate` poses such a part without head rotation, neck and camera, in blocks of one size, so
that a whole test split needs one compilation.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.face import FaceModel, face_vertices, mouth_opening
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float

_BLOCK_FRAMES = 256


class Articulation(NamedTuple):
    """A moving mouth in head coordinates, metres."""

    lips: Float[np.ndarray, "t v 3"]
    upper_face: Float[np.ndarray, "t u 3"]  # u = 0 if the part was reduced without it
    opening: Float[np.ndarray, "t"]  # distance of the inner lips


def face_part(face: FaceModel, regions: Sequence[str] = ("lips",)) -> FaceModel:
    """Return the face reduced to some of its regions, the inner lips and the two points of the face
    height.
    """
    wanted = [np.asarray(face.regions[name]) for name in regions]
    landmarks = [np.ravel(face.inner_lip_pairs), np.asarray(face.height_pair)]
    kept = np.unique(np.concatenate([*wanted, *landmarks]))
    regressor = np.asarray(face.joint_regressor)
    joints = np.arange(len(regressor)) + len(kept)

    def with_joints(rows: np.ndarray, of_joints: np.ndarray) -> np.ndarray:
        return np.concatenate([np.asarray(rows)[..., kept, :], of_joints], axis=-2).astype(
            np.float32
        )

    def resting(rows: np.ndarray | None) -> np.ndarray | None:
        return (
            None
            if rows is None
            else with_joints(rows, np.zeros((*rows.shape[:-2], len(joints), rows.shape[-1])))
        )

    picks = np.zeros((len(joints), len(kept) + len(joints)), np.float32)
    picks[np.arange(len(joints)), joints] = 1.0
    return dataclasses.replace(
        face,
        template=with_joints(face.template, regressor @ face.template),
        shape_directions=with_joints(face.shape_directions, regressor @ face.shape_directions),
        expression_directions=resting(face.expression_directions),
        pose_correctives=resting(face.pose_correctives),
        joint_regressor=picks,
        skinning_weights=resting(face.skinning_weights),
        faces=np.zeros((0, 3), np.int32),
        colours=resting(face.colours),
        gloss=np.zeros(len(kept) + len(joints), np.float32),
        regions={
            name: np.searchsorted(kept, index).astype(np.int32)
            for name, index in zip(regions, wanted, strict=True)
        },
        inner_lip_pairs=np.searchsorted(kept, face.inner_lip_pairs).astype(np.int32),
        height_pair=np.searchsorted(kept, face.height_pair).astype(np.int32),
    )


def in_blocks(motion: Float[np.ndarray, "t 59"]) -> Float[np.ndarray, "n f 59"]:
    """Return a motion in blocks of one length, the last one padded with zeros."""
    frames = len(motion)
    padded = np.zeros((-(-frames // _BLOCK_FRAMES) * _BLOCK_FRAMES, space.MOTION_DIMS), np.float32)
    padded[:frames] = motion
    return padded.reshape(-1, _BLOCK_FRAMES, space.MOTION_DIMS)


def articulate(part: FaceModel, motion: Float[np.ndarray, "t 59"]) -> Articulation:
    """Lips, upper face and mouth opening of a motion, head pose removed."""
    frames = len(motion)
    blocks, openings = [], []
    for block in in_blocks(motion):
        vertices = face_vertices(part, block[:, space.EXPRESSION], jaw_pose=block[:, space.JAW])
        blocks.append(np.asarray(vertices))
        openings.append(np.asarray(mouth_opening(part, vertices)))
    vertices = np.concatenate(blocks)[:frames]
    none = np.zeros(0, np.int32)
    return Articulation(
        lips=vertices[:, part.regions.get("lips", none)],
        upper_face=vertices[:, part.regions.get("upper_face", none)],
        opening=np.concatenate(openings)[:frames],
    )
