"""The student as a `System`. It is trained like any other system, and generates no motion."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME
from ksdiff_jax.config import Config
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.student.network import Answers, Network
from ksdiff_jax.models.student.training import TeacherBatch, teacher_row, teacher_terms
from ksdiff_jax.models.system import Needs, Sample, Terms
from ksdiff_jax.motion.space import BUILTIN, SPACES, MotionSpace
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree

_EXAMPLE_FRAMES = 4


@dataclass(frozen=True)
class Student:
    """Gives the features of its teacher, in a fraction of the time and with a fixed look-ahead; a
    `models.system.System`.
    """

    config: Config
    space: MotionSpace = BUILTIN

    @property
    def needs(self) -> Needs:
        """Return the requirements: clips of any space, and the teacher's features of their clean
        sound.
        """
        return Needs(tuple(SPACES), kept=("teacher",))

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: Float[np.ndarray, "f d"] | None = None,
    ) -> TeacherBatch:
        """Return one row of a batch: sound and the teacher's standardised `features`."""
        return teacher_row(clip, frames, config=self.config, rng=rng, targets=features)

    @property
    def network(self) -> Network:
        """Return the Linen module of the parameters."""
        config = self.config
        execution = Execution(dtype=jnp.dtype(config.model.compute_dtype))
        return Network(config.model, bool(config.loss.phonemes), execution)

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, a nested dict: encoder, head, and phonemes if the loss has
        them.
        """
        audio = jnp.zeros((1, SAMPLES_PER_SPEECH_FRAME * _EXAMPLE_FRAMES))
        return self.network.init(key, audio, jnp.ones((1, _EXAMPLE_FRAMES), bool))["params"]

    def answers(self, params: PyTree, batch: TeacherBatch) -> Answers:
        """Return the output of the network for every frame of a batch."""
        return self.network.apply({"params": params}, batch.audio, batch.mask)

    def loss(
        self, params: PyTree, batch: TeacherBatch, keys: Key[Array, "b"], *, train: bool
    ) -> Terms:
        """Return the squared error to the teacher of each clip (training.py); it has no random
        numbers.
        """
        return teacher_terms(self.answers(params, batch), batch, config=self.config)

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Raise `InputError`: a student generates no motion."""
        raise InputError(
            f"{self.config.name or 'student'}: a student is a speech encoder and generates no "
            "motion; name its run in --model.encoder.path of a system that does, with "
            "--model.encoder.kind pretrained"
        )
