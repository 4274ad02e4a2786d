"""The seam between a method and everything around it.

The training loop, the evaluation and the animator drive any `System`: three pure functions of a
configuration. A second method (FD2Talk, DisentTalk, KeyFace) is a new folder beside `ksdiff/` that
provides one.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from ksdiff_jax.config import Config
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree


class Speech(NamedTuple):
    """What a system hears and reads. Padding follows the valid part; masks are True where valid."""

    audio: Float[Array, "b s"]  # 16 kHz, s = 640 t, zeros where invalid
    prosody: Float[
        Array, "b f 2"
    ]  # log f0, log energy, normalised per utterance, zeros where invalid
    mask: Bool[Array, "b t"]  # valid motion frames
    tokens: Int[Array, "b l"]  # transcript.encode, 0 where invalid
    token_mask: Bool[Array, "b l"]
    # of the speech encoder; given, the system does not run it
    features: Float[Array, "b f d"] | None = None


class Batch(NamedTuple):
    """One training or test batch: speech and the motion that goes with it (raw coefficients,
    layout.py).
    """

    speech: Speech
    motion: Float[Array, "b t 59"]


class Statistics(NamedTuple):
    """Mean and standard deviation of every motion dimension over the training split."""

    mean: Float[Array, "59"]
    std: Float[Array, "59"]


class Sample(NamedTuple):
    """What a system generates for a batch of speech."""

    motion: Float[Array, "b t 59"]  # raw coefficients, layout.py
    keyframes_expression: Bool[Array, "b t"]
    keyframes_head: Bool[Array, "b t"]
    keyframe_score_expression: Float[Array, "b t"]  # probabilities
    keyframe_score_head: Float[Array, "b t"]


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
        key: Key[Array, ""],
        *,
        statistics: Statistics,
        train: bool,
        whole: Bool[Array, "n t"] | None = None,
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """The scalar to minimise and every term of it by name, in float32; random only through
        `key`.

        Where training accumulates gradients, `batch` is a micro-batch of one with the masks
        `whole`; the losses of the micro-batches must then add up to that of the whole (losses.py).
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
        """Motion for speech, from initial Gaussian noise (disk order, layout.py); `key` serves
        Bernoulli keyframes.
        """
