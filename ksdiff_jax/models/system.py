"""The seam between a method and everything around it.

The training loop, the evaluation and the animator drive any `System`: three pure functions of a
configuration. A second method (FD2Talk, DisentTalk, KeyFace) is a new folder beside `ksdiff/` that
provides one.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from ksdiff_jax.config import Config
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree, Shaped


class Batch(NamedTuple):
    """One batch: speech and the motion that goes with it (raw coefficients,
    motion/space.py).
    """

    speech: Speech
    motion: Float[Array, "b t 59"]


# The parameter `statistics` of a system is the space of its motion, with mean and deviation.
Statistics = MotionSpace


class Sample(NamedTuple):
    """What a system generates for a batch of speech.

    `tracks` hold what else it generates for each frame, by name. KSDiff's are the keyframes of both
    paths and their probabilities: `keyframes_expression`, `keyframes_head`,
    `keyframe_score_expression`, `keyframe_score_head`.
    """

    motion: Float[Array, "b t 59"]  # raw coefficients, motion/space.py
    tracks: Mapping[str, Shaped[Array, "b t"]] = {}


Terms = dict[str, Float[Array, "b"]]  # a loss in its weighted parts, of each clip


@runtime_checkable
class System(Protocol):
    """A speech-driven motion generator as pure functions.

    A system is a frozen dataclass of its configuration, so it can be static under `jax.jit`, and a
    system with other options is `dataclasses.replace(system, config=...)`. Parameters are a plain
    nested dict of arrays.
    """

    config: Config

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Fresh parameters."""

    def loss(
        self,
        params: PyTree,
        batch: Batch,
        keys: Key[Array, "b"],
        *,
        statistics: Statistics,
        train: bool,
    ) -> Terms:
        """Every weighted term of each clip by name, in float32; their sum is what is minimised.

        A term is a mean over the clip's own valid frames. All that is random of a clip follows from
        its key, so that it has the same loss in any batch; dropout (`train`) may use one key for
        the batch.
        """

    def sample(
        self,
        params: PyTree,
        speech: Speech,
        keys: Key[Array, "b"],
        first: Int[Array, "b"],
        *,
        statistics: Statistics,
    ) -> Sample:
        """Motion for speech, with the options of `config.sample`.

        Whatever is random about a frame is fixed by the clip's key and the index of the frame,
        `first + i` (`rng.frame_noise`): other clips, padding and windows do not change it.
        """
