"""Joints, skinning weights and regions of the built-in head.

The jaw rotates about a line through the two joints in front of the ears. Its weight is 1 on the
lower lip, chin and lower teeth and falls to 0 over the cheeks. Both lips share it at the corners of
the mouth, so an open mouth is an oval. The neck joint moves the head; the cut edge of the neck
stays with the global joint.
"""

import numpy as np

from ksdiff_jax.face.head.mesh import HeadMesh, eye_centres
from ksdiff_jax.face.head.mouth import (
    BAG_FOLLOWS,
    CORNER_Y,
    HALF_WIDTH,
    bag_start,
    contact_height,
    loop_contact,
)
from ksdiff_jax.face.head.parts import smoothstep
from ksdiff_jax.typing import Float, Int

JAW_JOINT = np.array([0.0, 0.002, 0.002])
JOINTS_AT = np.stack([[0.0, -0.150, -0.040], [0.0, -0.095, -0.030], JAW_JOINT, *eye_centres()])
_CARRIED = ("left_ear", "right_ear", "left_brow", "right_brow", "hair", "upper_teeth")


def skinning_weights(head: HeadMesh) -> Float[np.ndarray, "v 5"]:
    """Return weights over global, neck, jaw, left eye, right eye; rows sum to 1."""
    points = head.part.points
    jaw = _jaw_weight(points, head.part.side)
    _weigh_bag(head, jaw)
    for name in _CARRIED:
        jaw[head.spans[name]] = 0.0
    for name in ("lower_teeth", "tongue"):
        jaw[head.spans[name]] = 1.0
    eyes = np.zeros((len(points), 2))
    for k, name in enumerate(("left_eye", "right_eye")):
        jaw[head.spans[name]] = 0.0
        eyes[head.spans[name], k] = 1.0
    base = (1 - neck_weight(points)) * (1 - jaw) * (1 - eyes.sum(axis=1))
    return np.column_stack([base, 1 - base - jaw - eyes.sum(axis=1), jaw, eyes])


def neck_weight(points: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v"]:
    """Return the share of the neck joint in vertices of neck and collar: 0 at the cut edge."""
    return smoothstep((points[:, 1] + 0.175) / 0.085)


def joint_regressor(head: HeadMesh) -> Float[np.ndarray, "5 v"]:
    """Return weights (rows sum to 1) that reproduce each joint exactly from the vertices near it,
    symmetric left and right.
    """
    points = head.part.points
    regressor = np.zeros((5, len(points)))
    for k, joint in enumerate(JOINTS_AT):
        if k >= 3:
            span = head.spans["left_eye" if k == 3 else "right_eye"]
            near = np.arange(span.start, span.stop)
        else:
            near = np.arange(head.spans["skin"].start, head.spans["skin"].stop)
        # The least-squares weights that sum to 1 and reproduce the joint, with a preference for
        # near vertices.
        closeness = np.exp(-np.linalg.norm(points[near] - joint, axis=1) / 0.03)
        system = np.concatenate([points[near].T, np.ones((1, len(near)))])
        scaled = system * closeness
        regressor[k, near] = closeness * (np.linalg.pinv(scaled) @ np.append(joint, 1.0))
    return regressor


def regions(head: HeadMesh) -> dict[str, Int[np.ndarray, "_"]]:
    """Return the vertex indices of `lips`, `upper_face`, `eyes` and `neck`."""
    points = head.part.points
    index = np.arange(len(points))
    skin = np.zeros(len(points), bool)
    for name in ("mouth", "left_lids", "right_lids", "skin", "left_brow", "right_brow"):
        skin[head.spans[name]] = True
    eyes = np.zeros(len(points), bool)
    for name in ("left_lids", "right_lids", "left_eye", "right_eye"):
        eyes[head.spans[name]] = True
    upper = skin & (points[:, 1] > 0.008) & (points[:, 1] < 0.100) & (points[:, 2] > 0.020)
    chosen = {"upper_face": upper, "eyes": eyes, "neck": skin & (points[:, 1] < -0.095)}
    found = {name: index[mask].astype(np.int32) for name, mask in chosen.items()}
    return {"lips": np.sort(head.mouth.lips).astype(np.int32), **found}


def inner_lip_pairs(head: HeadMesh) -> Int[np.ndarray, "3 2"]:
    """Return the three middle columns of the contact rows, upper and lower."""
    middle = len(head.mouth.upper_contact) // 2
    columns = slice(middle - 1, middle + 2)
    return np.stack(
        [head.mouth.upper_contact[columns], head.mouth.lower_contact[columns]], 1
    ).astype(np.int32)


def height_pair(head: HeadMesh) -> Int[np.ndarray, "2"]:
    """Return skin vertices on the midline: top of the forehead, bottom of the chin."""
    span = head.spans["skin"]
    points = head.part.points[span]
    targets = np.array([[0.0, 0.092, 0.075], [0.0, -0.087, 0.068]])
    away = np.linalg.norm(points - targets[:, None], axis=-1) + 10 * np.abs(points[:, 0])
    return (span.start + np.argmin(away, axis=1)).astype(np.int32)


def _weigh_bag(head: HeadMesh, jaw: Float[np.ndarray, "v"]) -> None:
    """Weight the bag: its first rings move with the lips that they are attached to, its back moves
    halfway between the jaws.
    """
    contact, start = loop_contact(head.mouth), bag_start(head.mouth)
    for k, follow in enumerate(BAG_FOLLOWS):
        ring = start + k * len(contact) + np.arange(len(contact))
        split = 0.5 - 0.5 * head.part.side[ring] * smoothstep(
            1.4 - np.abs(head.part.points[contact, 0]) / HALF_WIDTH
        )
        jaw[ring] = follow * jaw[contact] + (1 - follow) * split
    jaw[start + len(BAG_FOLLOWS) * len(contact)] = 0.5


def lower_share(
    points: Float[np.ndarray, "v 3"], side: Int[np.ndarray, "v"]
) -> Float[np.ndarray, "v"]:
    """Return 1 below the mouth and on the lower lip, 0 above and on the upper lip, and one half at
    and beyond its corners.
    """
    x, y = np.abs(points[:, 0]), points[:, 1]
    s = np.minimum(x / HALF_WIDTH, 1)
    width = 0.0045 + 0.55 * np.maximum(x - HALF_WIDTH, 0)
    above = y - np.where(x < HALF_WIDTH, contact_height(points[:, 0]), CORNER_Y)
    # On the lips the sign of `side` decides; towards the corners both sides approach one half.
    above = above + side * 0.0045 * (1 - s**3)
    return 1 - smoothstep(0.5 + 0.5 * above / width)


def _jaw_weight(
    points: Float[np.ndarray, "v 3"], side: Int[np.ndarray, "v"]
) -> Float[np.ndarray, "v"]:
    y, z = points[:, 1], points[:, 2]
    behind = smoothstep((z + 0.020) / 0.050)  # the ramus and the region in front of it
    under = smoothstep((z - 0.002) / 0.042)  # the floor of the mouth towards the throat
    low = smoothstep((-0.050 - y) / 0.030)
    return (
        lower_share(points, side)
        * (behind * (1 - low) + under * low)
        * smoothstep((y + 0.125) / 0.030)
    )
