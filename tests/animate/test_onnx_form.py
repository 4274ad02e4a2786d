"""ONNX models of the sampler: refusals, the booleans, and the motion that onnxruntime computes."""

import importlib.util
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.engine import with_sampling
from ksdiff_jax.animate.onnx_form import TRACKS, need_onnx, onnx_model
from ksdiff_jax.animate.program import export_model
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.pretrained import Pretrained
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.rng import Given, frame_noise, frame_uniform, streams
from ksdiff_jax.speech.utterance import Speech
from tests.animate.fake_system import STATISTICS
from tests.run_once import jit_to_run_once
from tests.train.tiny_ksdiff import tiny_config

CONVERTER = importlib.util.find_spec("jax2onnx")
converts = pytest.mark.skipif(CONVERTER is None, reason="jax2onnx is not installed")


def test_given_numbers_take_the_place_of_drawn_ones():
    noise = jnp.arange(6.0).reshape(1, 2, 3)
    given = Given({"noise": noise, "level": noise[..., 0]})
    first = jnp.zeros(1, jnp.int32)
    np.testing.assert_array_equal(frame_noise(streams(given, "noise"), first, 2, (3,)), noise)
    np.testing.assert_array_equal(frame_uniform(streams(given, "level"), first, 2), noise[..., 0])
    with pytest.raises(KeyError, match="sampler head"):
        streams(given, "sampler head", 3)


@pytest.mark.skipif(CONVERTER is not None, reason="jax2onnx is installed")
def test_without_jax2onnx_one_line_names_the_packages():
    with pytest.raises(InputError, match=r"pip install --no-deps jax2onnx"):
        need_onnx()


@pytest.mark.parametrize("options", [{"eta": 0.5}, {"keyframe_decoding": "bernoulli"}])
def test_options_that_draw_numbers_are_refused(options):
    system = build_system(with_sampling(tiny_config("none"), **options), STATISTICS)
    with pytest.raises(InputError, match="need eta 0 and greedy keyframes"):
        onnx_model(system, {}, {})


@converts
@pytest.mark.slow
def test_onnxruntime_gives_the_samplers_motion(tmp_path):
    config = with_sampling(tiny_config("none"), steps=2, close_blinks=False)
    system = build_system(config, STATISTICS)
    params = jax.device_get(jit_to_run_once(system.init)(jax.random.key(0)))
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype(np.float32), params
    )
    animator = Animator(Pretrained(config, params, STATISTICS, "0" * 64, tmp_path), buckets=(32,))
    folder = export_model(animator, tmp_path / "out", frames=[32], onnx=True)
    script = runpy.run_path(str(folder / "run_onnx.py"))
    with np.load(folder / "example.npz") as example:
        given = {"noise_id": str(example["noise_id"]), "seed": 3}
        audio, prosody = example["audio"][: 30 * SAMPLES_PER_MOTION_FRAME], example["prosody"][:60]
    found = script["motion_of"](audio, prosody, **given)
    row = script["inputs_of"](audio, prosody, 32, **given)
    numbers = {"noise": row.pop("noise")} | dict.fromkeys(TRACKS, np.zeros((1, 32), np.float32))
    sample = jit_to_run_once(system.sample)
    expected = sample(params, Speech(**row), Given(numbers), jnp.zeros(1, jnp.int32))
    assert found["motion"].shape == (30, MOTION_DIMS)
    assert found["motion"].std() > 1e-3
    np.testing.assert_allclose(found["motion"], expected.motion[0, :30], atol=1e-4)
    assert found.keys() == {"motion", *expected.tracks}
