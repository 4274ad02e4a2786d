"""The seam between a method and everything around it.

The training loop, the evaluation and the animator drive any `System`: pure functions of a
configuration and of the motion space of its data. A system is a folder beside `ksdiff/` that
provides one.

    needs     what a data set must hold
    example   clip -> row, NumPy; rows are stacked to a batch
    init      key -> params
    loss      params, batch, keys -> weighted terms of each clip
    sample    params, speech, keys, first -> motion
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ksdiff_jax.config import Config
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import BUILTIN, MotionSpace
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree, Shaped


class Needs(NamedTuple):
    """What a data set must hold for a system in its configuration."""

    spaces: tuple[str, ...]  # motion spaces that it can train on
    # settings that hold on the built-in head only, each with what to do on other data
    builtin_only: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # frozen encoders whose output may be kept per clip: "speech"
    # what to do where the data are of another space
    advice: str = "prepare the videos themselves, or coefficients of such a face"

    def check(self, space: str, *, what: str) -> None:
        """Raise `InputError` where data of the motion space `space` do not serve; `what` names
        them.
        """
        begin = f"{what}: its coefficients are of the {space} space"
        if space not in self.spaces:
            raise InputError(
                f"{begin}, this system trains on {' and '.join(self.spaces)}; {self.advice}"
            )
        if space != BUILTIN.name and self.builtin_only:
            raise InputError(f"{begin}, {self.builtin_only[0]}")


class Sample(NamedTuple):
    """What a system generates for a batch of speech.

    `tracks` hold what else it generates for each frame, by name. KSDiff's are the keyframes of both
    paths and their probabilities: `keyframes_expression`, `keyframes_head`,
    `keyframe_score_expression`, `keyframe_score_head`.
    """

    motion: Float[Array, "b t m"]  # raw coefficients, motion/space.py
    tracks: Mapping[str, Shaped[Array, "b t"]] = {}


Terms = dict[str, Float[Array, "b"]]  # a loss in its weighted parts, of each clip


@runtime_checkable
class System(Protocol):
    """A speech-driven motion generator as pure functions.

    A system is a frozen dataclass of its configuration and its motion space, so it can be static
    under `jax.jit`, and a system with other options is `dataclasses.replace(system, config=...)`.
    Parameters are a plain nested dict of arrays.
    """

    config: Config
    space: MotionSpace  # of its motion, with the mean and deviation of the training split

    @property
    def needs(self) -> Needs:
        """What its data must hold."""

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: Float[np.ndarray, "f d"] | None = None,
    ) -> PyTree:
        """One row of a batch of this system, NumPy: a random cut of `frames` motion frames for
        training; without `rng` the clip from its start, unchanged, and zeros after its end.

        `features` are the kept speech features of the whole clip.
        """

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Fresh parameters."""

    def loss(self, params: PyTree, batch: PyTree, keys: Key[Array, "b"], *, train: bool) -> Terms:
        """Every weighted term of each clip by name, in float32; their sum is what is minimised.

        A term is a mean over the clip's own valid frames. All that is random of a clip follows from
        its key, so that it has the same loss in any batch; dropout (`train`) may use one key for
        the batch.
        """

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Motion for speech, with the options of `config.sample`.

        Whatever is random about a frame is fixed by the clip's key and the index of the frame,
        `first + i` (`rng.frame_noise`): other clips, padding and windows do not change it.
        """
