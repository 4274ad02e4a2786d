"""FD2Talk's motion stage as a `System`: pure functions of a configuration and a motion space."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.layers.execution import configured_execution
from ksdiff_jax.models.distillation import distillation_terms
from ksdiff_jax.models.fd2talk.motion.config import Config
from ksdiff_jax.models.fd2talk.motion.network import Generators, Network
from ksdiff_jax.models.fd2talk.motion.parts import Parts, generated_parts
from ksdiff_jax.models.fd2talk.motion.sampling import distilled_paths, sample_normalised
from ksdiff_jax.models.fd2talk.motion.training import training_terms
from ksdiff_jax.models.frozen import stop_frozen
from ksdiff_jax.models.sync.configured_loss import configured_sync_loss
from ksdiff_jax.models.system import Needs, Sample, Terms
from ksdiff_jax.motion.space import BUILTIN, SPACES, MotionSpace
from ksdiff_jax.speech.utterance import Speech, silent_speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree


@dataclass(frozen=True)
class FD2TalkMotion:
    """Motion by decoupled diffusion transformers; a `models.system.System`."""

    config: Config
    space: MotionSpace = BUILTIN

    @property
    def needs(self) -> Needs:
        """Return the requirements: motion of any space."""
        kept = ("speech",) if self.config.model.encoder.kind == "pretrained" else ()
        return Needs(spaces=tuple(SPACES), kept=kept)

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: Float[np.ndarray, "f d"] | None = None,
    ) -> Batch:
        """Return one row of a batch: speech and motion."""
        # Imported here, because it needs audio packages that sampling does not need.
        from ksdiff_jax.data.transforms import clip_row

        return clip_row(clip, frames, config=self.config, rng=rng, features=features)

    @property
    def parts(self) -> Parts:
        """Return the numbers of a motion frame that each transformer generates."""
        return generated_parts(self.config.model, self.space)

    @property
    def network(self) -> Network:
        """Return the Linen module of the parameters."""
        return Network(self.config.model, self._channels, configured_execution(self.config))

    @property
    def _channels(self) -> dict[str, int]:
        return {name: len(columns) for name, columns in self.parts.items()}

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, a nested dict: encoder, speech, norm_speech, null_speech and
        transformers_expression, transformers_pose.
        """
        return self.network.init(key, silent_speech())["params"]

    def loss(self, params: PyTree, batch: Batch, keys: Key[Array, "b"], *, train: bool) -> Terms:
        """Return every weighted term of Eq. 12 of each clip, or those of distillation; frozen
        parameters get no gradient.
        """
        params, weights = stop_frozen(params, self.config), self.config.loss
        generators = Generators(self.network, self.space, self.parts)
        if self.config.distill.teacher:
            paths = distilled_paths(generators, params, batch.speech, keys, config=self.config)
            given = {"schedule": self.config.model.diffusion, "settings": self.config.distill}
            return distillation_terms(paths, batch.speech.mask, **given)
        sync_loss = configured_sync_loss(self.config, self.space)
        terms = training_terms(generators, params, batch, keys, train=train, sync_loss=sync_loss)
        return {name: getattr(weights, name) * term for name, term in terms.items()}

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Return motion (b, t, m) for speech, zero on padding."""
        execution = configured_execution(self.config).unrolled
        network = Network(self.config.model, self._channels, execution)
        generators, options = Generators(network, self.space, self.parts), self.config.sample
        motion = sample_normalised(generators, params, speech, keys, first, options=options)
        motion = jnp.where(speech.mask[..., None], self.space.denormalise(motion), 0.0)
        return Sample(motion.astype(jnp.dtype(self.config.model.output_dtype)))
