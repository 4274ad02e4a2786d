"""The stages that `bench device` times separately equal the sampler as a whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.bench.sampling import Stages
from ksdiff_jax.bench.workload import made_up_batch, made_up_params, small_size
from ksdiff_jax.models.ksdiff.system import KSDiff
from tests.run_once import jit_to_run_once


@pytest.mark.slow
def test_the_stages_are_the_parts_of_a_sample():
    config = small_size().demo
    batch, normal = made_up_batch(config, clips=1, frames=24, features=False)
    params, stages, speech = made_up_params(config), Stages(config, normal), batch.speech
    keys, first = jax.random.split(jax.random.key(0), 1), jnp.zeros(1, jnp.int32)
    sample = jit_to_run_once(lambda p, s: KSDiff(config).sample(p, s, keys, first))
    whole = sample(params, speech)
    with_features = speech._replace(features=jit_to_run_once(stages.encoder)(params, speech))
    np.testing.assert_allclose(
        jit_to_run_once(stages.sampler)(params, with_features), whole.motion, atol=1e-4
    )
    keyframes = jit_to_run_once(stages.keyframes)(params, with_features)
    assert 0 < whole.tracks["keyframes_head"].sum() < 24
    np.testing.assert_array_equal(keyframes["head"][0], whole.tracks["keyframes_head"])
    np.testing.assert_allclose(
        keyframes["expression"][1], whole.tracks["keyframe_score_expression"], atol=1e-4
    )
