"""A system whose motion can be computed by hand, for tests of the code around a real one.

Frame i of the motion is mean + std · (noise_i + loudness_i), so each frame depends on its own noise
and its own 640 samples only; keyframes are those placed by hand, and otherwise the frames whose
noise in dimension 0 is positive.
"""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.models.ksdiff.config import Config, DiffusionConfig, ModelConfig, SampleConfig
from ksdiff_jax.models.pretrained import Pretrained
from ksdiff_jax.models.system import Needs, Sample
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS, MotionSpace
from ksdiff_jax.rng import frame_noise

CONFIG = Config(
    model=ModelConfig(width=16, heads=2, diffusion=DiffusionConfig(steps=100)),
    sample=SampleConfig(steps=10),
    name="fake",
)
STATISTICS = BUILTIN.with_statistics(
    np.zeros(MOTION_DIMS, np.float32), np.full(MOTION_DIMS, 0.01, np.float32)
)


@dataclasses.dataclass(frozen=True)
class FakeSystem:
    """Counts how often `sample` is traced: once per compilation. Each one is compiled anew."""

    config: Config = CONFIG
    space: MotionSpace = STATISTICS
    needs = Needs(("builtin",))
    number: int = dataclasses.field(default_factory=itertools.count().__next__)
    traces: list[tuple[int, int]] = dataclasses.field(default_factory=list, compare=False)

    def example(self, clip, frames, *, rng=None, features=None):
        raise NotImplementedError

    def init(self, key):
        return {"scale": jnp.ones(())}

    def loss(self, params, batch, key, *, train):
        raise NotImplementedError

    def sample(self, params, speech, keys, first):
        self.traces.append(speech.mask.shape)
        batch, frames = speech.mask.shape
        noise = frame_noise(keys, first, frames, (MOTION_DIMS,))
        loudness = jnp.abs(speech.audio.reshape(batch, frames, SAMPLES_PER_MOTION_FRAME)).mean(
            axis=-1, keepdims=True
        )
        guidance = self.config.sample.guidance
        motion = self.space.denormalise(params["scale"] * (noise + loudness) * guidance)
        keyframes = noise[..., 0] > 0
        found = [keyframes, ~keyframes]
        if speech.keyframes is not None:
            given = jnp.moveaxis(speech.keyframes, -1, 0)
            found = [jnp.where(g < 0, own, g > 0) for g, own in zip(given, found, strict=True)]
        score = jnp.where(speech.mask, 0.25, 0.0)
        tracks = {
            "keyframes_expression": found[0],
            "keyframes_head": found[1],
            "keyframe_score_expression": score,
            "keyframe_score_head": score + 0.5,
        }
        return Sample(motion, tracks)


def pretrained(tmp_path, **changes) -> Pretrained:
    config = dataclasses.replace(CONFIG, **changes)
    return Pretrained(config, {"scale": np.ones((), np.float32)}, STATISTICS, "0" * 64, tmp_path)
