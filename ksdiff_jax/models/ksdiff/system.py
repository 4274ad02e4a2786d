"""KSDiff behind the `System` protocol: three pure functions of a configuration."""

from dataclasses import dataclass, replace

import jax.numpy as jnp

from ksdiff_jax.config import Config
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.frozen import stop_frozen
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.models.ksdiff.network import Network, example_speech
from ksdiff_jax.models.ksdiff.sampling import sample_motion
from ksdiff_jax.models.ksdiff.training import training_loss
from ksdiff_jax.models.system import Batch, Sample, Speech, Statistics
from ksdiff_jax.typing import Array, Bool, Float, Key, PyTree


@dataclass(frozen=True)
class KSDiff:
    """Keyframe-augmented speech-aware dual-path diffusion; a `models.system.System`."""

    config: Config

    @property
    def network(self) -> Network:
        """The Linen module that the parameters belong to."""
        return Network(self.config.model, self._execution)

    @property
    def _execution(self) -> Execution:
        model, train = self.config.model, self.config.train
        return Execution(
            dtype=jnp.dtype(model.compute_dtype),
            attention=model.attention,
            remat=train.remat,
            scan_layers=train.scan_layers,
        )

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Fresh parameters, a nested dict: encoder, speech_paths, transcript_encoder, predictors_*,
        generators_*.
        """
        return self.network.init(key, example_speech(self.config.model))["params"]

    def loss(
        self,
        params: PyTree,
        batch: Batch,
        key: Key[Array, ""],
        *,
        statistics: Statistics,
        train: bool,
        whole: Bool[Array, "n t"] | None = None,
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """The total loss of Eq. 7 and all its terms; frozen parameters get no gradient."""
        params = stop_frozen(params, self.config)
        settings = {"config": self.config, "statistics": statistics, "train": train, "whole": whole}
        return training_loss(self.network, params, batch, key, **settings)

    def sample(
        self,
        params: PyTree,
        speech: Speech,
        noise: Float[Array, "b t 59"],
        key: Key[Array, ""],
        *,
        statistics: Statistics,
        options: SampleConfig,
    ) -> Sample:
        """Motion and keyframes for speech."""
        # A sampler runs each layer often: no parameters are copied into arrays for a loop there.
        network = Network(self.config.model, replace(self._execution, scan_layers=False))
        return sample_motion(
            network,
            params,
            speech,
            noise,
            key,
            config=self.config,
            statistics=statistics,
            options=options,
        )
