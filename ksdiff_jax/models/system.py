"""The interface between a method and the code around it.

The training loop, the evaluation and the animator drive any `System`: pure functions of a
configuration and of the motion space of its data. A system is a folder beside `ksdiff/` that
provides one.

    needs     requirements on a data set
    example   clip -> row, NumPy; rows are stacked to a batch
    init      key -> params
    loss      params, batch, keys -> weighted terms of each clip
    sample    params, speech, keys, first -> motion
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ksdiff_jax.config import Config
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import BUILTIN, MotionSpace
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import AnyArray, Array, Float, Int, Key, PyTree, Shaped


class Needs(NamedTuple):
    """The requirements of a system, in its configuration, on a data set."""

    spaces: tuple[str, ...]  # motion spaces that the system can train on
    # settings that are valid on the built-in head only, each with the remedy for other data
    builtin_only: tuple[str, ...] = ()
    # encoders whose output may be kept per clip: "speech", a frozen one of its own; "teacher",
    # whose features of the clean sound are its targets; "latents", a frozen one of pictures
    kept: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()  # sources, or speakers as source/speaker, that must be in the data
    # patterns of parameters whose rows are the unknown style and then `styles`
    per_style: tuple[str, ...] = ()
    # remedy for data of another space
    advice: str = "prepare the videos themselves, or coefficients of such a face"
    pictures: int = 0  # side in pixels of the crops of the face in the data; 0: none

    def check(self, space: str, *, what: str) -> None:
        """Raise `InputError` if data of the motion space `space` cannot be used; `what` names the
        data in the message.

        Data of a space outside `spaces` are refused. Data of another space than the built-in head
        are also refused if a setting of `builtin_only` is in use.
        """
        begin = f"{what}: its coefficients are of the {space} space"
        if space not in self.spaces:
            raise InputError(
                f"{begin}, this system trains on {' and '.join(self.spaces)}; {self.advice}"
            )
        if space != BUILTIN.name and self.builtin_only:
            raise InputError(f"{begin}, {self.builtin_only[0]}")


class Sample(NamedTuple):
    """The output of a system for a batch of speech.

    `tracks` contains the other outputs for each frame, by name. Those of KSDiff are the keyframes
    of both paths and their probabilities: `keyframes_expression`, `keyframes_head`,
    `keyframe_score_expression`, `keyframe_score_head`.
    """

    motion: Float[Array, "b t m"]  # raw coefficients, motion/space.py
    tracks: Mapping[str, Shaped[Array, "b t"]] = {}


# Reference pictures (b y x 3) in bytes, raw motion (b t m), keys (b) and the index of the first
# frame (b) -> pictures (b t y x 3) in [-1, 1].
Paint = Callable[[AnyArray, AnyArray, Array, Array], Array]


@runtime_checkable
class PaintingSystem(Protocol):
    """A system that paints a person from one picture and a motion, such as FD2Talk's second stage.

    It is a frozen dataclass as a `System` is; speech is no input of its painting.
    """

    space: MotionSpace  # of the motion that it reads

    @property
    def picture_side(self) -> int:
        """Return the side in pixels of its aligned crops (data/tracking/crops.py)."""

    def painter(self, params: PyTree) -> Paint:
        """Return the compiled function that paints, with all that it needs beside `params` loaded.

        Raises `InputError` if that is missing. The random numbers of a frame depend only on the key
        of the clip and on `first + i`.
        """


Terms = dict[str, Float[Array, "b"]]  # the weighted terms of a loss, per clip


@runtime_checkable
class System(Protocol):
    """A speech-driven motion generator as pure functions.

    A system is a frozen dataclass of its configuration and its motion space, so it can be a static
    argument of `jax.jit`. `dataclasses.replace(system, config=...)` returns a system with other
    options. Parameters are a plain nested dict of arrays.
    """

    config: Config
    space: MotionSpace  # of the motion, with mean and std of the training split

    @property
    def needs(self) -> Needs:
        """Return the requirements on the data set."""

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: Float[np.ndarray, "f d"] | None = None,
    ) -> PyTree:
        """Return one row of a batch of this system, as NumPy arrays of `frames` motion frames.

        With `rng` the row is a random cut of the clip, for training. Without it the row is the clip
        from its start, unchanged, with zeros after its end. `features` are the cached speech
        features (f, d) of the whole clip.
        """

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, drawn from `key`."""

    def loss(self, params: PyTree, batch: PyTree, keys: Key[Array, "b"], *, train: bool) -> Terms:
        """Return every weighted term of each clip by name, (b,) in float32; training minimises
        their sum.

        A term is a mean over the valid frames of its clip. All random numbers of a clip are derived
        from its key, so a clip has the same loss in any batch. Dropout (`train=True`) is the
        exception: it may use one key for the batch.
        """

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"], first: Int[Array, "b"]
    ) -> Sample:
        """Return motion (b, t, m) for speech, with the options of `config.sample`.

        The random numbers of a frame depend only on the key of the clip and on the index of the
        frame, `first + i` (`rng.frame_noise`). Other clips, padding and windows do not change them.
        KSDiff takes the numbers themselves too (`rng.Given`).
        """
