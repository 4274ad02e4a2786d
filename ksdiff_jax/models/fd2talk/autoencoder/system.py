"""FD2Talk's autoencoder as a `System`. It is trained like any other, and generates no motion.

    L_rec = mean |F₂ − D([E(F₁), E(F₂)])|²                                               (Eq. 13)
    L_per = mean |φ(F₂) − φ(D([E(F₁), E(F₂)]))|                                          (Eq. 14)
    L     = λ_rec L_rec + λ_per L_per                                                    (Eq. 15)

F₁ and F₂ are two frames of one video. φ are the features of VGG16 that LPIPS compares. A codebook
of the layout gets no gradient: paired latents are not quantised (R).
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.picture_rows import FramePair, frame_pair
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.fd2talk.autoencoder.config import Config
from ksdiff_jax.models.fd2talk.autoencoder.perceptual_loss import configured_perceptual_loss
from ksdiff_jax.models.system import Needs, Sample, Terms
from ksdiff_jax.motion.space import BUILTIN, SPACES, MotionSpace
from ksdiff_jax.pictures.autoencoder import Autoencoder
from ksdiff_jax.pictures.values import from_bytes
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import AnyArray, Array, Float, Int, Key, PyTree, UInt8


@dataclass(frozen=True)
class FD2TalkAutoencoder:
    """Latents of pictures, and pictures of two latents; a `models.system.System`."""

    config: Config
    space: MotionSpace = BUILTIN

    @property
    def needs(self) -> Needs:
        """Return the requirements: pictures, with motion of any space."""
        return Needs(spaces=tuple(SPACES), pictures=self.config.model.picture_side)

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: None = None,
    ) -> FramePair:
        """Return one row of a batch: two frames of the clip."""
        return frame_pair(clip, rng)

    @property
    def network(self) -> Autoencoder:
        """Return the Linen module of the parameters."""
        model, train = self.config.model, self.config.train
        dtype = jnp.dtype(model.compute_dtype)
        execution = Execution(dtype, model.attention, train.remat)
        return Autoencoder(model.autoencoder, paired=True, execution=execution)

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, a nested dict: encoder, decoder, quant_conv, post_quant_conv and,
        of kind vq, codebook.
        """
        side = self.config.model.autoencoder.factor
        return self.network.init(key, jnp.zeros((1, side, side, 3)))["params"]

    def loss(
        self, params: PyTree, batch: FramePair, keys: Key[Array, "b"], *, train: bool
    ) -> Terms:
        """Return the weighted terms of each row; they have no random numbers."""
        weights, variables = self.config.loss, {"params": params}
        target = from_bytes(batch.target)
        both = jnp.concatenate([from_bytes(batch.reference), target])
        reference, latents = jnp.split(
            self.network.apply(variables, both, method=Autoencoder.encode), 2
        )
        decoded = self.network.apply(variables, latents, reference, method=Autoencoder.decode)
        axes = (1, 2, 3)
        error = jnp.mean((decoded - target) ** 2, axis=axes)
        terms = {"reconstruction": weights.reconstruction * error}
        if (compared := configured_perceptual_loss(self.config)) is not None:
            terms["perceptual"] = weights.perceptual * compared(decoded, target)
        if weights.scale:
            spread = jnp.mean(latents, axis=axes) ** 2 + (jnp.std(latents, axis=axes) - 1) ** 2
            terms["scale"] = weights.scale * spread
        return terms

    def latents(
        self, params: PyTree, pictures: UInt8[AnyArray, "b y x 3"]
    ) -> Float[Array, "b h w d"]:
        """Return E of pictures."""
        values = from_bytes(pictures)
        return self.network.apply({"params": params}, values, method=Autoencoder.encode)

    def pictures(
        self,
        params: PyTree,
        latents: Float[Array, "b h w d"],
        reference: Float[Array, "b h w d"],
    ) -> Float[Array, "b y x 3"]:
        """Return D of latents and of the reference's latents, clipped to [-1, 1]."""
        arrays = (latents, reference)
        decoded = self.network.apply({"params": params}, *arrays, method=Autoencoder.decode)
        return jnp.clip(decoded, -1, 1)

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Raise `InputError`: an autoencoder generates no motion."""
        raise InputError(
            f"{self.config.name or 'autoencoder'}: an autoencoder of pictures generates no motion; "
            "name its run in --model.autoencoder_path of a frames stage"
        )
