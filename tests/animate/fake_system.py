"""A system whose motion can be worked out by hand, to test everything around a real one.

Frame i of the motion is mean + std · (noise_i + loudness_i), so each frame depends on its own noise
and its own 640 samples only; keyframes are the frames whose noise in dimension 0 is positive.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.models.ksdiff.config import Config, DiffusionConfig, ModelConfig, SampleConfig
from ksdiff_jax.models.pretrained import Pretrained
from ksdiff_jax.models.system import Sample, Statistics

CONFIG = Config(
    model=ModelConfig(width=16, heads=2, diffusion=DiffusionConfig(steps=100)),
    sample=SampleConfig(steps=10),
    name="fake",
)
STATISTICS = Statistics(mean=np.zeros(59, np.float32), std=np.full(59, 0.01, np.float32))


class FakeSystem:
    """Counts how often `sample` is traced: once per compilation."""

    def __init__(self, config: Config = CONFIG):
        self.config = config
        self.traces: list[tuple[int, int]] = []

    def init(self, key):
        return {"scale": jnp.ones(())}

    def loss(self, params, batch, key, *, statistics, train):
        raise NotImplementedError

    def sample(self, params, speech, noise, key, *, statistics, options):
        self.traces.append(speech.mask.shape)
        batch, frames = speech.mask.shape
        loudness = jnp.abs(speech.audio.reshape(batch, frames, 640)).mean(axis=-1, keepdims=True)
        motion = (
            statistics.mean
            + statistics.std * params["scale"] * (noise + loudness) * options.guidance
        )
        keyframes = noise[..., 0] > 0
        score = jnp.where(speech.mask, 0.25, 0.0)
        return Sample(motion, keyframes, ~keyframes, score, score + 0.5)


def pretrained(tmp_path, **changes) -> Pretrained:
    config = dataclasses.replace(CONFIG, **changes)
    return Pretrained(config, {"scale": np.ones((), np.float32)}, STATISTICS, "0" * 64, tmp_path)
