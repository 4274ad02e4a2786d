"""KSDiff behind the `System` protocol: three pure functions of a configuration."""

from dataclasses import dataclass

import jax.numpy as jnp

from ksdiff_jax.config import Config
from ksdiff_jax.models.frozen import stop_frozen
from ksdiff_jax.models.ksdiff.network import Network, example_speech
from ksdiff_jax.models.ksdiff.sampling import sample_normalised
from ksdiff_jax.models.ksdiff.training import training_terms
from ksdiff_jax.models.system import Batch, Sample, Statistics, Terms
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Int, Key, PyTree


@dataclass(frozen=True)
class KSDiff:
    """Keyframe-augmented speech-aware dual-path diffusion; a `models.system.System`."""

    config: Config

    @property
    def network(self) -> Network:
        """The Linen module that the parameters belong to."""
        train = self.config.train
        return Network(self.config.model, remat=train.remat, scan_layers=train.scan_layers)

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Fresh parameters, a nested dict: encoder, speech_paths, transcript_encoder, predictors_*,
        generators_*.
        """
        return self.network.init(key, example_speech(self.config.model))["params"]

    def loss(
        self,
        params: PyTree,
        batch: Batch,
        keys: Key[Array, "b"],
        *,
        statistics: Statistics,
        train: bool,
    ) -> Terms:
        """Every weighted term of Eq. 7 of each clip; frozen parameters get no gradient."""
        params = stop_frozen(params, self.config)
        settings = {"config": self.config, "statistics": statistics, "train": train}
        return training_terms(self.network, params, batch, keys, **settings)

    def sample(
        self,
        params: PyTree,
        speech: Speech,
        keys: Key[Array, "b"],
        first: Int[Array, "b"],
        *,
        statistics: Statistics,
    ) -> Sample:
        """Motion and keyframes for speech."""
        # A sampler runs each layer many times: written out, no layer's weights are copied.
        network = self.network.clone(scan_layers=False)
        options = self.config.sample
        sample = sample_normalised(network, params, speech, keys, first, options=options)
        motion = jnp.where(speech.mask[..., None], statistics.denormalise(sample.motion), 0.0)
        return sample._replace(motion=motion.astype(jnp.dtype(self.config.model.output_dtype)))
