"""FD2Talk's frames stage as a `System`: it paints a motion with the looks of a picture.

It generates no motion. `paint` is what `ksdiff-jax animate --portrait` calls.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.latents import KeptLatents
from ksdiff_jax.data.picture_rows import FramePair, frame_pair
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.fd2talk.frames.config import Config
from ksdiff_jax.models.fd2talk.frames.first_stage import HELD, FirstStage, first_stage_of
from ksdiff_jax.models.fd2talk.frames.network import Network
from ksdiff_jax.models.fd2talk.frames.sampling import decode_frames, sample_latents
from ksdiff_jax.models.fd2talk.frames.training import latent_terms
from ksdiff_jax.models.system import Needs, Paint, Sample, Terms
from ksdiff_jax.motion.space import BUILTIN, SPACES, MotionSpace
from ksdiff_jax.pictures.autoencoder import latent_shape
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import AnyArray, Array, Float, Int, Key, PyTree, UInt8

MOST_DEVIATIONS = 8.0
LEAST_DEVIATION = 0.01  # of an expression coefficient, in the units of its space


@dataclass(frozen=True)
class FD2TalkFrames:
    """Pictures of a person from motion; a `models.system.System`."""

    config: Config
    space: MotionSpace = BUILTIN

    @property
    def needs(self) -> Needs:
        """Return the requirements: pictures, whose latents are kept, with motion of any space."""
        side = self.config.model.picture_side
        return Needs(spaces=tuple(SPACES), kept=("latents",), pictures=side)

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: KeptLatents | None = None,
    ) -> FramePair:
        """Return one row of a batch: the latents of two frames of the clip, and their motion."""
        return frame_pair(clip, rng, latents=features, with_pictures=False)

    @property
    def network(self) -> Network:
        """Return the Linen module of the parameters."""
        model, train = self.config.model, self.config.train
        dtype = jnp.dtype(model.compute_dtype)
        execution = Execution(dtype, model.attention, train.remat)
        return Network(model, self.space.width, execution)

    def shown_motion(self, motion: Float[AnyArray, "*b m"]) -> Float[AnyArray, "*b m"]:
        """Return raw motion as the network is shown it: normalised, within 8 deviations. Expression
        that hardly moves in the training data, which shows nothing of it, is at its mean.

        A motion of another system may move such a coefficient by hundreds of deviations.
        """
        shown = self.space.normalise(motion).clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        if not self.space.std:
            return shown
        seen = np.ones(self.space.width, np.float32)
        expression = self.space.slice("expression")
        seen[expression] = np.array(self.space.std, np.float32)[expression] >= LEAST_DEVIATION
        return shown * seen

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, a nested dict: unet and null_motion."""
        model = self.config.model
        latents = jnp.zeros((1, *latent_shape(model.autoencoder, model.picture_side)))
        return self.network.init(key, latents, jnp.zeros((1, self.space.width)))["params"]

    def loss(
        self, params: PyTree, batch: FramePair, keys: Key[Array, "b"], *, train: bool
    ) -> Terms:
        """Return the weighted term of each row (training.py)."""
        scale = self.config.model.latent_scale
        pair = (batch.reference_latent, batch.target_latent)
        latents = tuple(scale * jnp.asarray(latent, jnp.float32) for latent in pair)
        motion = jnp.asarray(self.shown_motion(batch.motion))
        terms = latent_terms(self.network, params, latents, motion, keys, train=train)
        return {name: getattr(self.config.loss, name) * term for name, term in terms.items()}

    def paint(
        self,
        params: PyTree,
        first_stage: FirstStage,
        pictures: UInt8[Array, "b y x 3"],
        motion: Float[Array, "b t m"],
        noise_of: tuple[Key[Array, "b"], Int[Array, "b"]],
    ) -> Float[Array, "b t y x 3"]:
        """Return pictures in [-1, 1] of raw `motion` with the looks of the reference `pictures`,
        with the options of `config.sample`; `noise_of` is the key of each clip and the index of its
        first frame, which determine the random numbers.
        """
        train = replace(self.config.train, remat="none")
        network = replace(self, config=replace(self.config, train=train)).network
        scale = self.config.model.latent_scale
        reference = scale * first_stage.system.latents(first_stage.params, pictures)
        arguments = (jnp.asarray(self.shown_motion(motion)), reference, noise_of)
        latents = sample_latents(network, params, *arguments, options=self.config.sample)

        def decode(frames: Array, reference: Array) -> Array:
            arrays = (frames / scale, reference / scale)
            return first_stage.system.pictures(first_stage.params, *arrays)

        return decode_frames(decode, latents, reference)

    @property
    def picture_side(self) -> int:
        """Return the side of its pictures in pixels."""
        return self.config.model.picture_side

    def painter(self, params: PyTree) -> Paint:
        """Return `paint` compiled, with the autoencoder that `params` hold or the configuration
        names.
        """
        first_stage = first_stage_of(self.config, params)

        @jax.jit
        def run(params: PyTree, weights: PyTree, pictures, motion, noise_of) -> Array:
            stage = first_stage._replace(params=weights)
            return self.paint(params, stage, pictures, motion, noise_of)

        own = {name: tree for name, tree in params.items() if name != HELD}

        def paint(pictures, motion, keys, first) -> Array:
            return run(own, first_stage.params, pictures, motion, (keys, first))

        return paint

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Raise `InputError`: a frames stage generates no motion."""
        raise InputError(
            f"{self.config.name or 'frames'}: a frames stage paints motion and generates none; "
            "name it as the checkpoint of `animate --portrait`, with --motion"
        )


def painted(
    system: FD2TalkFrames,
    params: PyTree,
    first_stage: FirstStage,
    picture: UInt8[np.ndarray, "y x 3"],
    motion: Float[np.ndarray, "t m"],
    *,
    seed: int = 0,
) -> Float[np.ndarray, "t y x 3"]:
    """Return `system.paint` of one clip, compiled."""
    keys = jax.random.split(jax.random.key(seed), 1)
    first = jnp.zeros(1, jnp.int32)
    arrays = (jnp.asarray(picture)[None], jnp.asarray(motion, jnp.float32)[None], (keys, first))

    def paint(params: PyTree, weights: PyTree, *arrays) -> Array:
        return system.paint(params, first_stage._replace(params=weights), *arrays)

    return np.asarray(jax.jit(paint)(params, first_stage.params, *arrays))[0]
