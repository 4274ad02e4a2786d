"""Recognises the motion files of other tools, so that the error names them and the way in."""

import zipfile
from pathlib import Path

from ksdiff_jax.errors import InputError

# Keys that a tool's npz has; the first that fits is named.
_TOOLS = (
    ("VHAP", {"expr", "static_offset"}),
    ("SMPL-X", {"betas", "expression", "jaw_pose"}),
    ("EMOTE", {"expression", "jaw_pose", "global_pose"}),
    ("DECA or DiffPoseTalk", {"exp", "pose"}),
    ("SMIRK", {"expression_params", "jaw_params"}),
    ("ARTalk", {"motion"}),
)
_WAY_IN = (
    "need a .motion.npz of ksdiff-jax; `ksdiff-jax prepare VIDEOS --coefficients DIR` reads "
    "coefficients of other tools"
)


def check_ours(path: str | Path) -> None:
    """Raise `InputError` if the file is one that another tool wrote; missing and damaged files are
    left to the reader of motion files.
    """
    path = Path(path)
    if not path.is_file():
        return
    with path.open("rb") as stream:
        head = stream.read(256)
    if head.startswith(b"Timecode,BlendShapeCount"):
        raise InputError(f"{path}: a recording of Live Link Face; {_WAY_IN}")
    if head.startswith(b"glTF"):
        raise InputError(f"{path}: a glTF file; {_WAY_IN}")
    if head.startswith(b"\x93NUMPY"):
        raise InputError(f"{path}: a single NumPy array (.npy); {_WAY_IN}")
    if head.startswith(b"MATLAB 5.0"):
        raise InputError(f"{path}: a MATLAB file, as of Deep3D or SadTalker; {_WAY_IN}")
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        keys = {name.removesuffix(".npy") for name in archive.namelist()}
    if "global_orient" in keys and "keyframes_head" in keys:
        return
    for tool, needed in _TOOLS:
        if needed <= keys:
            raise InputError(f"{path}: a motion file of {tool} (keys {_listed(keys)}); {_WAY_IN}")
    if keys and not keys & {"global_orient", "keyframes_head", "meta"}:
        raise InputError(
            f"{path}: a motion file of none of the tools that are recognised "
            f"({', '.join(tool for tool, _ in _TOOLS)}); its keys are {_listed(keys)}; {_WAY_IN}"
        )


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)[:6]) + (", ..." if len(keys) > 6 else "")
