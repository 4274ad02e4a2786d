"""A system and a data source so small that a whole training run takes a second.

The system maps the prosody of a frame through two matrices to its motion; the data are made by a
fixed linear map, so a loss of zero exists.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.system import Needs, Sample
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS, MotionSpace
from ksdiff_jax.rng import frame_noise, stream
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.train.feed import TrainingData, ValidationBatch

FRAMES = 4
HIDDEN = 16


@dataclasses.dataclass(frozen=True)
class ToySystem:
    """motion = prosody at each frame -> first/kernel -> second/kernel + second/bias, in normalised
    units.
    """

    config: Config
    space: MotionSpace = BUILTIN
    needs = Needs(spaces=("builtin",))

    def example(self, clip, frames, *, rng=None, features=None):
        raise NotImplementedError

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
        return (hidden @ params["second"]["kernel"] + params["second"]["bias"])[..., :MOTION_DIMS]

    def loss(self, params, batch: Batch, keys, *, train: bool):
        target = self.space.normalise(batch.motion)
        error = self.motion(params, batch.speech) - target
        if train:
            noise = frame_noise(keys, jnp.zeros(len(error), int), error.shape[1], error.shape[2:])
            error = error + 0.01 * noise
        frames = jnp.where(batch.speech.mask, jnp.mean(error**2, axis=-1), 0.0)
        return {"reconstruction": frames.sum(axis=1) / batch.speech.mask.sum(axis=1)}

    def sample(self, params, speech, keys, first) -> Sample:
        return Sample(self.space.denormalise(self.motion(params, speech)))


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
    true_map = np.random.default_rng(3).normal(size=(2, MOTION_DIMS)).astype(np.float32)
    speech = Speech(
        audio=np.zeros((batch_size, SAMPLES_PER_MOTION_FRAME * FRAMES), np.float32),
        prosody=prosody,
        mask=np.ones((batch_size, FRAMES), bool),
        tokens=np.zeros((batch_size, 4), np.int32),
        token_mask=np.zeros((batch_size, 4), bool),
    )
    return Batch(speech=speech, motion=prosody[:, ::2] @ true_map)


def toy_validation(number: int, clips: int) -> ValidationBatch:
    return ValidationBatch(toy_batch(number, clips), [f"{number}-{clip}" for clip in range(clips)])


def toy_data(config: Config, **options) -> TrainingData:
    return TrainingData(
        batches=ToyBatches(config.data.batch_size, **options),
        validation=[toy_validation(10_001, 8), toy_validation(10_002, 3)],
        space=BUILTIN.with_statistics(np.zeros(MOTION_DIMS), np.ones(MOTION_DIMS)),
        description="toy data",
    )


def open_toy(system, **options) -> TrainingData:
    return toy_data(system.config, **options)


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
