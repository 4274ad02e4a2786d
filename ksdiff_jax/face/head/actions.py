"""The 50 named actions as displacement fields on the built-in head, in metres at weight 1.

Every field is a sum of smooth bumps over the face's (x, y), times a direction, limited to one piece
of the face. `upper` and `lower` are the shares (summing to 1) of the upper and lower lip in each
skin vertex: they jump across the closed lips and are both one half at the corners. Fields that part
the lips use these shares; fields that keep the lips together do not. Vertices of the bag inside the
mouth move with the lip column that they are attached to. `lid_positions` moves the lids. Right-hand
actions mirror the left-hand ones. Amplitudes are those of a relaxed, full expression.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.face.actions import ACTIONS, MOUTH_CLOSE_JAW_RAD
from ksdiff_jax.face.head.eyes import lid_positions
from ksdiff_jax.face.head.mesh import HeadMesh
from ksdiff_jax.face.head.mouth import (
    BAG_FOLLOWS,
    CORNER_Y,
    HALF_WIDTH,
    bag_start,
    contact_height,
    loop_contact,
)
from ksdiff_jax.face.head.parts import smoothstep
from ksdiff_jax.face.head.rig import JAW_JOINT, lower_share
from ksdiff_jax.typing import Float

# The upper lip's share of the gap that MouthClose closes over an open jaw.
_UPPER_LIP_SHARE = 0.38
_LID_TRAVEL = {
    "EyeBlink": (1.0, 1.0),
    "EyeSquint": (0.22, 0.62),
    "EyeWide": (-0.30, -0.12),
    "LidTightener": (0.34, 0.30),
}


class Canvas(NamedTuple):
    """The inputs of the fields: for each vertex, its position on the face and the degree to which
    it follows the skin.
    """

    x: Float[np.ndarray, "v"]
    y: Float[np.ndarray, "v"]
    # 1 on the front skin, less in the mouth's bag, 0 on eyes, teeth, ears, hair
    skin: Float[np.ndarray, "v"]
    above: Float[np.ndarray, "v"]  # height over the line where the lips meet
    upper: Float[np.ndarray, "v"]
    lower: Float[np.ndarray, "v"]
    jaw: Float[np.ndarray, "v"]  # skinning weight

    def bump(self, x: float, y: float, width: float, height: float) -> Float[np.ndarray, "v"]:
        """Return a Gaussian bump on the skin."""
        return self.skin * np.exp(-(((self.x - x) / width) ** 2) - ((self.y - y) / height) ** 2)

    def dome(self, x: float, y: float, width: float, height: float) -> Float[np.ndarray, "v"]:
        """Return a bump with a flatter top and steeper sides across the face."""
        return self.skin * np.exp(-(((self.x - x) / width) ** 4) - ((self.y - y) / height) ** 2)

    def pair(self, x: float, y: float, width: float, height: float) -> Float[np.ndarray, "v"]:
        """Return the same bump on both sides, as a signed field: positive left, negative right."""
        return self.bump(x, y, width, height) - self.bump(-x, y, width, height)


def action_displacements(
    head: HeadMesh, jaw: Float[np.ndarray, "v"]
) -> Float[np.ndarray, "50 v 3"]:
    """Return the displacement of every vertex for each of `ACTIONS`, given the jaw's skinning
    weights.
    """
    canvas = _canvas(head, jaw)
    fields = _fields(canvas)
    # A right-hand action is the left-hand one drawn on the mirrored face.
    mirrored = {
        name: field * [-1, 1, 1] for name, field in _fields(canvas._replace(x=-canvas.x)).items()
    }
    fields |= {name.replace("Left", "Right"): mirrored[name] for name in mirrored if "Left" in name}
    fields["MouthClose"] = _mouth_close(head, canvas)
    for name, field in _lid_fields(head).items():
        fields[name] = fields.get(name, 0.0) + field
    return np.stack([fields[name] for name in ACTIONS])


def _fields(canvas: Canvas) -> dict[str, np.ndarray]:
    return {
        **_mouth_fields(canvas),
        **_lip_fields(canvas),
        **_cheek_and_nose_fields(canvas),
        **_brow_fields(canvas),
        **_jaw_fields(canvas),
        "EyeSquintLeft": _moved(canvas.bump(0.0330, 0.0130, 0.0150, 0.0060), 0, 0.0016, 0.0008),
    }


def _canvas(head: HeadMesh, jaw: Float[np.ndarray, "v"]) -> Canvas:
    points = head.part.points.copy()
    skin = np.zeros(len(points))
    for name in ("mouth", "left_lids", "right_lids", "skin", "left_brow", "right_brow"):
        skin[head.spans[name]] = 1.0
    skin *= smoothstep((points[:, 2] - 0.005) / 0.035)
    start = bag_start(head.mouth)
    contact = loop_contact(head.mouth)
    for k, follow in enumerate(BAG_FOLLOWS):
        ring = start + k * len(contact) + np.arange(len(contact))
        points[ring] = points[contact]
        skin[ring] = follow
    skin[start + len(BAG_FOLLOWS) * len(contact)] = 0.0
    x, y = points[:, 0], points[:, 1]
    lower = lower_share(points, head.part.side)
    line = np.where(np.abs(x) < HALF_WIDTH, contact_height(x), CORNER_Y)
    return Canvas(x, y, skin, y - line, 1 - lower, lower, jaw)


def _moved(
    amount: Float[np.ndarray, "v"], dx: float | int, dy: float | int, dz: float | int
) -> Float[np.ndarray, "v 3"]:
    return amount[:, None] * np.array([dx, dy, dz])


def _along(x=0.0, y=0.0, z=0.0) -> Float[np.ndarray, "v 3"]:
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def _mouth_fields(c: Canvas) -> dict[str, np.ndarray]:
    """Return the fields of the mouth corners and of the mouth as a whole."""
    corner = c.bump(0.0265, CORNER_Y, 0.0170, 0.0170)
    wide = c.bump(0.0300, CORNER_Y, 0.0210, 0.0200)
    around = c.bump(0.0, CORNER_Y, 0.0340, 0.0240)
    front = c.bump(0.0, CORNER_Y, 0.0215, 0.0170)
    cheek = c.bump(0.0400, -0.0150, 0.0160, 0.0150)
    lips = c.bump(0.0, CORNER_Y, 0.0260, 0.0120)
    return {
        "MouthSmileLeft": _moved(corner, 0.0062, 0.0068, -0.0050)
        + _moved(cheek, 0.0020, 0.0032, 0.0030),
        "MouthFrownLeft": _moved(corner, 0.0015, -0.0065, -0.0010)
        + _moved(c.bump(0.018, -0.066, 0.014, 0.01), 0, 0.001, 0),
        "MouthDimpleLeft": _moved(
            c.bump(0.0275, CORNER_Y, 0.0105, 0.0105), 0.0042, 0.0008, -0.0062
        ),
        "MouthStretchLeft": _moved(wide, 0.0085, -0.0014, -0.0040),
        "MouthLeft": _moved(around, 0.0090, 0.0006, -0.0005),
        "MouthPucker": _along(x=-0.66 * c.x * around, y=0.22 * c.above * lips, z=0.0095 * front),
        "MouthFunnel": _along(
            x=-0.36 * c.x * around,
            y=0.0050 * c.upper * c.dome(0.0, -0.039, 0.0220, 0.0150)
            - 0.0070 * c.lower * c.dome(0.0, -0.049, 0.0220, 0.0170),
            z=0.0062 * front,
        ),
    }


def _lip_fields(c: Canvas) -> dict[str, np.ndarray]:
    """Return the fields of the upper and the lower lip separately."""
    upper_red = c.bump(0.0, -0.0400, 0.0240, 0.0080) * c.upper
    lower_red = c.bump(0.0, -0.0475, 0.0240, 0.0085) * c.lower
    both = c.bump(0.0, -0.0440, 0.0240, 0.0100)
    left_half = smoothstep(0.5 + c.x / 0.018)
    apart = c.dome(0.0, -0.0440, 0.0200, 0.0130)
    # 0 where the lips meet, 1 at the lower border
    under = np.clip(-c.above / 0.0085, 0, 1) * c.lower
    over = np.clip(c.above / 0.0070, 0, 1) * c.upper
    chin = c.bump(0.0, -0.0680, 0.0200, 0.0140)
    fold = c.bump(0.0220, -0.0200, 0.0110, 0.0130)
    return {
        "MouthRollLower": _along(
            y=lower_red * (0.0052 * under), z=-0.0050 * lower_red * under - 0.0016 * both
        ),
        "MouthRollUpper": _along(
            y=upper_red * (-0.0042 * over), z=-0.0046 * upper_red * over - 0.0016 * both
        ),
        "MouthShrugLower": _along(
            y=0.0034 * both + 0.0014 * chin, z=0.0036 * lower_red * under + 0.0016 * both
        ),
        "MouthShrugUpper": _along(
            y=0.0028 * upper_red * over + 0.0010 * both, z=0.0030 * upper_red * over + 0.0008 * both
        ),
        "MouthPressLeft": _along(
            y=(0.0032 * lower_red * under - 0.0026 * upper_red * over) * left_half
            + 0.0008 * c.bump(0.026, CORNER_Y, 0.01, 0.01),
            z=-0.0022 * both * left_half,
        ),
        "MouthLowerDownLeft": _moved(
            c.lower * c.bump(0.0105, -0.0530, 0.0135, 0.0150), 0.0008, -0.0085, -0.0012
        ),
        "MouthUpperUpLeft": _moved(
            c.upper * c.bump(0.0105, -0.0360, 0.0135, 0.0140), 0, 0.0068, -0.0006
        )
        + _moved(fold, 0.0006, 0.0030, 0.0012),
        "LipTuckLower": _along(
            y=0.0022 * apart * c.upper + lower_red * (-0.0010 + 0.0048 * under),
            z=-lower_red * (0.0050 + 0.0026 * under),
        ),
        "LipTightener": _along(
            x=-0.15 * c.x * both,
            y=0.0026 * lower_red * under - 0.0022 * upper_red * over,
            z=0.0012 * both,
        ),
        "LipsPart": _along(y=0.0018 * c.upper * apart - 0.0024 * c.lower * apart),
        "ChinRaiser": _along(
            y=0.0055 * chin + 0.0012 * both, z=0.0014 * chin + 0.0012 * lower_red * under
        ),
    }


def _cheek_and_nose_fields(c: Canvas) -> dict[str, np.ndarray]:
    puff = c.pair(0.0390, -0.0380, 0.0180, 0.0210)
    high = c.bump(0.0370, 0.0080, 0.0160, 0.0110)
    wing = c.pair(0.0155, -0.0135, 0.0060, 0.0070)
    ridge = c.pair(0.0110, -0.0020, 0.0060, 0.0090)
    side = c.bump(0.0140, -0.0080, 0.0090, 0.0120)
    return {
        "CheekPuff": _along(
            x=0.0088 * puff, z=0.0062 * np.abs(puff) + 0.0012 * c.bump(0.0, CORNER_Y, 0.022, 0.014)
        ),
        "CheekSuck": _along(
            x=-0.0078 * c.pair(0.0390, -0.0330, 0.0150, 0.0200), z=-0.0044 * np.abs(puff)
        ),
        "CheekSquintLeft": _moved(high, 0.0004, 0.0042, 0.0022),
        "NoseSneerLeft": _moved(side, 0.0006, 0.0034, 0.0006)
        + _moved(c.upper * c.bump(0.0120, -0.0340, 0.0110, 0.0090), 0, 0.0016, 0)
        + _moved(c.bump(0.0100, 0.0420, 0.0100, 0.0080), -0.0006, -0.0016, 0.0004),
        "NostrilDilator": _along(x=0.0028 * wing, y=0.0004 * np.abs(wing)),
        "NostrilCompressor": _along(x=-0.0024 * wing - 0.0012 * ridge, z=-0.0006 * np.abs(ridge)),
    }


def _brow_fields(c: Canvas) -> dict[str, np.ndarray]:
    # Lids stay on the eyeball: brow fields fade out towards them.
    clear = smoothstep((c.y - 0.0350) / 0.0100)
    whole = c.bump(0.0250, 0.0490, 0.0190, 0.0120) * clear
    return {
        "BrowDownLeft": _moved(whole, -0.0022, -0.0060, 0.0010),
        "BrowInnerUp": _moved(c.bump(0.0, 0.0540, 0.0210, 0.0160) * clear, 0, 0.0085, -0.0004),
        "BrowOuterUpLeft": _moved(
            c.bump(0.0385, 0.0520, 0.0160, 0.0150) * clear, 0.0006, 0.0080, -0.0012
        ),
    }


def _jaw_fields(c: Canvas) -> dict[str, np.ndarray]:
    # Both lips slide with the jaw, so that they stay closed.
    near = np.exp(-((c.x / 0.030) ** 2) - (c.above / 0.010) ** 2) * c.skin
    share = c.jaw + near * (0.62 - c.jaw)
    return {
        "JawForward": _moved(share, 0, 0.0005, 0.0070),
        "JawLeft": _moved(share, 0.0080, -0.0012, -0.0014),
    }


def _lid_fields(head: HeadMesh) -> dict[str, np.ndarray]:
    """Return the lid fields; each is given by the shares of the way to closure that the upper and
    lower edges move.
    """
    points = head.part.points[head.spans["left_lids"]]
    fields = {}
    for name, (upper, lower) in _LID_TRAVEL.items():
        moved = lid_positions(head.eye, points, upper=upper, lower=lower) - points
        for side, sign in (("Left", 1), ("Right", -1)):
            field = np.zeros_like(head.part.points)
            field[head.spans[f"{side.lower()}_lids"]] = moved * [sign, 1, 1]
            fields[name + side] = field
    fields["LidTightener"] = fields.pop("LidTightenerLeft") + fields.pop("LidTightenerRight")
    return fields


def _mouth_close(head: HeadMesh, c: Canvas) -> Float[np.ndarray, "v 3"]:
    """Return the displacement that brings both contact rows to one curve at a jaw angle of
    MOUTH_CLOSE_JAW_RAD.
    """
    cosine, sine = np.cos(MOUTH_CLOSE_JAW_RAD), np.sin(MOUTH_CLOSE_JAW_RAD)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    upper, lower = head.mouth.upper_contact, head.mouth.lower_contact

    def skinning(rows):  # one matrix per vertex: the effect of that jaw angle on it
        return np.eye(3) + c.jaw[rows, None, None] * (turn - np.eye(3))

    at = [head.part.points[rows] - JAW_JOINT for rows in (upper, lower)]
    opened = [
        np.einsum("nij,nj->ni", skinning(r), p) for r, p in zip((upper, lower), at, strict=True)
    ]
    # At the corners both lips already follow the jaw halfway.
    corner = (np.abs(head.part.points[upper, 0]) / HALF_WIDTH)[:, None] ** 2
    meeting = opened[0] + (_UPPER_LIP_SHARE + (0.5 - _UPPER_LIP_SHARE) * corner) * (
        opened[1] - opened[0]
    )
    moves = [
        np.linalg.solve(skinning(r), meeting[..., None])[..., 0] - p
        for r, p in zip((upper, lower), at, strict=True)
    ]
    columns = head.part.points[upper, 0][::-1]
    result = np.zeros_like(head.part.points)
    for share, move, plateau, fall in (
        (c.upper, moves[0], 0.0080, 0.0100),
        (c.lower, moves[1], 0.0095, 0.0140),
    ):
        # Beyond the corners there is no gap to close.
        field = np.stack(
            [np.interp(c.x, [-0.0255, *columns, 0.0255], [0, *move[::-1, k], 0]) for k in range(3)],
            axis=1,
        )
        away = np.maximum(np.abs(c.above) - plateau, 0) / fall
        side = np.where(np.abs(c.x) < HALF_WIDTH, head.part.side * (share > 0), 0)
        keep = np.where(side != 0, share > 0.5, share)
        result += field * (np.exp(-(away**2)) * keep * c.skin)[:, None]
    for rows, move in ((upper, moves[0]), (lower, moves[1])):
        result[rows] = move
    return result
