"""Edits of a sampled motion: keyframes moved by hand, and frames or channels that are pinned.

    animator("speech.wav", keyframes=edited)                # a motion whose keyframes are edited
    animator("speech.wav", pins=Pins.between(take, 2.0, 3.5, parts=["head"]))

An edit changes its neighbourhood only. First the recording is sampled as it is; then the windows
that the edit reaches are sampled again with the same noise, the new keyframes and the pinned
values, and every frame that is not within `NEIGHBOURHOOD_FRAMES` of a changed keyframe or of a
pinned frame stays that of the first motion (diffusion/in_painting.py). Self-attention covers the
whole window, so without this an edited keyframe changes every frame a little.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ksdiff_jax.animate.joining import with_blinks
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.diffusion.in_painting import filled
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.system import Sample, System
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.speech.utterance import PREDICTED, Held, Utterance
from ksdiff_jax.typing import Array, Bool, Float, Int, Key

NEIGHBOURHOOD_FRAMES = MOTION_RATE_HZ - 1  # one second, without the frame at its end
TRACKS = ("expression", "head")
# the parts of a pin by the names of `Motion`, as parts of a motion space
PARTS = {"exp": "expression", "head": "rotation", "jaw": "jaw", "cam": "camera"}

Edited = MotionClip | Mapping[str, Sequence[float] | Bool[np.ndarray, "t"]]


@dataclass(frozen=True, eq=False)
class Pins:
    """Values of a motion that an animator keeps.

    `motion` is as long as the speech. `frames` marks the pinned frames (t,); None: all of them.
    `channels` are names of parts, `exp`, `jaw`, `head` (its rotation) and `cam`, or indices of
    `motion.coefficients`; None: all of them.
    """

    motion: MotionClip
    frames: Bool[np.ndarray, "t"] | None = None
    channels: Sequence[str | int] | None = None

    @classmethod
    def between(
        cls,
        motion: MotionClip,
        start_s: float | int,
        end_s: float | int,
        *,
        parts: Sequence[str | int] | None = None,
    ) -> "Pins":
        """Return the pins of the frames from `start_s` to `end_s`, in seconds; raise `InputError`
        for a span without a frame.
        """
        frames = (motion.timestamps >= start_s) & (motion.timestamps < end_s)
        if not frames.any():
            raise InputError(
                f"pins from {start_s:g} to {end_s:g} s: no frame of the motion, which lasts "
                f"{motion.duration_s:g} s; need a start before the end, within it"
            )
        return cls(motion, frames, parts)


class Edit(NamedTuple):
    """What is changed in a motion of t frames."""

    keyframes: Int[np.ndarray, "t 2"] | None  # expression and head: bits, or PREDICTED
    motion: Float[np.ndarray, "t m"]  # raw coefficients, of which those `pinned` are kept
    pinned: Bool[np.ndarray, "t m"]


def edited(
    utterance: Utterance,
    *,
    keyframes: Edited | None = None,
    pins: Pins | Sequence[Pins] = (),
    space: MotionSpace,
) -> Utterance:
    """Return an utterance whose motion is edited; raise `InputError` for keyframes or pins that do
    not fit it.

    `keyframes` are those of a motion, or of `expression` and `head` as bits (t,) or as times in
    seconds; they replace all keyframes of a track. The edit is relative to the motion of
    `utterance`.
    """
    pins = [pins] if isinstance(pins, Pins) else list(pins)
    bits = None if keyframes is None else _bits(keyframes, utterance)
    if bits is None and not pins:
        return utterance
    pinned = _pinned(pins, frames=utterance.frames, space=space)
    return utterance._replace(edit=Edit(bits, *pinned))


def check_edits(system: System) -> None:
    """Raise `InputError` if a system cannot hold a part of its motion."""
    if not getattr(system, "holds_motion", False):
        raise InputError(
            "pins, keyframes: this model cannot hold a part of its motion while it samples the "
            "rest; leave them out, or use a checkpoint of the system ksdiff"
        )
    if getattr(system.config.sample, "causal", False):
        raise InputError("pins, keyframes: the causal mode edits no motion; leave one of them out")


def sample_edited(
    sample_whole: Callable[..., list[Sample]],
    rows: Sequence[tuple[Utterance, Sample, Sample, Key[Array, ""]]],
    *,
    system: System,
) -> list[Sample]:
    """Return the samples of edited utterances. A row has an utterance, its sample without the edit,
    before and after blinks, and its key; `sample_whole` is `joining.sample_whole`.
    """
    changed = [edited_utterance(row[0], row[0].edit, row[1]) for row in rows]
    keys, known = [row[3] for row in rows], [row[1] for row in rows]
    found = []
    for utterance, sample, row in zip(
        changed, sample_whole(changed, keys, known=known), rows, strict=True
    ):
        blinking = with_blinks(sample, utterance, row[3], system=system)
        motion = with_kept(blinking.motion, row[2].motion, utterance)
        found.append(blinking._replace(motion=motion))
    return found


def edited_utterance(utterance: Utterance, edit: Edit, base: Sample) -> Utterance:
    """Return the utterance of an edit of `base`, which is the sample without it."""
    changed = edit.pinned.any(axis=1)
    names = [f"keyframes_{track}" for track in TRACKS]
    found = np.zeros((utterance.frames, len(TRACKS)), np.int32)
    if all(name in base.tracks for name in names):
        found = np.stack([base.tracks[name] for name in names], axis=1).astype(np.int32)
    keyframes = found
    if edit.keyframes is not None:
        keyframes = np.where(edit.keyframes == PREDICTED, found, edit.keyframes).astype(np.int32)
        changed = changed | (keyframes != found).any(axis=1)
    free = _near(changed, NEIGHBOURHOOD_FRAMES)
    held = Held(edit.motion.astype(np.float32), edit.pinned, free, found)
    return utterance._replace(keyframes=keyframes, held=held)


def with_kept(
    motion: Float[np.ndarray, "t m"], base: Float[np.ndarray, "t m"], edited: Utterance
) -> Float[np.ndarray, "t m"]:
    """Return an edited motion that has the pinned values, and those of `base` in the frames that
    stay, exactly, also where blinks were drawn since. The values between approach them.
    """
    held = edited.held
    wanted = np.where(held.pinned, held.motion, base).astype(np.float32)
    return filled(motion, wanted, held.pinned | ~held.free[:, None])


def _bits(keyframes: Edited, utterance: Utterance) -> Int[np.ndarray, "t 2"]:
    """Return the bits of edited keyframes, `PREDICTED` for a track that is not given."""
    if isinstance(keyframes, MotionClip):
        keyframes = {track: getattr(keyframes, f"keyframes_{track}") for track in TRACKS}
    if unknown := sorted(set(keyframes) - set(TRACKS)):
        raise InputError(f"keyframes of {', '.join(unknown)}: need {' or '.join(TRACKS)}")
    by_time = {}
    for track, values in keyframes.items():
        values = np.asarray(values)
        if values.dtype != bool:
            by_time[track] = values.tolist()
            continue
        if values.shape != (utterance.frames,):
            raise InputError(
                f"keyframes of the {track}: {values.shape[0] if values.ndim else 'one'} frames, "
                f"the speech has {utterance.frames}; need one bit for each, or times in seconds"
            )
        by_time[track] = (np.flatnonzero(values) / MOTION_RATE_HZ).tolist()
    return utterance.with_keyframes(**by_time).keyframes


def _pinned(
    pins: Sequence[Pins], *, frames: int, space: MotionSpace
) -> tuple[Float[np.ndarray, "t m"], Bool[np.ndarray, "t m"]]:
    """Return the values of pins, and where they are; raise `InputError` where two pins differ or
    one does not fit.
    """
    kept, motion = np.zeros((frames, space.width), bool), np.zeros((frames, space.width))
    for pin in pins:
        _check_motion(pin.motion, frames=frames, space=space)
        own = np.ones(frames, bool) if pin.frames is None else np.asarray(pin.frames, bool)
        if own.shape != (frames,):
            raise InputError(f"pins: frames of shape {own.shape}, need ({frames},), one each")
        mask = own[:, None] & channel_mask(pin.channels, space)
        values = pin.motion.coefficients
        wrong = mask & kept & (values != motion)
        if wrong.any():
            frame, channel = np.argwhere(wrong)[0]
            raise InputError(
                f"pins contradict each other: channel {channel} at {frame / MOTION_RATE_HZ:g} s is "
                f"pinned to {motion[frame, channel]:g} and to {values[frame, channel]:g}; leave "
                "one out"
            )
        motion, kept = np.where(mask, values, motion), kept | mask
    return motion, kept


def _check_motion(motion: MotionClip, *, frames: int, space: MotionSpace) -> None:
    if motion.space != space.name:
        raise InputError(
            f"pins: a motion of the {motion.space or 'unknown'} space, the model's is "
            f"{space.name}; give a motion of that space"
        )
    if motion.fps != MOTION_RATE_HZ:
        raise InputError(
            f"pins: a motion of {motion.fps:g} frames per second; need {MOTION_RATE_HZ}, as "
            f"motion.at_fps({MOTION_RATE_HZ}) returns it"
        )
    if len(motion) != frames:
        raise InputError(
            f"pins: a motion of {len(motion)} frames, {motion.duration_s:.2f} s; the speech has "
            f"{frames}, {frames / MOTION_RATE_HZ:.2f} s; give a motion of this speech"
        )


def channel_mask(channels: Sequence[str | int] | None, space: MotionSpace) -> Bool[np.ndarray, "m"]:
    """Return which numbers of a frame the channels are; raise `InputError` for an unknown one."""
    mask = np.zeros(space.width, bool)
    if channels is None:
        return ~mask
    places = {name: name for name, _ in space.parts}
    named = {name: places.get(part, space.parts[-1][0]) for name, part in PARTS.items()}
    for channel in channels:
        if isinstance(channel, str) and channel in named:
            mask[space.slice(named[channel])] = True
        elif not isinstance(channel, str) and 0 <= int(channel) < space.width:
            mask[int(channel)] = True
        else:
            raise InputError(
                f"pins: channel {channel!r}; need {', '.join(PARTS)} or an index from 0 to "
                f"{space.width - 1}"
            )
    return mask


def _near(marked: Bool[np.ndarray, "t"], distance: int) -> Bool[np.ndarray, "t"]:
    """Return the frames at most `distance` frames from a marked one."""
    total = np.concatenate([[0], np.cumsum(marked)])
    at = np.arange(len(marked))
    last = np.minimum(at + distance + 1, len(marked))
    return total[last] > total[np.maximum(at - distance, 0)]
