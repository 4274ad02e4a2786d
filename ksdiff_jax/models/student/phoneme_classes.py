"""The class of the phoneme in each frame of 20 ms: the classes of articulation of
`data/corpus/phonemes.py`, and the pause.
"""

import numpy as np

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME, SPEECH_RATE_HZ
from ksdiff_jax.data.corpus.phonemes import TARGETS, segments
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.typing import Int

UNKNOWN = -1  # of every frame of a clip without phonemes


def _numbered() -> dict[str, int]:
    """Return the number of the class of each IPA letter; letters of a class share their targets."""
    first: dict[int, int] = {}
    return {
        symbol: first.setdefault(id(targets), len(first)) for symbol, targets in TARGETS.items()
    }


CLASS_OF = _numbered()
CLASSES = len(set(CLASS_OF.values()))


def phoneme_classes(clip: Clip) -> Int[np.ndarray, "f"]:
    """Return the class at the middle of each frame; a pause where no phoneme is."""
    frames = SPEECH_FRAMES_PER_MOTION_FRAME * clip.frames
    if not clip.phonemes:
        return np.full(frames, UNKNOWN, np.int32)
    classes = np.full(frames, CLASS_OF[""], np.int32)
    for phoneme in clip.phonemes:
        for part in segments(*phoneme):
            first, last = (round(time_s * SPEECH_RATE_HZ) for time_s in (part.start_s, part.end_s))
            classes[max(0, first) : max(0, last)] = CLASS_OF[part.symbol]
    return classes
