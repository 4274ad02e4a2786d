"""A system and a data source so small that a whole training run takes a second.

The system maps the prosody of a frame through two matrices to its motion; the data are made by a
fixed linear map, so a loss of zero exists.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.system import Batch, Sample, SampleConfig, Speech, Statistics
from ksdiff_jax.rng import stream
from ksdiff_jax.train.feed import TrainingData

FRAMES = 4
HIDDEN = 16


class ToySystem:
    """motion = prosody at each frame -> first/kernel -> second/kernel + second/bias, in normalised
    units.
    """

    def __init__(self, config: Config):
        self.config = config

    def init(self, key):
        kernel = lambda name, *shape: jax.random.normal(stream(key, name), shape) * 0.1  # noqa: E731
        return {
            "first": {"kernel": kernel("first", 8, HIDDEN)},
            "second": {"kernel": kernel("second", HIDDEN, 64), "bias": jnp.zeros((64,))},
        }

    def motion(self, params, speech: Speech):
        frames = speech.prosody[:, ::2]
        inputs = jnp.tile(frames, (1, 1, 4))  # (b, t, 8)
        hidden = inputs @ params["first"]["kernel"]
        return (hidden @ params["second"]["kernel"] + params["second"]["bias"])[..., :59]

    def loss(self, params, batch: Batch, key, *, statistics: Statistics, train: bool, whole=None):
        target = (batch.motion - statistics.mean) / statistics.std
        error = self.motion(params, batch.speech) - target
        if train:
            error = error + 0.01 * jax.random.normal(stream(key, "noise"), error.shape)
        mask = batch.speech.mask[..., None]
        valid = mask.sum() if whole is None else whole.sum()
        reconstruction = jnp.sum(jnp.where(mask, error**2, 0.0)) / (valid * 59)
        return reconstruction, {"reconstruction": reconstruction}

    def sample(self, params, speech, noise, key, *, statistics, options: SampleConfig) -> Sample:
        motion = self.motion(params, speech) * statistics.std + statistics.mean
        nothing = jnp.zeros(motion.shape[:2])
        return Sample(motion, nothing > 0, nothing > 0, nothing, nothing)


class ToyBatches:
    """Batch number n is a function of n; the position is n. Remembers which numbers were read."""

    def __init__(self, batch_size: int = 8, *, broken: frozenset[int] = frozenset()):
        self.batch_size, self.broken, self.number, self.read = batch_size, broken, 0, []

    def __next__(self) -> Batch:
        self.read.append(self.number)
        batch = toy_batch(self.number, self.batch_size)
        if self.number in self.broken:
            batch = batch._replace(motion=np.full_like(batch.motion, np.nan))
        self.number += 1
        return batch

    def get_state(self) -> dict:
        return {"number": self.number}

    def set_state(self, state: dict) -> None:
        self.number = state["number"]

    def close(self) -> None:
        pass


def toy_batch(number: int, batch_size: int = 8) -> Batch:
    draw = np.random.default_rng([7, number])
    prosody = draw.normal(size=(batch_size, 2 * FRAMES, 2)).astype(np.float32)
    true_map = np.random.default_rng(3).normal(size=(2, 59)).astype(np.float32)
    speech = Speech(
        audio=np.zeros((batch_size, 640 * FRAMES), np.float32),
        prosody=prosody,
        mask=np.ones((batch_size, FRAMES), bool),
        tokens=np.zeros((batch_size, 4), np.int32),
        token_mask=np.zeros((batch_size, 4), bool),
    )
    return Batch(speech=speech, motion=prosody[:, ::2] @ true_map)


def toy_data(config: Config, **options) -> TrainingData:
    return TrainingData(
        batches=ToyBatches(config.data.batch_size, **options),
        validation=[toy_batch(10_001, 8), toy_batch(10_002, 3)],
        statistics=Statistics(mean=np.zeros(59, np.float32), std=np.ones(59, np.float32)),
        description="toy data",
    )


def toy_config(**train) -> Config:
    settings = {
        "steps": 20,
        "learning_rate": 1e-2,
        "warmup_steps": 5,
        "log_every": 5,
        "validate_every": 10,
        "checkpoint_every": 10,
    }
    return Config(
        name="toy", data=DataConfig(batch_size=8), train=TrainConfig(**{**settings, **train})
    )
