"""Runs in Blender's Python: puts motions onto rigs with the script, and prints what the scene then
shows. Arguments: the script, a .csv, a .glb, a frame rate of the scene.
"""

import importlib.util
import json
import sys

import bpy

script_path, csv_path, glb_path = sys.argv[1:4]
spec = importlib.util.spec_from_file_location("ksdiff_face", script_path)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def frames_of(mesh, bone=None, *, first=1, count=12):
    """Key values by name, and the bone's turn in the axes of its armature, at the first frames."""
    rows = []
    for frame in range(first, first + count):
        bpy.context.scene.frame_set(frame)
        weights = {key.name: key.value for key in mesh.data.shape_keys.key_blocks[1:]}
        turn = (
            tuple((bone.matrix @ bone.bone.matrix_local.inverted()).to_quaternion()) if bone else ()
        )
        rows.append({"weights": weights, "turn": turn})
    return rows


def cube(names):
    """A mesh with these shape keys."""
    bpy.ops.mesh.primitive_cube_add()
    made = bpy.context.object
    made.shape_key_add(name="Basis")
    for name in names:
        made.shape_key_add(name=name)
    return made


def scene_rate():
    return bpy.context.scene.render.fps / bpy.context.scene.render.fps_base


bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = 30
bpy.ops.import_scene.gltf(filepath=glb_path)
head = next(o for o in bpy.data.objects if o.type == "MESH" and script.arkit_keys(o))
rig = head.find_armature()
shown = {"imported": frames_of(head, first=0)}  # the importer starts at frame 0
shown["csv"] = script.apply(csv_path, meshes=[head.name])
shown["csv_frames"] = frames_of(head, rig.pose.bones["head"])
shown["csv_rate"], shown["csv_end"] = scene_rate(), bpy.context.scene.frame_end

bpy.ops.wm.read_factory_settings(use_empty=True)
odd = cube(["JAWOPEN", "mouthSmile_L", "eyeBlinkRight", "unrelated"])
shown["odd"] = script.apply(glb_path, head=odd.name, fps=50)
shown["odd_frames"] = frames_of(odd)
shown["odd_rate"] = scene_rate()
shown["odd_turn"] = list(odd.rotation_quaternion)

bpy.ops.wm.read_factory_settings(use_empty=True)
cube(["smile"])
shown["statuses"] = [script.main([csv_path]), script.main([csv_path + ".txt"])]
script.register()
shown["menu"] = hasattr(bpy.types, "IMPORT_ANIM_OT_ksdiff_face")
print("SHOWN" + json.dumps(shown))
