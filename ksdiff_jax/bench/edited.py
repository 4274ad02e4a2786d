"""How far an edit reaches: one keyframe moved, and a span of frames pinned, with the same noise.

| name | definition |
|---|---|
| outside_percent | largest change of a coefficient more than a second from the edit, in percent |
|                 | of that coefficient's standard deviation in the clip; the larger of both edits |
| keyframe_percent, pins_percent | the rms change within that second, in the same unit |
| pinned_exact | whether the pinned values came back bit for bit |
"""

import argparse

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.bench.voice import made_up_voice
from ksdiff_jax.typing import Bool, Float

CLIP_S = 12.0
KEYFRAME_S, PINS_S = 6.0, (5.0, 7.0)


def measure(args: argparse.Namespace) -> dict:
    """Return the changes of both edits; `args` has `checkpoint` and `steps`."""
    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.animate.editing import Pins
    from ksdiff_jax.models.pretrained import DEFAULT_NAME

    animator = Animator.from_pretrained(args.checkpoint or DEFAULT_NAME)
    speech = animator.read(made_up_voice(CLIP_S), sample_rate_hz=SAMPLE_RATE_HZ)
    base, take = (animator.animate([speech], seed=seed, steps=args.steps)[0] for seed in (0, 1))
    bits, pins = base.keyframes_head.copy(), Pins.between(take, *PINS_S)
    frame = round(KEYFRAME_S * MOTION_RATE_HZ)
    bits[frame] = ~bits[frame]
    moved, pinned = (
        animator.animate([animator.edited(speech, **edit)], steps=args.steps)[0].coefficients
        for edit in ({"keyframes": {"head": bits}}, {"pins": pins})
    )
    at_keyframe = np.arange(len(base)) == frame
    by_keyframe = changes(base.coefficients, moved, at_keyframe)
    by_pins = changes(base.coefficients, pinned, pins.frames)
    exact = np.array_equal(pinned[pins.frames], take.coefficients[pins.frames])
    return {
        "outside_percent": max(by_keyframe["outside"], by_pins["outside"]),
        "keyframe_percent": by_keyframe["inside"],
        "pins_percent": by_pins["inside"],
        "pinned_exact": exact,
    }


def changes(
    base: Float[np.ndarray, "t m"], edited: Float[np.ndarray, "t m"], at: Bool[np.ndarray, "t"]
) -> dict[str, float]:
    """Return the largest change further than a second from the frames `at`, and the rms change
    elsewhere, in percent of the standard deviations of `base`.
    """
    distance = np.abs(np.arange(len(base))[:, None] - np.flatnonzero(at)).min(axis=1)
    difference = np.abs(edited - base)
    scale = base.std(axis=0)
    with np.errstate(divide="ignore"):  # a coefficient that never moved
        share = np.divide(difference, scale, out=np.zeros_like(difference), where=difference > 0)
    outside = distance > MOTION_RATE_HZ
    rms = np.sqrt(np.mean(np.square(share[~outside])))
    return {
        "outside": round(100 * float(share[outside].max(initial=0)), 4),
        "inside": round(100 * float(rms), 2),
    }
