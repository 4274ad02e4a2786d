"""The lip-sync model behind the `System` protocol. It is trained like any other system, and
generates nothing.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.frozen import stop_frozen
from ksdiff_jax.models.sync.network import Network, example_speech, mouth_numbers
from ksdiff_jax.models.sync.training import training_terms
from ksdiff_jax.models.system import Batch, Sample, Statistics, Terms
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Int, Key, PyTree


@dataclass(frozen=True)
class Sync:
    """Whether speech and mouth are in step, window by window; a `models.system.System`."""

    config: Config

    @property
    def network(self) -> Network:
        """The Linen module that the parameters belong to."""
        model = self.config.model
        return Network(model, Execution(dtype=jnp.dtype(model.compute_dtype)))

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Fresh parameters, a nested dict: encoder, speech_norm, speech_windows, motion_windows."""
        model = self.config.model
        mouth = jnp.zeros((1, model.window_frames, len(mouth_numbers(model, BUILTIN))))
        return self.network.init(key, example_speech(model), mouth)["params"]

    def loss(
        self,
        params: PyTree,
        batch: Batch,
        keys: Key[Array, "b"],
        *,
        statistics: Statistics,
        train: bool,
    ) -> Terms:
        """The cross-entropy of true and of shifted pairs of each clip (training.py)."""
        params = stop_frozen(params, self.config)
        return training_terms(
            self.network, params, batch, keys, config=self.config, space=statistics
        )

    def sample(
        self,
        params: PyTree,
        speech: Speech,
        keys: Key[Array, "b"],
        first: Int[Array, "b"],
        *,
        statistics: Statistics,
    ) -> Sample:
        """Raises `InputError`: there is nothing to sample."""
        raise InputError(
            f"{self.config.name or 'sync'}: a lip-sync model generates no motion; animate with "
            "another checkpoint, and measure that one with `ksdiff-jax evaluate --sync`"
        )
