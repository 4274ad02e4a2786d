"""The .glb files, read and posed by the rules of glTF 2.0 alone."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.gltf import check_size
from ksdiff_jax.export.writers import write_take
from ksdiff_jax.face import builtin_face, face_vertices
from ksdiff_jax.face.arkit import ARKIT_NAMES, arkit_basis
from ksdiff_jax.face.dressed import dressed_pieces
from ksdiff_jax.ownership import purpose_of
from tests.export.takes import known_take

WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
TYPES = {5126: "<f4", 5125: "<u4", 5121: "u1"}


class Glb:
    """A reader: chunks, accessors, and the pose of the skinned mesh at a frame."""

    def __init__(self, path):
        data = path.read_bytes()
        magic, version, size = struct.unpack_from("<4sII", data)
        assert (magic, version, size) == (b"glTF", 2, len(data))
        length, kind = struct.unpack_from("<I4s", data, 12)
        self.json = json.loads(data[20 : 20 + length])
        binary, kind = struct.unpack_from("<I4s", data, 20 + length)
        assert kind == b"BIN\0" and 28 + length + binary == size
        self.binary = data[28 + length :]

    def array(self, number):
        accessor = self.json["accessors"][number]
        view = self.json["bufferViews"][accessor["bufferView"]]
        width = WIDTHS[accessor["type"]]
        flat = np.frombuffer(
            self.binary,
            TYPES[accessor["componentType"]],
            accessor["count"] * width,
            view["byteOffset"],
        )
        return flat.reshape(-1, width) if width > 1 else flat

    def channel(self, path, node):
        animation = self.json["animations"][0]
        for channel in animation["channels"]:
            if channel["target"] == {"node": node, "path": path}:
                return self.array(animation["samplers"][channel["sampler"]]["output"])
        return None

    def posed(self, frame):
        mesh, skin = self.json["meshes"][0], self.json["skins"][0]
        primitive = mesh["primitives"][0]
        count = len(mesh["extras"]["targetNames"])
        weights = self.channel("weights", 0).reshape(-1, count)[frame]
        points = self.array(primitive["attributes"]["POSITION"]).astype(float)
        for weight, target in zip(weights, primitive["targets"], strict=True):
            points = points + weight * self.array(target["POSITION"])
        world = {}

        def visit(node, above):
            local = np.eye(4)
            local[:3, 3] = self.json["nodes"][node]["translation"]
            turns = self.channel("rotation", node)
            if turns is not None:
                local[:3, :3] = Rotation.from_quat(turns[frame]).as_matrix()
            world[node] = above @ local
            for child in self.json["nodes"][node].get("children", ()):
                visit(child, world[node])

        visit(self.json["scenes"][0]["nodes"][1], np.eye(4))
        inverse = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = np.stack([world[n] for n in skin["joints"]]) @ inverse
        joints, shares = (
            self.array(primitive["attributes"][name]) for name in ("JOINTS_0", "WEIGHTS_0")
        )
        blended = (matrices[joints] * shares[:, :, None, None]).sum(axis=1)
        return np.einsum("vij,vj->vi", blended, np.pad(points, [(0, 0), (0, 1)], constant_values=1))


@pytest.fixture(scope="module")
def glbs(tmp_path_factory):
    folder, take = tmp_path_factory.mktemp("glb"), known_take(seconds=0.4, fps=25.0)
    return take, {
        kind: write_take(folder / f"{kind}.glb", take, kind) for kind in ("glb", "glb-exact")
    }


def test_the_exact_file_poses_the_face_as_the_face_model_does(glbs):
    take, paths = glbs
    read, motion = Glb(paths["glb-exact"]), take.motion
    truth = face_vertices(
        builtin_face(),
        motion.exp,
        global_orient=motion.global_orient,
        jaw_pose=motion.jaw_pose,
        eyes_pose=motion.eyes_pose,
    )
    for frame in (0, 7):
        np.testing.assert_allclose(read.posed(frame)[:, :3], truth[frame], atol=2e-6)


def test_the_arkit_file_has_the_weights_the_names_and_a_head_that_turns(glbs):
    take, paths = glbs
    read = Glb(paths["glb"])
    names = read.json["meshes"][0]["extras"]["targetNames"]
    assert tuple(names[:52]) == ARKIT_NAMES
    assert names[52:54] == ["viseme_sil", "viseme_PP"] and names[-1] == "viseme_U"
    weights = read.channel("weights", 0).reshape(-1, 67)
    np.testing.assert_allclose(weights[:, :52], take.arkit, atol=1e-7)
    assert not weights[:, 52:].any()
    face = dressed_pieces()[0]
    shown = np.tensordot(take.arkit[5], arkit_basis(face), 1) + face.template
    root, neck = (Rotation.from_rotvec(take.shown_turns[name][5]) for name in ("head", "neck"))
    below, above = np.asarray(face.joint_regressor[:2] @ face.template)
    moved = root.apply(shown - below) + below
    turned = root.apply(neck.apply(shown - above) + above - below) + below
    # The shapes move jaw and eyes, whose joints stay on the neck.
    share = np.asarray(face.skinning_weights[:, :1])
    np.testing.assert_allclose(
        read.posed(5)[:, :3], share * moved + (1 - share) * turned, atol=2e-6
    )
    assert (root * neck * take.head[5].inv()).magnitude() < 1e-6
    hair = read.json["meshes"][1]["primitives"][0]
    assert "targets" not in hair and len(read.array(hair["attributes"]["POSITION"])) > 3000
    normals = read.array(read.json["meshes"][0]["primitives"][0]["attributes"]["NORMAL"])
    assert np.mean((normals * face.template)[:, [0, 2]].sum(axis=1) > 0) > 0.7  # outwards


def test_a_file_over_two_gibibytes_is_refused_with_its_size():
    with pytest.raises(InputError, match=r"would have 2\.\d\d GiB, more than the 2 GiB"):
        check_size(vertices=5000, targets=67, frames=8_000_000, name="talk")
    check_size(vertices=5000, targets=67, frames=100_000, name="talk")


def test_a_glb_bears_our_mark_unless_it_is_cut(glbs, tmp_path):
    _, paths = glbs
    assert [purpose_of(path) for path in paths.values()] == ["glb", "glb-exact"]
    (tmp_path / "cut.glb").write_bytes(paths["glb"].read_bytes()[:-8])
    assert purpose_of(tmp_path / "cut.glb") is None


VALIDATE = """
const v = require('gltf-validator'), fs = require('fs');
v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))
  .then(r => console.log(r.issues.numErrors + r.issues.numWarnings));
"""


def test_the_khronos_validator_finds_nothing(glbs):
    found = [Path.cwd(), *Path.cwd().parents]
    folder = next((f for f in found if (f / "node_modules" / "gltf-validator").is_dir()), None)
    if folder is None or not shutil.which("node"):
        pytest.skip("needs node and `npm install gltf-validator` in this folder or one above")
    for path in glbs[1].values():
        run = ["node", "-e", VALIDATE, str(path)]
        done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "0"
