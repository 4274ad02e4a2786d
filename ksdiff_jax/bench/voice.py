"""A synthetic voice, so that every machine is measured on the same sound."""

import numpy as np

from ksdiff_jax.typing import Float


def made_up_voice(seconds: float) -> Float[np.ndarray, "s"]:
    """Return a buzz of gliding pitch and syllable-like loudness, which gives every stage its usual
    amount of work.
    """
    time_s = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 0.4 * time_s)) / 16_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20))
    loudness = np.clip(np.sin(2 * np.pi * 2.3 * time_s) + 0.3, 0, 1)
    return (0.15 * buzz * loudness).astype(np.float32)
