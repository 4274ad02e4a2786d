"""Opens the files of one motion with readers that are not ours, and prints what each read.

    python foreign_readers.py FOLDER STEM

This script imports nothing of ksdiff_jax: it runs in an environment of its own (`make readers`)
with usd-core, trimesh, pygltflib and praatio. A reader returns the number of frames, and values
that the file should have: `jawOpen` or `PP` of every frame, the coefficients, or points.
"""

import csv
import importlib.metadata
import json
import sys
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pygltflib
import trimesh
from praatio import textgrid
from pxr import Usd, UsdGeom, UsdSkel

COMPONENT = 2  # of the expression
FLAME = {
    "deca": "exp",
    "diffposetalk": "exp",
    "emote": "expression",
    "vhap": "expr",
    "smplx": "expression",
    "artalk": "motion",
}


def rows(path, *, delimiter=","):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream, delimiter=delimiter))


def column(path, name):
    head, *lines = rows(path)
    return [float(line[head.index(name)]) for line in lines]


def of_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def livelink(path):
    return {"jawOpen": column(path, "JawOpen")}


def a2f(path):
    return {"jawOpen": column(path, "blendShapes.JawOpen")}


def a2f_json(path):
    read = of_json(path)
    return {"jawOpen": np.array(read["weightMat"])[:, read["facsNames"].index("jawOpen")].tolist()}


def arkit(path):
    read = of_json(path)
    return {"jawOpen": np.array(read["weights"])[:, read["names"].index("jawOpen")].tolist()}


def azure(path):
    return {"jawOpen": np.array(of_json(path)["BlendShapes"])[:, 17].tolist(), "fps": 60}


def lam(path):
    read = of_json(path)
    at = read["names"].index("jawOpen")
    return {"jawOpen": [frame["weights"][at] for frame in read["frames"]]}


def talkinghead(path):
    return {"jawOpen": of_json(path)["vs"]["jawOpen"]}


def visemes(path):
    read = of_json(path)
    return {"PP": np.array(read["weights"])[:, read["names"].index("PP")].tolist()}


def _track(path, *, at):
    """The weights of a target, by its name or number, of a glTF file, and the number of points."""
    found = pygltflib.GLTF2().load_binary(str(path))
    animation = found.animations[0]
    channel = next(c for c in animation.channels if c.target.path == "weights")
    accessor = found.accessors[animation.samplers[channel.sampler].output]
    view = found.bufferViews[accessor.bufferView]
    values = np.frombuffer(
        found.binary_blob(), "<f4", accessor.count, view.byteOffset + (accessor.byteOffset or 0)
    )
    targets = found.meshes[0].extras["targetNames"]
    points = found.accessors[found.meshes[0].primitives[0].attributes.POSITION].count
    loaded = trimesh.load(path, force="mesh")  # geometry, a second reader
    track = values.reshape(-1, len(targets))[
        :, targets.index(at) if isinstance(at, str) else at
    ].tolist()
    return {"track": track, "targets": len(targets), "points": points, "trimesh": len(loaded.faces)}


def glb(path):
    read = _track(path, at="jawOpen")
    return {"jawOpen": read.pop("track"), **read}


def glb_exact(path):
    read = _track(path, at=COMPONENT)
    return {"exp": read.pop("track"), "component": COMPONENT, **read}


def vrm(path):
    found = pygltflib.GLTF2().load_binary(str(path))
    named = found.extensions["VRMC_vrm_animation"]["expressions"]["preset"]["aa"]["node"]
    channel = next(c for c in found.animations[0].channels if c.target.node == named)
    accessor = found.accessors[found.animations[0].samplers[channel.sampler].output]
    view = found.bufferViews[accessor.bufferView]
    values = np.frombuffer(found.binary_blob(), "<f4", accessor.count * 3, view.byteOffset)
    return {"aa": values.reshape(-1, 3)[:, 0].tolist()}


def usd(path):
    stage = Usd.Stage.Open(str(path))
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/Head/Animation"))
    at = list(animation.GetBlendShapesAttr().Get()).index("jawOpen")
    weights = animation.GetBlendShapeWeightsAttr()
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/Head/Mesh"))
    return {
        "jawOpen": [weights.Get(time)[at] for time in weights.GetTimeSamples()],
        "points": len(mesh.GetPointsAttr().Get()),
        "fps": stage.GetTimeCodesPerSecond(),
    }


def obj(path):
    files = sorted(path.glob("*.obj"))
    read = trimesh.load(files[-1], process=False, maintain_order=True)
    return {"frames": len(files), "points": len(read.vertices), "last": read.vertices[0].tolist()}


def rhubarb(path):
    return {"shapes": [cue["value"] for cue in of_json(path)["mouthCues"]]}


def rhubarb_tsv(path):
    return {"shapes": [shape for _, shape in rows(path, delimiter="\t")][:-1]}


def rhubarb_xml(path):
    found = minidom.parse(str(path)).getElementsByTagName("mouthCue")
    return {"shapes": [cue.firstChild.data for cue in found]}


def words(path):
    found = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    return {name: [e.label for e in found.getTier(name).entries] for name in found.tierNames}


def flame(kind):
    def read(path):
        with np.load(path, allow_pickle=False) as arrays:
            return {"frames": len(arrays[FLAME[kind]]), "exp": arrays[FLAME[kind]][:, 0].tolist()}

    return read


READERS = {
    "livelink": (".csv", "csv", livelink),
    "arkit": (".arkit.json", "json", arkit),
    "a2f": (".a2f.csv", "csv", a2f),
    "a2f-json": (".a2f.json", "json", a2f_json),
    "glb": (".glb", "pygltflib trimesh", glb),
    "glb-exact": (".exact.glb", "pygltflib trimesh", glb_exact),
    "visemes": (".visemes.json", "json", visemes),
    "talkinghead": (".talkinghead.json", "json", talkinghead),
    "azure": (".azure.json", "json", azure),
    "lam": (".lam.json", "json", lam),
    "rhubarb": (".rhubarb.json", "json", rhubarb),
    "rhubarb-tsv": (".rhubarb.tsv", "csv", rhubarb_tsv),
    "rhubarb-xml": (".rhubarb.xml", "xml.dom.minidom", rhubarb_xml),
    "vrm": (".vrma", "pygltflib", vrm),
    "obj": (".obj", "trimesh", obj),
    "usd": (".usda", "usd-core", usd),
    "words": (".words.TextGrid", "praatio", words),
    **{kind: (f".{kind}.npz", "numpy", flame(kind)) for kind in FLAME},
}


def named(readers):
    """The names of packages with their versions; of the standard library, the names."""
    found = []
    for name in readers.split():
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(name)
    return ", ".join(found)


if __name__ == "__main__":
    folder, stem = Path(sys.argv[1]), sys.argv[2]
    results = {}
    for kind, (ending, readers, read) in READERS.items():
        path = folder / f"{stem}{ending}"
        if path.exists():
            results[kind] = {"reader": named(readers), **read(path)}
    print(json.dumps(results))
