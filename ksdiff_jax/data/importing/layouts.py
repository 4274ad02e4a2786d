"""The keys that each tool writes, and the columns of the coefficients in them.

A file is recognised by its keys alone. `parts` gives the key and the columns of each quantity;
other keys (texture, light, detail, images) are ignored.

FLAME's expression and identity directions are ordered by the variance that they explain. The first
50 of VHAP's or EMICA's 100, and the first 100 of 300, are therefore the same directions as those of
a tool that has only that many.

Deep3DFaceRecon (Basel face model, 257 numbers): identity 0:80, expression 80:144, texture 144:224,
angles 224:227 (pitch, yaw, roll in radians), light 227:254, translation 254:257. SadTalker stores
expression, angles, translation and, in 3 further columns, the crop, in `coeff_3dmm`; its
`full_3dmm` has all 257 of the first frame.
"""

from typing import NamedTuple


class Part(NamedTuple):
    """Columns of a key; `to` None: all from `start` on."""

    key: str
    start: int = 0
    to: int | None = None


class Layout(NamedTuple):
    """The file format of one tool."""

    space: str  # "flame" or "bfm"
    # by quantity: expression, rotation, jaw, camera, shape, neck, translation
    parts: dict[str, Part]
    optional: tuple[str, ...] = ()  # quantities whose key may be missing

    @property
    def required(self) -> set[str]:
        """Keys without which a file does not have this layout."""
        return {part.key for name, part in self.parts.items() if name not in self.optional}


LAYOUTS = {
    "DECA": Layout(
        "flame",
        {
            "expression": Part("exp"),
            "rotation": Part("pose", 0, 3),
            "jaw": Part("pose", 3, 6),
            "camera": Part("cam"),
            "shape": Part("shape"),
        },
    ),
    # Files of this tool have no camera.
    "DiffPoseTalk": Layout(
        "flame",
        {
            "expression": Part("exp"),
            "rotation": Part("pose", 0, 3),
            "jaw": Part("pose", 3, 6),
            "shape": Part("shape"),
        },
    ),
    "EMOCA": Layout(
        "flame",
        {
            "expression": Part("expcode"),
            "rotation": Part("posecode", 0, 3),
            "jaw": Part("posecode", 3, 6),
            "camera": Part("cam"),
            "shape": Part("shapecode"),
        },
        optional=("camera",),
    ),
    "EMICA": Layout(
        "flame",
        {
            "expression": Part("expcode"),
            "rotation": Part("globalpose"),
            "jaw": Part("jawpose"),
            "camera": Part("cam"),
            "shape": Part("shapecode"),
        },
        optional=("camera",),
    ),
    "SMIRK": Layout(
        "flame",
        {
            "expression": Part("expression_params"),
            "rotation": Part("pose_params"),
            "jaw": Part("jaw_params"),
            "camera": Part("cam"),
            "shape": Part("shape_params"),
        },
        optional=("camera",),
    ),
    # The head's rotation is that of the root followed by that of the neck; its translation is in
    # metres.
    "VHAP": Layout(
        "flame",
        {
            "expression": Part("expr"),
            "rotation": Part("rotation"),
            "neck": Part("neck_pose"),
            "jaw": Part("jaw_pose"),
            "translation": Part("translation"),
            "shape": Part("shape"),
        },
    ),
    "Deep3DFaceRecon": Layout(
        "bfm",
        {
            "expression": Part("coeff", 80, 144),
            "rotation": Part("coeff", 224, 227),
            "camera": Part("coeff", 254, 257),
            "shape": Part("coeff", 0, 80),
        },
    ),
    "Deep3DFaceRecon, one key each": Layout(
        "bfm",
        {
            "expression": Part("exp"),
            "rotation": Part("angle"),
            "camera": Part("trans"),
            "shape": Part("id"),
        },
    ),
    "SadTalker": Layout(
        "bfm",
        {
            "expression": Part("coeff_3dmm", 0, 64),
            "rotation": Part("coeff_3dmm", 64, 67),
            "camera": Part("coeff_3dmm", 67, 70),
            "shape": Part("full_3dmm", 0, 80),
        },
        optional=("shape",),
    ),
}
# Valid numbers of columns of a whole key; fewer or more would mean another content.
WIDTHS = {
    "pose": (6,),
    "posecode": (6,),
    "coeff": (257,),
    "coeff_3dmm": (70, 73),
    "full_3dmm": (257,),
}


def recognised(keys: set[str]) -> list[str]:
    """Return the tools whose files have these keys, without those whose keys are a subset of
    another match.
    """
    found = {name: layout.required for name, layout in LAYOUTS.items() if layout.required <= keys}
    return [
        name for name, mine in found.items() if not any(mine < other for other in found.values())
    ]
