"""DisentTalk as a `System`: pure functions of a configuration and a motion space."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import configured_execution
from ksdiff_jax.models.disenttalk.config import Config
from ksdiff_jax.models.disenttalk.latent import Regions
from ksdiff_jax.models.disenttalk.network import Network
from ksdiff_jax.models.disenttalk.regions import region_numbers
from ksdiff_jax.models.disenttalk.sampling import distilled_paths, sample_normalised
from ksdiff_jax.models.disenttalk.training import training_terms
from ksdiff_jax.models.distillation import distillation_terms
from ksdiff_jax.models.frozen import stop_frozen
from ksdiff_jax.models.sync.configured_loss import configured_sync_loss
from ksdiff_jax.models.system import Needs, Sample, Terms
from ksdiff_jax.motion.space import SPACES, MotionSpace
from ksdiff_jax.speech.utterance import Speech, silent_speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree


@dataclass(frozen=True)
class DisentTalk:
    """Semantic disentangled diffusion of expression parameters; a `models.system.System`."""

    config: Config
    space: MotionSpace | None = None  # None: that of `model.regions`, without statistics

    def __post_init__(self) -> None:
        named = self.config.model.regions.space
        if self.space is None:
            object.__setattr__(self, "space", SPACES[named])
        if self.space.name != named:
            raise InputError(
                f"model.regions.space {named}: the regions are numbers of the {named} space, the "
                f"motion is of the {self.space.name} space; measure its regions with `ksdiff-jax "
                "regions SHARDS`"
            )
        region_numbers(self.config.model.regions, self.space)

    @property
    def needs(self) -> Needs:
        """Return the requirements: motion of the space that `model.regions` refers to."""
        model = self.config.model
        kept = ("speech",) if model.encoder.kind == "pretrained" else ()
        return Needs(
            spaces=(model.regions.space,),
            kept=kept,
            advice="measure their regions with `ksdiff-jax regions SHARDS` and give what it prints",
        )

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
    def network(self) -> Network:
        """Return the Linen module of the parameters."""
        return Network(self.config.model, self.regions, configured_execution(self.config))

    @property
    def regions(self) -> Regions:
        """Return the indices into E of every region, in the order of Eq. 4."""
        return region_numbers(self.config.model.regions, self.space)

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, a nested dict: encoder, speech, norm_speech, latent (if it has
        parameters) and denoiser.
        """
        return self.network.init(key, silent_speech())["params"]

    def loss(self, params: PyTree, batch: Batch, keys: Key[Array, "b"], *, train: bool) -> Terms:
        """Return every weighted term of each clip, or those of distillation; frozen parameters get
        no gradient.
        """
        params = stop_frozen(params, self.config)
        if self.config.distill.teacher:
            given = (self.network, params, batch.speech, keys)
            paths = distilled_paths(*given, config=self.config)
            given = {"schedule": self.config.model.diffusion, "settings": self.config.distill}
            return distillation_terms(paths, batch.speech.mask, **given)
        return training_terms(
            self.network,
            params,
            batch,
            keys,
            config=self.config,
            space=self.space,
            train=train,
            sync_loss=configured_sync_loss(self.config, self.space),
        )

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Return expression and jaw for speech, with the head at rest."""
        execution = configured_execution(self.config).unrolled
        network = Network(self.config.model, self.regions, execution)
        options = {"space": self.space, "options": self.config.sample}
        motion = sample_normalised(network, params, speech, keys, first, **options)
        motion = jnp.where(speech.mask[..., None], self.space.denormalise(motion), 0.0)
        return Sample(motion.astype(jnp.dtype(self.config.model.output_dtype)))
