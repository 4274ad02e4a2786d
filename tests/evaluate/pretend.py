"""Stand-ins for the tests of the evaluation: clips with known motion, and systems that need no
training.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.schema import Clip, Timed
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.system import Needs, Sample
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS, MotionSpace
from ksdiff_jax.rng import frame_noise

STILL = BUILTIN.with_statistics(np.zeros(BUILTIN.width), np.ones(BUILTIN.width))
OPEN_RAD = 0.2


def talking_clip(number: int, *, frames: int = 60) -> Clip:
    """A mouth that opens and closes with the loudness of its sound, a /p/ wherever it is shut, a
    swaying head.

    Loudness is constant over a motion frame, so that a system can read it off exactly.
    """
    random = np.random.default_rng(number)
    loud = np.clip(
        np.sin(2 * np.pi * np.arange(frames) / (14 + number) + random.uniform(0, 6)), 0.0, 1.0
    )
    audio = np.repeat(loud, SAMPLES_PER_MOTION_FRAME) * np.where(
        np.arange(SAMPLES_PER_MOTION_FRAME * frames) % 2, 0.5, -0.5
    )
    jaw = np.zeros((frames, 3), np.float32)
    jaw[:, 0] = OPEN_RAD * loud
    rotation = np.zeros((frames, 3), np.float32)
    rotation[:, 1] = 0.1 * np.sin(2 * np.pi * np.arange(frames) / 25)
    shut = np.flatnonzero((loud == 0) & (np.roll(loud, -1) == 0))
    return Clip(
        clip_id=f"pretend-{number}",
        space="builtin",
        audio=(audio * 32767).astype(np.int16),
        expression=np.zeros((frames, 50), np.float32),
        rotation=rotation,
        jaw=jaw,
        camera=np.zeros((frames, 3), np.float32),
        phonemes=tuple(Timed("p", float(f / 25), float(f / 25 + 0.01)) for f in shut[:3]),
        prosody=np.zeros((2 * frames, 2), np.float32),
    )


@dataclasses.dataclass(frozen=True)
class LoudnessSystem:
    """Opens the jaw by the loudness of each frame (all of the truth of `talking_clip`); its head is
    pure noise, and it has no keyframes.
    """

    config: Config = dataclasses.field(default_factory=Config)
    space: MotionSpace = STILL
    needs = Needs(("builtin",))
    gain: float = 1.0

    def example(self, clip, frames, *, rng=None, features=None):
        raise NotImplementedError

    def init(self, key):
        return {"offset": jnp.zeros(())}

    def loss(self, params, batch, key, *, train):
        return params["offset"], {}

    def sample(self, params, speech, keys, first) -> Sample:
        noise = frame_noise(keys, first, speech.mask.shape[1], (MOTION_DIMS,))
        loud = (
            jnp.abs(speech.audio).reshape(*speech.mask.shape, SAMPLES_PER_MOTION_FRAME).max(axis=-1)
            * 2
        )
        motion = (
            jnp.zeros_like(noise).at[..., 53].set(self.gain * OPEN_RAD * loud + params["offset"])
        )
        return Sample(motion.at[..., 50:53].set(0.05 * noise[..., 50:53]))


def loudness_engine(*, offset: float = 0.0) -> Engine:
    """An engine of a `LoudnessSystem`; with an offset its mouth hangs open."""
    return Engine(LoudnessSystem(), {"offset": np.float32(offset)})
