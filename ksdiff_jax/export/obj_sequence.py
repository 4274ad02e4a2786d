"""A Wavefront OBJ a frame, `frame_00001.obj` and so on, in a folder with `sequence.json`.

Vertices are in metres, with the face's colours as three more numbers of a vertex line, which
Blender, MeshLab and trimesh read. The head turns with the motion. `faces` and `vertices` keep their
order, so that the files can be loaded as shape keys.
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.export.take import Take
from ksdiff_jax.face.model import face_vertices
from ksdiff_jax.files import write_json
from ksdiff_jax.ownership import FolderKind

BLOCK_FRAMES = 128  # posed at once: one compiled shape for every length
MANIFEST = "sequence.json"


def frame_name(frame: int) -> str:
    """Return the name of a frame's file, counted from 1 as programs expect."""
    return f"frame_{frame + 1:05d}.obj"


def sequence_kind(folder: Path, frames: int) -> FolderKind:
    """Return the kind of folder: the frames to write, and those of an earlier sequence."""
    earlier = [path.name for path in Path(folder).glob("frame_*.obj")]
    names = {MANIFEST, *earlier, *map(frame_name, range(frames))}
    return FolderKind("an OBJ sequence", MANIFEST, "obj", tuple(sorted(names)))


def write_obj_sequence(folder: Path, take: Take) -> None:
    """Write the files into an existing folder."""
    face = take.own_face
    colours = [" {:.4f} {:.4f} {:.4f}\n".format(*row) for row in np.clip(face.colours, 0, 1)]
    line = "".join("v %.6f %.6f %.6f" + colour for colour in colours)
    faces = "".join("f {} {} {}\n".format(*row) for row in np.asarray(face.faces) + 1)
    eyes = np.concatenate([take.rotations("left_eye"), take.rotations("right_eye")], axis=1)
    poses = (take.rotations("head"), take.rotations("neck"), take.rotations("jaw"), eyes)
    for start in range(0, len(take), BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, len(take) - start)

        def block(values, start=start, count=count):
            part = values[start : start + count]
            return np.pad(part, [(0, BLOCK_FRAMES - count), (0, 0)])

        head, neck, jaw, both = map(block, poses)
        posed = face_vertices(
            face,
            block(take.expression),
            shape=take.motion.shape,
            global_orient=head,
            neck_pose=neck,
            jaw_pose=jaw,
            eyes_pose=both,
        )
        for number, points in enumerate(np.asarray(posed)[:count], start=start):
            text = line % tuple(points.ravel().tolist())
            (folder / frame_name(number)).write_text(text + faces, encoding="ascii")
    content = {
        "schema": "ksdiff-obj/1",
        "name": take.name,
        "fps": take.fps,
        "frames": len(take),
        "first": frame_name(0),
    }
    write_json(folder / MANIFEST, content)
