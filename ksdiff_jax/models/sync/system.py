"""The lip-sync model as a `System`. It is trained like any other system, and generates no
motion.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.config import Config
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.frozen import stop_frozen
from ksdiff_jax.models.sync.network import Network, mouth_numbers
from ksdiff_jax.models.sync.training import training_terms
from ksdiff_jax.models.system import Needs, Sample, Terms
from ksdiff_jax.motion.space import BUILTIN, SPACES, MotionSpace
from ksdiff_jax.speech.utterance import Speech, silent_speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree


@dataclass(frozen=True)
class Sync:
    """Predicts whether speech and mouth are synchronised, window by window; a
    `models.system.System`.
    """

    config: Config
    space: MotionSpace = BUILTIN

    @property
    def needs(self) -> Needs:
        """Return the requirements: motion of any space. If `model.mouth` names single numbers, they
        are those of the built-in head.
        """
        model, builtin_only = self.config.model, ()
        if model.mouth:
            builtin_only = (
                f"model.mouth names {len(model.mouth)} numbers of the built-in head; set "
                "--model.mouth '' (expression and jaw)",
            )
        kept = ("speech",) if model.encoder.kind == "pretrained" else ()
        return Needs(tuple(SPACES), builtin_only, kept)

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: Float[np.ndarray, "f d"] | None = None,
    ) -> Batch:
        """Return one row of a batch: speech and motion."""
        from ksdiff_jax.data.transforms import clip_row

        return clip_row(clip, frames, config=self.config, rng=rng, features=features)

    @property
    def network(self) -> Network:
        """Return the Linen module of the parameters."""
        model = self.config.model
        numbers = len(mouth_numbers(model, self.space))
        return Network(model, Execution(dtype=jnp.dtype(model.compute_dtype)), numbers)

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, a nested dict: encoder, and speech_norm, speech_windows,
        motion_windows or, in the form `linear`, suggested_mouth.
        """
        model = self.config.model
        mouth = jnp.zeros((1, model.window_frames, len(mouth_numbers(model, self.space))))
        return self.network.init(key, silent_speech(frames=model.window_frames), mouth)["params"]

    def loss(self, params: PyTree, batch: Batch, keys: Key[Array, "b"], *, train: bool) -> Terms:
        """Return the cross-entropy of true and of shifted pairs of each clip (training.py)."""
        params = stop_frozen(params, self.config)
        settings = {"config": self.config, "space": self.space}
        return training_terms(self.network, params, batch, keys, **settings)

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Raise `InputError`: a lip-sync model generates no motion."""
        raise InputError(
            f"{self.config.name or 'sync'}: a lip-sync model generates no motion; animate with "
            "another checkpoint, and measure that one with `ksdiff-jax evaluate --sync`"
        )
