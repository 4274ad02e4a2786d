"""The paper's configuration: its sizes, one training step at batch 2, one sample."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models import build_system
from ksdiff_jax.models.frozen import part
from ksdiff_jax.overrides import load_config, override
from ksdiff_jax.tree import parameter_count
from tests.models.ksdiff.conftest import (
    random_batch,
    total_loss,
)

CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_paper_configuration_is_the_papers():
    config = load_config(CONFIGS / "paper.py")
    assert (config.model.width, config.model.heads, config.model.keyframes.layers) == (512, 8, 6)
    assert (config.train.steps, config.train.warmup_steps, config.train.learning_rate) == (
        100_000,
        5_000,
        1e-4,
    )
    assert config.data.batch_size == 32
    encoder = config.model.encoder
    assert (encoder.kind, encoder.path, encoder.finetune) == (
        "pretrained",
        "facebook/wav2vec2-base-960h",
        False,
    )
    shapes = jax.eval_shape(build_system(config).init, jax.random.key(0))
    parts = {name: parameter_count(part) for name, part in shapes.items()}
    # A pre-norm decoder layer of width D with self-, speech- and transcript attention and a 4D FFN:
    # about 20 D².
    decoder = 6 * 20 * 512**2
    for name in (
        "predictors_expression",
        "predictors_head",
        "generators_expression",
        "generators_head",
    ):
        assert parts[name] == pytest.approx(decoder, rel=0.05), name
    # Wav2Vec 2.0 base has 94.4 million parameters, one vector of which masks training's input and
    # is not ours.
    assert part(shapes, config).frozen.keys() == {"encoder"}
    assert parts["encoder"] == pytest.approx(94.4e6, rel=0.001)


@pytest.mark.slow
def test_the_paper_configuration_takes_a_step_and_samples():
    config = load_config(CONFIGS / "paper.py")
    system = build_system(config)
    # Frozen and heard once per clip, the encoder has no part in a step: its features come with the
    # batch.
    params = jax.jit(lambda key: part(system.init(key), config).trainable)(jax.random.key(0))
    width = config.model.encoder.architecture.hidden_size
    batch = random_batch(config.data.clip_frames, text="x")
    batch = batch._replace(
        speech=batch.speech._replace(
            tokens=np.pad(
                batch.speech.tokens, ((0, 0), (0, config.model.transcript.max_tokens - 24))
            ),
            token_mask=np.pad(
                batch.speech.token_mask, ((0, 0), (0, config.model.transcript.max_tokens - 24))
            ),
            features=jax.random.normal(jax.random.key(4), (*batch.speech.prosody.shape[:2], width)),
        )
    )
    gradient = jax.jit(jax.value_and_grad(lambda p: total_loss(system, p, batch, train=True)))
    loss, gradients = gradient(params)
    assert np.isfinite(loss)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradients))
    sample = jax.jit(
        lambda p: build_system(override(config, {"sample.steps": 2})).sample(
            p,
            batch.speech,
            jax.random.split(jax.random.key(2), len(batch.motion)),
            jnp.zeros(len(batch.motion), jnp.int32),
        )
    )(params)
    assert np.all(np.isfinite(sample.motion))
