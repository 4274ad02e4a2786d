"""The seam between a method and everything around it.

The training loop, the evaluation and the animator drive any `System`: three pure functions of a
configuration. A second method (FD2Talk, DisentTalk, KeyFace) is a new folder beside `ksdiff/` that
provides one.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from ksdiff_jax.config import Config, SampleConfig
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree


class Speech(NamedTuple):
    """What a system hears and reads. Padding follows the valid part; masks are True where valid."""

    audio: Float[Array, "b s"]  # 16 kHz, s = 640 t, zeros where invalid
    # log f0, log energy, normalised per utterance, zeros where invalid
    prosody: Float[Array, "b f 2"]
    mask: Bool[Array, "b t"]  # valid motion frames
    tokens: Int[Array, "b l"]  # transcript.encode, 0 where invalid
    token_mask: Bool[Array, "b l"]
    # of the speech encoder; given, the system does not run it
    features: Float[Array, "b f d"] | None = None


class Batch(NamedTuple):
    """One batch: speech and the motion that goes with it (raw coefficients,
    motion/space.py).
    """

    speech: Speech
    motion: Float[Array, "b t 59"]


# The parameter `statistics` of a system is the space of its motion, with mean and deviation.
Statistics = MotionSpace


class Sample(NamedTuple):
    """What a system generates for a batch of speech."""

    motion: Float[Array, "b t 59"]  # raw coefficients, motion/space.py
    keyframes_expression: Bool[Array, "b t"]
    keyframes_head: Bool[Array, "b t"]
    keyframe_score_expression: Float[Array, "b t"]  # probabilities
    keyframe_score_head: Float[Array, "b t"]


Terms = dict[str, Float[Array, "b"]]  # a loss in its weighted parts, of each clip


@runtime_checkable
class System(Protocol):
    """A speech-driven motion generator as pure functions.

    Parameters are a plain nested dict of arrays.
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
        noise: Float[Array, "b t 59"],
        key: Key[Array, ""],
        *,
        statistics: Statistics,
        options: SampleConfig,
    ) -> Sample:
        """Motion for speech, from initial Gaussian noise (order of motion/space.py); `key` serves
        Bernoulli keyframes.
        """
