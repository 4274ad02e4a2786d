"""A take with known weights, so that the tests of writers need no solver."""

import dataclasses

import numpy as np

from ksdiff_jax.export.take import Take
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BUILTIN


def known_take(*, seconds: float = 2.0, fps: float = 30.0, space: str = "builtin", **more) -> Take:
    """A motion of 25 frames a second that turns and opens its jaw, and random weights."""
    frames = round(seconds * 25)
    times = np.arange(frames) / 25
    numbers = np.zeros((frames, BUILTIN.width))
    numbers[:, BUILTIN.slice("expression")] = np.sin(times)[:, None] * np.linspace(-1, 1, 50)
    numbers[:, BUILTIN.slice("rotation")] = np.outer(np.sin(times), [0.2, 0.3, 0.1])
    numbers[:, BUILTIN.slice("jaw")] = np.outer(np.abs(np.sin(3 * times)), [0.2, 0, 0])
    clip = MotionClip.from_coefficients(numbers, fps=25.0, space=space)
    eyes = np.outer(np.sin(2 * times), [0.1, 0.2, 0, 0.1, 0.15, 0])
    take = Take(dataclasses.replace(clip, eyes_pose=eyes), fps, "talk", **more)
    random = np.random.default_rng(0)
    vars(take)["arkit"] = random.random((len(take), 52)).astype(np.float32)
    visemes = random.random((len(take), 15))
    vars(take)["visemes"] = visemes / visemes.sum(axis=1, keepdims=True)
    return take
