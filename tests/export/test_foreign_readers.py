"""One recording in, every format out, each opened by a reader that is not ours.

The readers run in an environment of their own (`make readers`; three.js, glTF's validator and
three-vrm by `make web`). Without them the tests are skipped.
"""

import json
import subprocess
from pathlib import Path

import av
import matplotlib.image
import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.export.endings import ENDINGS, FLAME_ARCHIVES
from ksdiff_jax.export.rhubarb import mouth_cues
from ksdiff_jax.export.take import Take
from ksdiff_jax.export.viseme_shapes import VISEMES
from ksdiff_jax.export.vrm import vrm_expressions
from ksdiff_jax.face import face_vertices
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.face.dressed import dressed_head
from ksdiff_jax.motion.clip import MotionClip
from tests.conftest import REPOSITORY
from tests.face.made_faces import made_face, written

SCRIPT = Path(__file__).parent / "foreign_readers.py"
READERS = REPOSITORY / ".venv-readers"
PHONES = (("b", 0.5, 0.7), ("i", 0.7, 0.9), ("m", 0.9, 1.1), ("l", 1.3, 1.5))
OF_WEIGHTS = ("livelink", "arkit", "a2f", "a2f-json", "glb", "talkinghead", "lam", "usd")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """Every file of the demonstration, and the folder of those of a FLAME-form face."""
    if not (READERS / "installed").exists():
        pytest.skip("needs usd-core, trimesh, pygltflib and praatio: `make readers`")
    folder = tmp_path_factory.mktemp("files")
    speech = folder / "talk.wav"
    speech.write_bytes((REPOSITORY / "ksdiff_jax" / "assets" / "demo.wav").read_bytes())
    lines = [f"{start_s} {end_s} {name}" for name, start_s, end_s in PHONES]
    (folder / "talk.lab").write_text("\n".join(lines) + "\n")
    given = ["animate", speech, "--no-sidecar", "--phonemes", folder / "talk.lab", "--formats"]
    kinds = [kind for kind in ENDINGS if kind not in FLAME_ARCHIVES]
    ours = [*given, "npz", "mp4", "png", *kinds, "--out", folder / "ours"]
    face = written(made_face(1), folder / "face.npz")
    theirs = [*given, "npz", *FLAME_ARCHIVES, "--face", face, "--out", folder / "flame"]
    for words in (ours, theirs):
        assert main(list(map(str, words))) == 0
    return folder / "ours", folder / "flame"


def read(folder: Path) -> dict:
    """What the readers read, by format."""
    command = [READERS / "bin" / "python", SCRIPT, folder, "talk"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for kind, what in found.items():
        print(f"{kind}: {what['reader']}")
    return found


def test_every_format_has_the_motion_for_a_reader_that_is_not_ours(files, tmp_path):
    ours, _ = files
    found, motion = read(ours), MotionClip.load(ours / "talk.motion.npz")
    assert found.keys() == ENDINGS.keys() - set(FLAME_ARCHIVES)
    take = Take(motion, motion.fps, "talk", phonemes=PHONES)
    jaw = take.arkit[:, ARKIT_NAMES.index("jawOpen")]
    assert len(jaw) > 100 and np.ptp(jaw) > 0.1
    for kind in OF_WEIGHTS:
        np.testing.assert_allclose(found[kind]["jawOpen"], jaw, atol=1e-4, err_msg=kind)
    fast = take.at(60).arkit[:, ARKIT_NAMES.index("jawOpen")]
    np.testing.assert_allclose(found["azure"]["jawOpen"], fast, atol=1e-4)
    moved = found["glb-exact"]["exp"]
    np.testing.assert_allclose(moved, motion.exp[:, found["glb-exact"]["component"]], atol=1e-5)
    assert np.ptp(moved) > 0.1
    closed = take.visemes[:, VISEMES.index("PP")]
    np.testing.assert_allclose(found["visemes"]["PP"], closed, atol=1e-3)
    assert closed.max() == 1
    np.testing.assert_allclose(found["vrm"]["aa"], vrm_expressions(take)["aa"], atol=1e-5)
    cues = [shape for shape, _, _ in mouth_cues(take)]
    assert "H" in cues and all(
        found[kind]["shapes"] == cues for kind in ("rhubarb", "rhubarb-tsv", "rhubarb-xml")
    )
    assert found["words"]["phones"] == [name for name, _, _ in PHONES]
    points = len(dressed_head().template)
    assert found["usd"]["points"] == points and found["usd"]["fps"] == 25
    pose = {
        name: getattr(motion, name)[-1]
        for name in ("global_orient", "neck_pose", "jaw_pose", "eyes_pose")
    }
    last = np.asarray(face_vertices(take.own_face, motion.exp[-1], **pose))
    assert (found["obj"]["frames"], found["obj"]["points"]) == (len(motion), len(last))
    np.testing.assert_allclose(found["obj"]["last"], last[0], atol=1e-5)


def test_archives_of_flame_tools_have_the_coefficients_for_numpy(files):
    _, flame = files
    found, motion = read(flame), MotionClip.load(flame / "talk.motion.npz")
    assert found.keys() == set(FLAME_ARCHIVES) and np.ptp(motion.exp[:, 0]) > 0.1
    for kind, what in found.items():
        np.testing.assert_allclose(what["exp"], motion.exp[:, 0], atol=1e-5, err_msg=kind)


def test_the_video_and_the_plot_are_those_of_ffmpeg_and_libpng(files):
    ours, _ = files
    motion = MotionClip.load(ours / "talk.motion.npz")
    with av.open(str(ours / "talk.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.audio[0].codec_context.name == "aac"
    assert len(pictures) == len(motion) and np.std(pictures[0]) > 10
    assert matplotlib.image.imread(ours / "talk.png").ndim == 3


def test_three_js_and_three_vrm_read_the_gltf_files(files, node, tmp_path):
    ours, _ = files
    paths = [ours / f"talk{ENDINGS[kind]}" for kind in ("glb", "glb-exact", "vrm")]
    for path, report in node("validate.mjs", *paths).items():
        assert (report["numErrors"], report["numWarnings"]) == (0, 0), (path, report["messages"])
    motion = MotionClip.load(ours / "talk.motion.npz")
    for path in paths[:2]:
        played = node("play.mjs", path, tmp_path, 0.0, 1.0)
        assert played["faults"] == []
        assert played["shown"][0]["duration"] == pytest.approx((len(motion) - 1) / 25)
    animation = node("vrma.mjs", paths[2])
    expected = vrm_expressions(Take(motion, motion.fps, "talk"))
    for name, values in expected.items():
        np.testing.assert_allclose(animation["preset"][name], values, atol=1e-5, err_msg=name)
    assert animation["bones"]["head"] == len(motion)
