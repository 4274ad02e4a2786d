# ksdiff-jax: ksdiff-blender-script/1
"""Puts a face motion onto a rig in Blender (3.6 or later): the weights of ARKit's 52 shapes onto
shape keys of these names, and the turn of the head onto a bone. Needs Blender and nothing else.

The file is a `.csv` as Live Link Face records it, or a `.glb` of ksdiff-jax.

In Blender: Scripting > Open > Run, then File > Import > Face motion (.csv, .glb). The motion goes
to the selected meshes, or to all meshes with such shape keys if none is selected.

From a shell:

    blender rig.blend --background --python ksdiff_face.py -- talk.csv --save talk.blend
    blender rig.blend --background --python ksdiff_face.py -- talk.csv --mesh Body --head head.x

Shape keys are found by name without regard to case, underscores and `_L` or `_R` for Left or Right;
the console lists those that the rig does not have. The rate of the scene becomes that of the file
(--fps N for another), frame 1 is the start. The head turns about the bone `head` of the mesh's
armature, or about the bone or object that --head names.
"""

import argparse
import array
import csv
import itertools
import json
import math
import re
import struct
import sys
from pathlib import Path

bl_info = {
    "name": "ksdiff face motion",
    "description": "ARKit weights and head rotation from .csv (Live Link Face) and .glb",
    "blender": (3, 6, 0),
    "category": "Import-Export",
    "version": (1, 0, 0),
    "author": "ksdiff-jax",
    "location": "File > Import",
}
ARKIT = re.findall(
    r"\w+",
    """eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft
eyeWideLeft eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight
eyeSquintRight eyeWideRight jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker
mouthLeft mouthRight mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft
mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower
mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight
mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp browOuterUpLeft
browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight
tongueOut""",
)
NAMES = {name.lower(): name for name in ARKIT}
RATES = (24, 25, 30, 48, 50, 60, 120, 240)


def plain(name):
    """Return `eyeblinkleft` for `EyeBlinkLeft`, `eyeBlink_L` and `blendShapes.EyeBlinkLeft`."""
    name = name.strip().rpartition(".")[2].lower()
    for letter, side in (("_l", "left"), ("_r", "right")):
        if name.endswith(letter):
            name = name[:-2] + side
    return name.replace("_", "")


def read_motion(path):
    """Return `{times, weights: {name: [...]}, head: [(w, x, y, z), ...], fps}` of a file.

    Quaternions have y up, +z out of the face and +x to the subject's left. Raises `ValueError`.
    """
    reader = {".csv": read_csv, ".glb": read_glb}.get(Path(path).suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: need a .csv of Live Link Face or a .glb of ksdiff-jax")
    return reader(path)


def read_csv(path):
    """Read a Live Link Face recording."""
    with open(path, newline="", encoding="utf-8-sig") as stream:  # noqa: PTH123 Blender's Python
        rows = list(csv.DictReader(stream))
    if not rows or "Timecode" not in rows[0]:
        raise ValueError(f"{path}: no frames with a Timecode; need a .csv of Live Link Face")
    codes = [re.split("[:;]", row["Timecode"]) for row in rows]
    rates = RATES if len({code[2] for code in codes}) > 1 else (30, 60, 120, 240)
    rate = next(r for r in rates if max(float(code[3]) for code in codes) < r)
    times = [int(h) * 3600 + int(m) * 60 + int(s) + float(f) / rate for h, m, s, f in codes]
    weights = {
        NAMES[plain(column)]: [float(row[column]) for row in rows]
        for column in rows[0]
        if plain(column) in NAMES
    }
    head = []
    if "HeadYaw" in rows[0]:
        angles = [[float(row["Head" + axis]) for axis in ("Yaw", "Pitch", "Roll")] for row in rows]
        head = [turn_of(-yaw, pitch, -roll) for yaw, pitch, roll in angles]
    starts = [time - times[0] for time in times]
    steps = sorted(b - a for a, b in itertools.pairwise(starts))
    fps = usual_rate(1 / steps[len(steps) // 2]) if steps else rate
    return {"times": starts, "weights": weights, "head": head, "fps": fps}


def usual_rate(fps):
    """Return the usual rate that is within 0.5 % of this one, otherwise this one; frames keep their
    times at any rate of the scene.
    """
    return next((rate for rate in RATES if abs(fps / rate - 1) < 0.005), round(fps, 3))


def read_glb(path):
    """Read the animation of a .glb with ARKit's targets."""
    data = Path(path).read_bytes()
    if data[:4] != b"glTF":
        raise ValueError(f"{path}: not a .glb")
    (length,) = struct.unpack_from("<I", data, 12)
    document, binary = json.loads(data[20 : 20 + length]), 28 + length

    def values(number):
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        start = binary + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        flat = struct.unpack_from(f"<{accessor['count'] * width}f", data, start)
        return [flat[k : k + width] for k in range(0, len(flat), width)] if width > 1 else flat

    names = [plain(n) for n in document["meshes"][0].get("extras", {}).get("targetNames", ())]
    if "animations" not in document or not set(names) & set(NAMES):
        raise ValueError(f"{path}: no animation of ARKit's shapes; export it with --format glb")
    animation, weights, turns = document["animations"][0], {}, {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        output, node = values(sampler["output"]), document["nodes"][channel["target"]["node"]]
        if channel["target"]["path"] == "weights":
            times = values(sampler["input"])
            curves = {name: list(output[k :: len(names)]) for k, name in enumerate(names)}
            weights = {NAMES[name]: curve for name, curve in curves.items() if name in NAMES}
        elif channel["target"]["path"] == "rotation":
            turns[node.get("name", "")] = [(w, x, y, z) for x, y, z, w in output]
    head = turns.get("head", [])
    if head and "neck" in turns:
        head = [product(a, b) for a, b in zip(head, turns["neck"], strict=True)]
    fps = usual_rate((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else 25
    return {"times": list(times), "weights": weights, "head": head, "fps": fps}


def turn_of(yaw, pitch, roll):
    """Return the quaternion of turns about y, x and z of the head's own axes, in radians."""
    halves = ((yaw, 2), (pitch, 1), (roll, 3))
    turn = (1.0, 0.0, 0.0, 0.0)
    for angle, axis in halves:
        one = [math.cos(angle / 2), 0.0, 0.0, 0.0]
        one[axis] = math.sin(angle / 2)
        turn = product(turn, one)
    return turn


def product(a, b):
    """Return the product of two quaternions w, x, y, z."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def in_blenders_axes(turn):
    """Return a turn with z up and the face towards -y."""
    w, x, y, z = turn
    return (w, x, -z, y)


def meshes_for(names):
    """Return the meshes that are meant: those named, else the selected ones, else all, of those
    that have a shape key of ARKit.
    """
    import bpy

    if names:
        unknown = [name for name in names if name not in bpy.data.objects]
        if unknown:
            raise ValueError(f"no object is called {', '.join(unknown)}")
        candidates = [bpy.data.objects[name] for name in names]
    else:
        candidates = [found for found in bpy.context.scene.objects if found.select_get()]
        if not any(arkit_keys(found) for found in candidates):
            candidates = list(bpy.context.scene.objects)
    return [found for found in candidates if arkit_keys(found)]


def arkit_keys(item):
    """Return `{ARKit name: shape key}` of an object."""
    keys = getattr(item.data, "shape_keys", None) if item.type == "MESH" else None
    blocks = keys.key_blocks if keys else ()
    return {NAMES[plain(key.name)]: key for key in blocks if plain(key.name) in NAMES}


def curves_of(animated):
    """Return the curves of the action of an object or a set of shape keys."""
    data = animated.animation_data
    if hasattr(data.action, "fcurves"):  # before Blender 5
        return data.action.fcurves
    return data.action.layers[0].strips[0].channelbag(data.action_slot).fcurves


def set_curve(animated, path, frames, values, index=-1):
    """Replace the curve of a property by these values."""
    if animated.animation_data and animated.animation_data.action:
        curves = curves_of(animated)
        old = curves.find(path, index=max(index, 0))
        if old:
            curves.remove(old)
    animated.keyframe_insert(data_path=path, index=index, frame=frames[0])
    curve = curves_of(animated).find(path, index=max(index, 0))
    points = curve.keyframe_points
    points.add(len(frames) - 1)
    points.foreach_set(
        "co", array.array("f", [x for pair in zip(frames, values, strict=True) for x in pair])
    )
    for point in points:
        point.interpolation = "LINEAR"
    curve.update()


def turn_head(meshes, name, frames, turns):
    """Turn the bone or object that is meant; return its name, or "" if there is none."""
    import bpy

    turns = [in_blenders_axes(turn) for turn in turns]
    rigs = [mesh.find_armature() for mesh in meshes if mesh.find_armature()]
    wanted = (name or "head").lower()
    bones = [(r, b) for r in rigs for b in r.pose.bones if b.name.lower() == wanted]
    if bones:
        rig, bone = bones[0]
        rest = tuple(bone.bone.matrix_local.to_quaternion())
        back = (rest[0], -rest[1], -rest[2], -rest[3])
        turns = [product(product(back, turn), rest) for turn in turns]
        bone.rotation_mode, owner = "QUATERNION", rig
        path, found = f'pose.bones["{bone.name}"].rotation_quaternion', f"{rig.name}: {bone.name}"
    elif name and name in bpy.data.objects:
        owner, found = bpy.data.objects[name], name
        owner.rotation_mode, path = "QUATERNION", "rotation_quaternion"
    elif name:
        raise ValueError(f"no bone of the meshes' armatures and no object is called {name}")
    else:
        return ""
    for index in range(4):
        set_curve(owner, path, frames, [turn[index] for turn in turns], index)
    return found


def apply(path, meshes=(), head="", fps=None):
    """Put a file's motion onto the scene; return `{meshes, missing, head, fps, frames}`."""
    import bpy

    motion = read_motion(path)
    found = meshes_for(meshes)
    if not found:
        raise ValueError("no mesh of the scene has a shape key with one of ARKit's names")
    scene, rate = bpy.context.scene, fps or motion["fps"]
    scene.render.fps = math.ceil(rate)
    scene.render.fps_base = math.ceil(rate) / rate
    frames = [1 + time * rate for time in motion["times"]]
    scene.frame_start, scene.frame_end = 1, max(1, math.ceil(frames[-1]))
    for mesh in found:
        for name, key in arkit_keys(mesh).items():
            if name in motion["weights"]:
                key.mute = False
                values = motion["weights"][name]
                set_curve(mesh.data.shape_keys, f'key_blocks["{key.name}"].value', frames, values)
    have = {name for mesh in found for name in arkit_keys(mesh)}
    missing = [name for name in motion["weights"] if name not in have]
    turned = turn_head(found, head, frames, motion["head"]) if motion["head"] else ""
    names = [mesh.name for mesh in found]
    return {"meshes": names, "missing": missing, "head": turned, "fps": rate, "frames": len(frames)}


def told(done):
    """Return the lines that describe what was done."""
    lines = [f"{done['frames']} frames at {done['fps']:g} fps onto {', '.join(done['meshes'])}"]
    if done["missing"]:
        lines.append(f"{len(done['missing'])} shape keys not found: {', '.join(done['missing'])}")
    lines.append(
        f"head: {done['head']}" if done["head"] else "head not turned: no bone is called head"
    )
    return lines


def register():
    """Add the entry to File > Import."""
    import bpy
    from bpy_extras.io_utils import ImportHelper

    class ImportFaceMotion(bpy.types.Operator, ImportHelper):
        bl_idname = "import_anim.ksdiff_face"
        bl_label = "Face motion (.csv, .glb)"
        bl_options = {"UNDO"}  # noqa: RUF012 Blender's form
        filter_glob: bpy.props.StringProperty(default="*.csv;*.glb", options={"HIDDEN"})
        head: bpy.props.StringProperty(name="Head", description="bone or object; default: head")

        def execute(self, context):
            try:
                for line in told(apply(self.filepath, head=self.head)):
                    self.report({"INFO"}, line)
            except (ValueError, OSError) as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            return {"FINISHED"}

    def entry(menu, context):
        menu.layout.operator(ImportFaceMotion.bl_idname)

    bpy.utils.register_class(ImportFaceMotion)
    bpy.types.TOPBAR_MT_file_import.append(entry)


def main(arguments):
    """Run from a shell; return the exit status."""
    import bpy

    parser = argparse.ArgumentParser(prog="blender --python ksdiff_face.py --")
    parser.add_argument("file", help=".csv of Live Link Face or .glb of ksdiff-jax")
    parser.add_argument("--mesh", nargs="+", default=(), help="objects that receive the weights")
    parser.add_argument("--head", default="", help="bone or object that turns; default: head")
    parser.add_argument("--fps", type=float, help="rate of the scene; default: the file's")
    parser.add_argument("--save", help="write the scene to this .blend")
    given = parser.parse_args(arguments)
    try:
        done = apply(given.file, meshes=given.mesh, head=given.head, fps=given.fps)
    except (ValueError, OSError) as error:
        print(f"ksdiff_face: {error}", file=sys.stderr)
        return 2
    print("\n".join(told(done)))
    if given.save:
        bpy.ops.wm.save_as_mainfile(filepath=str(Path(given.save).resolve()))
    return 0


if __name__ == "__main__":
    if "--" in sys.argv:
        sys.exit(main(sys.argv[sys.argv.index("--") + 1 :]))
    register()
