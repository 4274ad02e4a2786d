"""A motion at the frame rate of a file, in the terms that rigs use.

| quantity | resampled | from |
|---|---|---|
| weights of ARKit's 52 shapes | linearly, which keeps them in 0..1 | `face.arkit.arkit_weights` |
| expression | linearly | the motion |
| head, neck, jaw, eyes | by slerp (`motion.resample`) | the motion |
| 15 visemes | linearly | phonemes if they are known, otherwise the weights |

Frame k is at k / fps seconds, computed from k, so that times do not drift. The number of frames is
the duration times the frame rate, rounded.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.visemes import RATE_HZ, Timed, motion_visemes, viseme_track
from ksdiff_jax.face.arkit import arkit_weights
from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.drawn_pose import shared_turn
from ksdiff_jax.face.dressed import dressed_head
from ksdiff_jax.face.model import FaceModel, check_face
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.earlier import stated_space
from ksdiff_jax.motion.resample import resampled, resampled_rotations
from ksdiff_jax.motion.space import BFM
from ksdiff_jax.typing import Float

# Beyond the motion of any face: coefficients have a deviation near 1 in speech, angles are radians.
_LARGEST = {
    "exp": 100.0,
    "global_orient": 2 * np.pi,
    "neck_pose": 2 * np.pi,
    "jaw_pose": np.pi / 2,
    "eyes_pose": np.pi / 2,
}


@dataclass(frozen=True, eq=False)
class Take:
    """One motion, its face and its name; what several writers need is computed once."""

    motion: MotionClip
    fps: float | int
    name: str  # stem of the recording
    face: FaceModel | None = None  # the built-in head if None
    words: tuple[Timed, ...] = ()
    phonemes: tuple[Timed, ...] = ()

    def __post_init__(self):
        if not 1 <= self.fps <= 1000:
            raise InputError(f"fps: got {self.fps:g}, need 1 to 1000; for example 24, 25, 30, 60")
        for name, most in _LARGEST.items():
            if (got := float(np.abs(getattr(self.motion, name)).max())) > most:
                raise InputError(
                    f"{self.name}: {name} reaches {got:.4g}, and no face exceeds {most:.4g}; the "
                    "motion is damaged or in other units, animate the speech again"
                )

    def __len__(self) -> int:
        return max(1, round(self.motion.duration_s * self.fps))

    @property
    def times_s(self) -> Float[np.ndarray, "t"]:
        """Seconds of each frame from the first."""
        return np.arange(len(self)) / self.fps

    @functools.cached_property
    def own_face(self) -> FaceModel:
        """The face; raises `InputError` if the motion's coefficients are not of it."""
        face = builtin_face() if self.face is None else self.face
        check_shown(face, self.motion.space, what="motion")
        return face

    @functools.cached_property
    def shown_face(self) -> FaceModel:
        """The face that is seen: the dressed head for the built-in one, otherwise the face."""
        return dressed_head() if self.own_face is builtin_face() else self.own_face

    @functools.cached_property
    def shown_turns(self) -> dict[str, Float[np.ndarray, "t 3"]]:
        """The rotations of `head` (the root) and `neck` with which `shown_face` is seen; the
        shoulders of the dressed head stay behind (face/drawn_pose.py).
        """
        turns = (self.rotations("head"), self.rotations("neck"))
        if self.shown_face is not self.own_face:
            turns = shared_turn(*turns)
        return dict(zip(("head", "neck"), turns, strict=True))

    @functools.cached_property
    def arkit(self) -> Float[np.ndarray, "t 52"]:
        """Weights of `ARKIT_NAMES`, 0 to 1."""
        return np.clip(self.at_frames(self._solved), 0, 1)

    @functools.cached_property
    def _solved(self) -> Float[np.ndarray, "n 52"]:
        return arkit_weights(self.motion, face=self.own_face)

    def at(self, fps: float | int) -> "Take":
        """Return this take at another frame rate; the weights are not solved again."""
        if fps == self.fps:
            return self
        other = replace(self, fps=fps)
        vars(other)["_solved"] = self._solved
        return other

    @functools.cached_property
    def visemes(self) -> Float[np.ndarray, "t 15"]:
        """Weights of the 15 visemes, which sum to 1 in each frame."""
        if self.phonemes:
            return viseme_track(self.phonemes, self.times_s)
        slow = self.at(RATE_HZ)
        columns = motion_visemes(slow.arkit).T
        return np.stack(
            [np.interp(self.times_s, slow.times_s, column) for column in columns], axis=1
        )

    @property
    def expression(self) -> Float[np.ndarray, "t e"]:
        """Expression coefficients."""
        return self.at_frames(self.motion.exp)

    def rotations(self, joint: str) -> Float[np.ndarray, "t 3"]:
        """Return the axis-angle vectors of `head`, `neck`, `jaw`, `left_eye` or `right_eye`."""
        motion = self.motion
        source = {
            "head": motion.global_orient,
            "neck": motion.neck_pose,
            "jaw": motion.jaw_pose,
            "left_eye": motion.eyes_pose[:, :3],
            "right_eye": motion.eyes_pose[:, 3:],
        }[joint]
        return resampled_rotations(source, self._recorded_s, self.times_s)

    @functools.cached_property
    def head(self) -> Rotation:
        """The turn of the head in the world: the root's, then the neck's."""
        return Rotation.from_rotvec(self.rotations("head")) * Rotation.from_rotvec(
            self.rotations("neck")
        )

    @property
    def _recorded_s(self) -> Float[np.ndarray, "n"]:
        return self.motion.timestamps - self.motion.timestamps[0]

    def at_frames(self, values: Float[np.ndarray, "n *k"]) -> Float[np.ndarray, "t *k"]:
        """Resample values of the motion's frames to those of the file."""
        return resampled(values, self._recorded_s, self.times_s)


def check_shown(face: FaceModel, space: str, *, what: str) -> None:
    """Raise `InputError`, with the option that helps if there is one, unless motions of `space`
    can be shown on the face.
    """
    space = stated_space(space, "", what=what)
    if space == BFM.name:
        raise InputError(
            f"{what}: the coefficients are of the bfm space, and no face of it can be posed here; "
            "only the .npz holds such a motion; animate with a checkpoint of the builtin space for "
            "other formats"
        )
    check_face(face, space, what=f"{what} (give its face with --face FILE)")


def yaw_pitch_roll(turns: Rotation) -> Float[np.ndarray, "t 3"]:
    """Return radians about y (to the subject's left), x (down) and z, applied in this order with
    the head's own axes.
    """
    return turns.as_euler("YXZ")
