"""A model that runs without this package gives the motion of the animator."""

import json
import runpy
import subprocess
import sys

import jax
import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.engine import with_sampling
from ksdiff_jax.animate.program import example_inputs, export_model
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.pretrained import Pretrained
from ksdiff_jax.speech.utterance import cut_utterance
from tests.animate.fake_system import STATISTICS, FakeSystem, pretrained
from tests.animate.test_animator import tone
from tests.run_once import jit_to_run_once
from tests.train.tiny_ksdiff import tiny_config

pytest.importorskip("flatbuffers", reason="jax.export needs flatbuffers: the extra export-model")

WITHOUT_OURS = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ksdiff_jax", "flax", "librosa"):
            raise ImportError(f"{name} is not for this script")
sys.meta_path.insert(0, Blocked())
import runpy
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
runpy.run_path(script, run_name="__main__")
"""


def run_without_this_package(script, *arguments):
    command = [sys.executable, "-c", WITHOUT_OURS, str(script), *map(str, arguments)]
    return subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """An animator with random weights, its blinks as the model samples them."""
    config = with_sampling(tiny_config("none"), steps=2, close_blinks=False)
    system = build_system(config, STATISTICS)
    rng, params = (
        np.random.default_rng(0),
        jax.device_get(jit_to_run_once(system.init)(jax.random.key(0))),
    )
    # An untrained model gives zeros.
    params = jax.tree.map(
        lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype(np.float32), params
    )
    folder = tmp_path_factory.mktemp("checkpoint")
    return Animator(Pretrained(config, params, STATISTICS, "0" * 64, folder), buckets=(32, 192))


@pytest.fixture(scope="module")
def exported(tiny, tmp_path_factory):
    return export_model(tiny, tmp_path_factory.mktemp("exported") / "model", frames=[32])


@pytest.mark.slow
def test_the_script_gives_the_animators_motion_where_this_package_cannot_be_imported(
    tiny, exported, tmp_path
):
    whole = tiny.read(tone(2.5), sample_rate_hz=16_000)
    utterance = cut_utterance(whole, 0, 30)
    np.savez(tmp_path / "in.npz", **example_inputs(utterance))
    done = run_without_this_package(
        exported / "run.py", tmp_path / "in.npz", tmp_path / "out.npz", "--seed", "3"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (sample,) = tiny.engine.sample([utterance], seed=3)
    with np.load(tmp_path / "out.npz") as found:
        assert np.abs(found["motion"] - sample.motion).max() < 1e-5
        assert found["motion"].std() > 1e-3
        for name in ("keyframes_head", "keyframes_expression"):
            np.testing.assert_array_equal(found[name], sample.tracks[name])
    manifest = json.loads((exported / "manifest.json").read_text())
    assert [program["frames"] for program in manifest["programs"]] == [32]
    assert manifest["platforms"] == ["cpu", "cuda", "tpu"]


@pytest.mark.slow
def test_any_number_of_clips_runs_at_once(exported):
    script = runpy.run_path(str(exported / "run.py"))
    with np.load(exported / "example.npz") as example:
        audio, prosody = example["audio"], example["prosody"]
    assert audio.shape == (SAMPLES_PER_MOTION_FRAME * 32,)  # cut to the longest program
    rows = [script["inputs_of"](audio, prosody, 32, noise_id=name) for name in "abcd"]
    program = jax.export.deserialize((exported / "frames-32.jaxexport").read_bytes())
    call, weights = jit_to_run_once(program.call), script["read_weights"]()

    def motions(*rows):
        return call(weights, jax.tree.map(lambda *each: np.concatenate(each), *rows))["motion"]

    first, second = motions(*rows[:3]), motions(*rows[3:], *rows[1:3])
    assert first.shape[:2] == (3, 32)
    np.testing.assert_array_equal(first[1:], second[1:])
    assert np.abs(first[0] - second[0]).max() > 1e-3


@pytest.mark.slow
def test_the_prosody_of_the_script_is_that_of_the_package(exported, tiny, tmp_path):
    for number, sound in enumerate((tone(1.999), tone(0.7) + 0.1)):
        write_wav(tmp_path / "a.wav", sound.astype(np.float32))
        command = [sys.executable, str(exported / "prosody.py"), str(tmp_path / "a.wav")]
        subprocess.run([*command, str(tmp_path / f"{number}.npz")], check=True)
        utterance = tiny.read(tmp_path / "a.wav")
        with np.load(tmp_path / f"{number}.npz") as found:
            np.testing.assert_allclose(found["prosody"], utterance.prosody, atol=1e-4)
            np.testing.assert_allclose(found["audio"], utterance.audio, atol=1e-7)
            assert str(found["noise_id"]) == utterance.noise_id


@pytest.mark.parametrize("frames", [0, 9999])
def test_wrong_lengths_are_one_line_and_nothing_is_written(tmp_path, frames):
    animator = Animator(pretrained(tmp_path), system=FakeSystem())
    with pytest.raises(InputError, match=f"lengths {frames}: need motion frames from 1 to 4096"):
        export_model(animator, tmp_path / "out", frames=[frames])
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    animator = Animator(pretrained(tmp_path / "checkpoint"), system=FakeSystem())
    with pytest.raises(InputError, match="not empty and not an exported model of ours"):
        export_model(animator, tmp_path, frames=[32])
