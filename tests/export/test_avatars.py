"""Visemes, JSON for web avatars, cues, TextGrid, archives, VRM, OBJ and USD, read from outside."""

import dataclasses
import json
import re
import shutil
import xml.dom.minidom

import numpy as np
import pytest

from ksdiff_jax.asset_builders.viseme_network import scores
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.rhubarb import mouth_cues
from ksdiff_jax.export.viseme_shapes import VISEME_TARGETS, VISEMES, viseme_poses
from ksdiff_jax.export.visemes import motion_visemes, phoneme_visemes
from ksdiff_jax.export.vrm import VOWELS, vrm_expressions
from ksdiff_jax.export.writers import write_take
from ksdiff_jax.face import builtin_face, face_vertices
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.face.dressed import dressed_head
from ksdiff_jax.ownership import purpose_of
from tests.export.takes import known_take
from tests.export.test_gltf import Glb

PHONEMES = (("h", 0.1, 0.2), ("aɪ", 0.2, 0.5), ("m", 0.6, 0.7))


def read(folder, take, kind):
    return json.loads(write_take(folder / f"{kind}.json", take, kind).read_text())


def test_phonemes_give_their_visemes_and_a_diphthong_two():
    times = np.array([0.05, 0.15, 0.25, 0.45, 0.55, 0.65])
    found = [VISEMES[number] for number in phoneme_visemes(PHONEMES, times)]
    assert found == ["sil", "kk", "aa", "ih", "sil", "PP"]


def test_known_phonemes_are_preferred_to_the_motion(tmp_path):
    take = known_take(fps=50.0, phonemes=PHONEMES)
    del vars(take)["visemes"]
    content = read(tmp_path, take, "visemes")
    assert content["source"] == "phonemes" and tuple(content["names"]) == VISEMES
    weights = np.array(content["weights"])
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-3)
    assert weights[round(0.65 * 50), VISEMES.index("PP")] == 1
    assert [cue["viseme"] for cue in content["cues"]] == [
        "sil",
        "kk",
        "aa",
        "ih",
        "sil",
        "PP",
        "sil",
    ]
    ends = [cue["end"] for cue in content["cues"]]
    assert [cue["start"] for cue in content["cues"]][1:] == ends[:-1] and ends[-1] == 2.0


def test_a_motion_that_shuts_its_lips_for_a_moment_is_seen_to_shut_them_there_and_nowhere_else():
    weights = np.tile(viseme_poses()[VISEMES.index("aa")], (25, 1)) * 0.6
    weights[11:14] = viseme_poses()[VISEMES.index("PP")]
    found = motion_visemes(weights)
    pp = VISEMES.index("PP")
    assert found[12, [0, pp]].sum() > 0.9 and max(found[:9, pp].max(), found[16:, pp].max()) < 0.1


def test_the_scores_are_those_of_a_table_counted_by_hand():
    """Truth PP PP aa, read as PP aa aa: PP's recall is 1/2 and its precision 1."""
    network = {"w1": np.eye(15), "b1": 0.0, "w2": np.eye(15), "b2": 0.0}
    pp, aa = VISEMES.index("PP"), VISEMES.index("aa")
    found = scores(network, ([np.eye(15)[[pp, aa, aa]]], [np.array([pp, pp, aa])]))
    assert (found["pp_recall"], found["pp_precision"]) == (0.5, 1.0)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 15)
    assert found["usual_accuracy"] == pytest.approx(2 / 3)


def test_talkinghead_has_times_in_milliseconds_and_names_of_avatars(tmp_path):
    take = known_take(words=(("hi", 0.1, 0.5),))
    content = read(tmp_path, take, "talkinghead")
    assert sum(content["dt"]) == pytest.approx(2000, abs=0.1)
    np.testing.assert_allclose(content["vs"]["jawOpen"], take.arkit[:, 17], atol=1e-4)
    assert (content["words"], content["wtimes"], content["wdurations"]) == (["hi"], [100], [400])
    assert {f"viseme_{name}" for name in content["visemes"]} <= set(VISEME_TARGETS)


def test_azure_is_at_sixty_frames_a_second_with_three_rolls(tmp_path):
    take = known_take(fps=60.0)
    rows = np.array(read(tmp_path, take, "azure")["BlendShapes"])
    assert rows.shape == (120, 55)
    np.testing.assert_allclose(rows[:, :52], take.arkit, atol=1e-5)
    assert np.abs(rows[:, 52]).max() > 0.05


def test_lam_has_the_rotation_of_the_head(tmp_path):
    take = known_take()
    content = read(tmp_path, take, "lam")
    assert content["metadata"]["frame_count"] == len(content["frames"]) == 60
    frame = content["frames"][45]
    assert frame["time"] == 1.5 and content["names"] == list(ARKIT_NAMES)
    np.testing.assert_allclose(frame["weights"], take.arkit[45], atol=1e-5)
    np.testing.assert_allclose(frame["rotation"], take.head[45].as_quat(), atol=1e-6)


def test_rhubarb_cues_follow_the_visemes_in_both_files(tmp_path):
    take = known_take(fps=50.0, phonemes=PHONEMES)
    del vars(take)["visemes"]
    cues = read(tmp_path, take, "rhubarb")["mouthCues"]
    assert [cue["value"] for cue in cues] == ["X", "B", "D", "B", "X", "A", "X"]
    lines = write_take(tmp_path / "a.tsv", take, "rhubarb-tsv").read_text().splitlines()
    pairs = [line.split("\t") for line in lines]
    assert [shape for _, shape in pairs[:-1]] == [cue["value"] for cue in cues]
    assert pairs[-1] == ["2.00", "X"] and float(pairs[3][0]) == cues[3]["start"]
    path = write_take(tmp_path / "a.xml", take, "rhubarb-xml")
    page = xml.dom.minidom.parse(str(path))
    shapes = page.documentElement.getElementsByTagName("mouthCue")
    assert purpose_of(path) == "rhubarb-xml" and page.documentElement.tagName == "rhubarbResult"
    assert [
        {"start": float(s.getAttribute("start")), "end": float(s.getAttribute("end"))}
        | {"value": s.firstChild.data}
        for s in shapes
    ] == cues
    (sound,) = page.getElementsByTagName("soundFile")
    assert sound.firstChild.data == "talk.wav"


def test_a_long_l_has_a_mouth_cue_of_its_own():
    found = {}
    for ipa in ("l", "n"):
        take = known_take(fps=50.0, phonemes=(("a", 0.2, 0.5), (ipa, 0.5, 0.7), ("a", 0.7, 0.9)))
        del vars(take)["visemes"]
        found[ipa] = [shape for shape, _, _ in mouth_cues(take)]
    assert found == {"l": ["X", "D", "H", "D", "X"], "n": ["X", "D", "B", "D", "X"]}


def test_words_become_a_text_grid_without_gaps(tmp_path):
    take = known_take(words=(("say", 0.1, 0.5), ('"hi"', 0.5, 0.9)), phonemes=PHONEMES)
    text = write_take(tmp_path / "a.TextGrid", take, "words").read_text()
    assert re.findall(r'name = "(\w+)"', text) == ["words", "phones"]
    tier = text.partition("item [2]")[0]
    found = re.findall(r"xmin = ([\d.]+)\n +xmax = ([\d.]+)\n +text = \"(.*)\"\n", tier)
    assert [name for _, _, name in found] == ["", "say", '""hi""', ""]
    assert [a for a, _, _ in found][1:] == [b for _, b, _ in found][:-1]
    with pytest.raises(InputError, match="no times of words"):
        write_take(tmp_path / "b.TextGrid", known_take(), "words")


def test_archives_of_flame_tools_have_their_keys_and_only_from_flame(tmp_path):
    take = known_take(space="flame")
    shapes = {
        "deca": {"exp": (60, 50), "pose": (60, 6), "shape": (60, 100), "cam": (60, 3)},
        "emote": {"expression": (60, 100), "jaw_pose": (60, 3), "global_pose": (60, 3)},
        "vhap": {"expr": (60, 100), "shape": (300,), "eyes_pose": (60, 6), "rotation": (60, 3)},
        "smplx": {"betas": (100,), "leye_pose": (60, 3), "transl": (60, 3)},
        "artalk": {"motion": (60, 106)},
    }
    for kind, expected in shapes.items():
        path = write_take(tmp_path / f"{kind}.npz", take, kind)
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in expected}
        assert {name: array.shape for name, array in found.items()} == expected
        assert purpose_of(path) == kind
        with pytest.raises(InputError, match=f"{kind}: the motion is of the builtin space"):
            write_take(tmp_path / "no.npz", known_take(), kind)
    with np.load(tmp_path / "artalk.npz") as arrays:
        np.testing.assert_allclose(arrays["motion"][:, 103:], take.rotations("jaw"), atol=1e-6)
    assert not (tmp_path / "no.npz").exists()


def test_a_vrm_animation_moves_expressions_and_the_head(tmp_path):
    take = known_take()
    glb = Glb(write_take(tmp_path / "a.vrma", take, "vrm"))
    extension = glb.json["extensions"]["VRMC_vrm_animation"]
    preset = extension["expressions"]["preset"]
    assert {"aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft"} <= preset.keys()
    moved = glb.channel("translation", preset["sad"]["node"])
    left, right = (take.arkit[:, ARKIT_NAMES.index(f"mouthFrown{s}")] for s in ("Left", "Right"))
    np.testing.assert_allclose(moved[:, 0], (left + right) / 2, atol=1e-6)
    turns = glb.channel("rotation", extension["humanoid"]["humanBones"]["head"]["node"])
    np.testing.assert_allclose(np.abs((turns * take.head.as_quat()).sum(axis=1)), 1, atol=1e-6)


def test_a_vowel_of_arkit_is_that_vowel_of_vrm():
    take = known_take()
    for vowel, viseme in VOWELS.items():
        vars(take)["arkit"] = np.tile(viseme_poses()[VISEMES.index(viseme)], (60, 1))
        found = vrm_expressions(take)
        assert max(VOWELS, key=lambda name: found[name][0]) == vowel
        assert found[vowel][0] == pytest.approx(1, abs=1e-6)


def test_an_obj_sequence_has_the_posed_vertices_and_is_replaced_as_a_whole(tmp_path):
    take = known_take(seconds=0.2, fps=25.0)
    for frames in (5, 3):
        part = dataclasses.replace(
            take.motion,
            **{
                f.name: getattr(take.motion, f.name)[:frames]
                for f in dataclasses.fields(take.motion)
                if f.name not in ("shape", "fps", "meta")
            },
        )
        write_take(tmp_path / "talk.obj", dataclasses.replace(take, motion=part), "obj")
    names = sorted(path.name for path in (tmp_path / "talk.obj").iterdir())
    assert names == [*(f"frame_0000{n}.obj" for n in (1, 2, 3)), "sequence.json"]
    lines = (tmp_path / "talk.obj" / "frame_00003.obj").read_text().splitlines()
    vertices = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    faces = np.array([line.split()[1:] for line in lines if line.startswith("f ")], int)
    motion = take.motion
    truth = face_vertices(
        builtin_face(),
        motion.exp[2],
        global_orient=motion.global_orient[2],
        jaw_pose=motion.jaw_pose[2],
        eyes_pose=motion.eyes_pose[2],
    )
    np.testing.assert_allclose(vertices[:, :3], truth, atol=2e-6)
    np.testing.assert_array_equal(faces, builtin_face().faces + 1)
    shutil.rmtree(tmp_path / "talk.obj")
    (tmp_path / "talk.obj").mkdir()
    (tmp_path / "talk.obj" / "mine.txt").write_text("")
    with pytest.raises(InputError, match="not empty"):
        write_take(tmp_path / "talk.obj", take, "obj")


def test_a_usd_stage_has_the_weights_of_every_frame(tmp_path):
    take = known_take(seconds=0.2, fps=25.0)
    path = write_take(tmp_path / "talk.usda", take, "usd")
    assert purpose_of(path) == "usd"
    text = path.read_text()
    block = text.partition("blendShapeWeights.timeSamples = {")[2].partition("}")[0]
    rows = re.findall(r"(\d+): \[([^\]]*)\]", block)
    assert [int(frame) for frame, _ in rows] == list(range(5))
    weights = np.array([row.split(", ") for _, row in rows], float)
    np.testing.assert_allclose(weights, take.arkit, rtol=1e-4)
    assert "timeCodesPerSecond = 25" in text and text.count("def BlendShape") == 52


def test_usd_core_reads_the_stage(tmp_path):
    usd = pytest.importorskip("pxr", reason="needs usd-core")
    from pxr import Usd, UsdGeom, UsdSkel

    take = known_take(seconds=0.2, fps=25.0)
    stage = usd.Usd.Stage.Open(str(write_take(tmp_path / "talk.usda", take, "usd")))
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/Head/Animation"))
    got = np.array(animation.GetBlendShapeWeightsAttr().Get(Usd.TimeCode(3)))
    np.testing.assert_allclose(got, take.arkit[3], rtol=1e-4)
    cache = UsdSkel.Cache()
    root = UsdSkel.Root(stage.GetPrimAtPath("/Head"))
    cache.Populate(root, Usd.PrimDefaultPredicate)
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath("/Head/Skeleton"))
    assert cache.GetSkelQuery(skeleton).GetAnimQuery()
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/Head/Mesh"))
    assert len(mesh.GetPointsAttr().Get()) == len(dressed_head().template)
