"""Gaze drawn at random: saccades, vergence and the counter-rotation of the eyes to the head.

No system of this package generates `eyes_pose`. This layer writes it after sampling, as a random
process with constants from the literature:

| quantity | value | from |
|---|---|---|
| time on the viewer, time away, while speaking | mean 3.13 s, 0.93 s | Lee, Badler, Badler 2002 |
| size of a shift away | exponential, mean 6.9 degrees, here 3 to 15 | the same |
| direction of a shift away | 8 directions, `_DIRECTIONS` | the same |
| duration of a saccade of A degrees | 25 ms + 2.4 ms A | the same (the main sequence) |
| points on the viewer | both eyes and the mouth, about one a second | Yarbus 1967 |
| looks away when speech begins after a pause | `_AWAY_AT_ONSET` | Kendon 1967 (frequent) |
| during a blink the eyes sink and converge | `_BLINK_SINK`, `_BLINK_CONVERGE` | Collewijn 1985 |

The fixated point is at rest in the world: the eyes turn against the head (vestibulo-ocular reflex),
up to `_LARGEST` degrees softly, and each turns to the point on its own, which is the vergence. The
rotation of an eye has no component about its line of sight in the primary position (Listing's law).

Frame t depends on the key, on t, and on the head, the lids and the sound up to t. Frames computed
block by block are therefore those of the whole, and the gaze of a part is the beginning of the
whole's.

Horizontal shifts above 2 degrees, found by one detector: 0.50 a second here, median 3.6 degrees,
90th percentile 9.2; in 184 s of 14 people who read aloud, tracked with MediaPipe, 0.44 to 1.5 a
second, 2.5 to 3.2, and 3.6 to 6.1. The constants were not changed after that.
"""

import dataclasses

import jax
import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.animate.keys import sample_key
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.actions import ACTIONS, GROUPS, expression_to_actions
from ksdiff_jax.face.head.mesh import eye_centres
from ksdiff_jax.face.head.rig import JOINTS_AT
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.rng import stream
from ksdiff_jax.speech.utterance import zero_padded
from ksdiff_jax.typing import Array, Float, Key

GAZES = ("drawn", "none")

# The face of the viewer, metres: about where the camera of the videos is.
_VIEWER = np.array([0.0, 0.0, 1.0])
_ON_VIEWER = np.array([[1.7, 0.0], [-1.7, 0.0], [0.0, 3.4]])  # degrees: eyes, mouth
_ON_VIEWER_SHARES = np.array([0.45, 0.40, 0.15])
_JITTER = 0.4  # degrees
_VIEWER_S, _SHIFT_ON_VIEWER_S, _AWAY_S, _SHORTEST_S = 3.13, 1.0, 0.93, 0.2
_DIRECTIONS = np.array([15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.79]) / 99.99  # from +x, ccw
_AWAY_DEGREES, _AWAY_LEAST, _AWAY_MOST = 6.9, 3.0, 15.0
_VERTICAL = 0.6  # of the size of vertical shifts: the lids follow the eyes only a little
_AWAY_M = (0.8, 3.0)  # distances of the points beside the viewer
_SACCADE_S, _SACCADE_S_PER_DEGREE = 0.025, 0.0024
_AWAY_AT_ONSET = 0.35
_PAUSE_S = 0.3
_WITH_BLINK_S = 1.0  # a shift that is due within this time takes place in the blink
_BLINK_SINK, _BLINK_CONVERGE = 1.5, 0.5  # degrees with closed lids
_LARGEST = 35.0  # degrees, of an eye in the head
_DRAWS = 6  # random numbers of a frame
_BLOCK_FRAMES = 1500  # a minute of sound that is float64 at once


class DrawnGaze:
    """The gaze of one sample, frame after frame: `following` continues where it ended."""

    def __init__(self, key: Key[Array, ""]):
        self._rng = np.random.default_rng(np.asarray(jax.random.key_data(stream(key, "gaze"))))
        self._frame = 0
        self._from = self._to = np.array([0.0, 0.0, 1.0])  # yaw, pitch in degrees, distance in m
        self._start_s, self._next_s = -1.0, 0.4
        self._away = self._closed = False
        self._peak, self._silent_s = 1e-3, 0.0

    def following(
        self,
        head: Float[np.ndarray, "t 3"],
        *,
        closure: Float[np.ndarray, "t"],
        loudness: Float[np.ndarray, "t"],
    ) -> Float[np.ndarray, "t 6"]:
        """Return `eyes_pose` of the next t frames of 25 Hz.

        `head` is its rotation (axis-angle, radians), `closure` of the lids is 0 open to 1 closed,
        `loudness` is the rms of the sound of each frame.
        """
        draws = self._rng.random((len(head), _DRAWS))
        given = zip(draws, closure.tolist(), loudness.tolist(), strict=True)
        points = np.stack([self._point(*each) for each in given])
        sunk = np.clip(closure, 0, 1)[:, None]
        points[:, 1:2] += _BLINK_SINK * sunk
        return _eyes(head, points, converged=np.radians(_BLINK_CONVERGE) * sunk[:, 0])

    def _point(
        self, draws: Float[np.ndarray, "k"], closure: float, loudness: float
    ) -> Float[np.ndarray, "3"]:
        """Return yaw and pitch (degrees from the viewer) and distance of the point of a frame."""
        time_s = self._frame / MOTION_RATE_HZ
        self._frame += 1
        began = self._begins_to_speak(loudness)
        away = began and not self._away and bool(draws[0] < _AWAY_AT_ONSET)
        blinks, self._closed = closure > 0.3 and not self._closed, closure > 0.3
        if away or time_s >= self._next_s - _WITH_BLINK_S * blinks:
            # The saccade begins within this frame and shows from the next one on.
            self._from, self._start_s = self._to, time_s + draws[1] / MOTION_RATE_HZ
            self._shift(draws, away=away)
            self._next_s = time_s + self._rest_s(draws[5])
        size = float(np.hypot(*(self._to - self._from)[:2]))
        since = (time_s - self._start_s) / (_SACCADE_S + _SACCADE_S_PER_DEGREE * size)
        share = np.clip(since, 0, 1)
        return self._from + share**2 * (3 - 2 * share) * (self._to - self._from)

    def _begins_to_speak(self, loudness: float) -> bool:
        self._peak = max(self._peak, loudness)
        if loudness < 0.1 * self._peak:
            self._silent_s += 1 / MOTION_RATE_HZ
            return False
        began = self._silent_s >= _PAUSE_S
        self._silent_s = 0.0
        return began

    def _shift(self, draws: Float[np.ndarray, "k"], *, away: bool) -> None:
        """Choose the next point: away from the viewer, or another one on the viewer."""
        leaves = bool(draws[0] < _SHIFT_ON_VIEWER_S / _VIEWER_S)
        self._away = away or (leaves and not self._away)
        if self._away:
            size = np.clip(-_AWAY_DEGREES * np.log1p(-draws[2]), _AWAY_LEAST, _AWAY_MOST)
            octant = np.searchsorted(np.cumsum(_DIRECTIONS), draws[3])
            angle = np.pi / 4 * (octant + draws[4] - 0.5)
            near, far = _AWAY_M
            distance = near * (far / near) ** draws[4]
            self._to = np.array([size * np.cos(angle), -_VERTICAL * size * np.sin(angle), distance])
        else:
            place = np.searchsorted(np.cumsum(_ON_VIEWER_SHARES), draws[3])
            jitter = _JITTER * (2 * draws[[2, 4]] - 1)
            self._to = np.append(_ON_VIEWER[min(place, 2)] + jitter, np.linalg.norm(_VIEWER))

    def _rest_s(self, draw: float) -> float:
        """Return the time until the next shift: a lower bound and an exponential remainder."""
        mean_s = _AWAY_S if self._away else _SHIFT_ON_VIEWER_S
        return _SHORTEST_S - (mean_s - _SHORTEST_S) * float(np.log1p(-draw))


def with_drawn_gaze(motion: Motion, audio: Float[np.ndarray, "s"]) -> Motion:
    """Return a motion of the built-in head with drawn gaze in `eyes_pose`; `audio` is its speech at
    16 kHz.

    The key is that of the motion's noise, from its seed, sample number and noise id in `meta`. The
    gaze follows the head: after a change of the head (`with_pose`) it has to be drawn again.
    """
    about = motion.meta
    key = sample_key(about.get("seed", 0), about.get("sample", 0), about.get("noise_id", ""))
    actions = expression_to_actions(motion.exp)
    closure = actions[:, [ACTIONS.index(name) for name in GROUPS["blink"]]].mean(axis=1)
    eyes = DrawnGaze(key).following(
        motion.global_orient, closure=closure, loudness=frame_loudness(audio, frames=len(motion))
    )
    return dataclasses.replace(motion, eyes_pose=eyes, meta=about | {"gaze": "drawn"})


def chosen_gaze(gaze: str | None, space: str) -> str:
    """Return the gaze to use: the given one, otherwise `drawn` on the built-in head only.

    Raises `InputError` for an unknown one, and for `drawn` on another face.
    """
    own = space == BUILTIN.name
    if gaze is not None and gaze not in GAZES:
        raise InputError(f"gaze: got {gaze!r}, need one of {', '.join(GAZES)}")
    if gaze == "drawn" and not own:
        raise InputError(
            f"gaze drawn: this is the gaze of the built-in head, the checkpoint's motion is of the "
            f"{space} space; need none"
        )
    return gaze or ("drawn" if own else "none")


def frame_loudness(audio: Float[np.ndarray, "s"], *, frames: int) -> Float[np.ndarray, "t"]:
    """Return the rms of 16 kHz sound in each motion frame; 0 after its end."""
    power = np.empty(frames)
    for start in range(0, frames, _BLOCK_FRAMES):
        stop = min(frames, start + _BLOCK_FRAMES)
        first, last = (frame * SAMPLES_PER_MOTION_FRAME for frame in (start, stop))
        sound = zero_padded(np.asarray(audio[first:last], np.float64), last - first)
        power[start:stop] = np.square(sound).reshape(stop - start, -1).mean(axis=1)
    return np.sqrt(power)


def _eyes(
    head: Float[np.ndarray, "t 3"],
    points: Float[np.ndarray, "t 3"],
    *,
    converged: Float[np.ndarray, "t"],
) -> Float[np.ndarray, "t 6"]:
    """Return the rotations of the eyes that look at these points of the world from a turned
    head.
    """
    turn, root = Rotation.from_rotvec(head), JOINTS_AT[0]
    centres = eye_centres()
    middle = centres.mean(axis=0)
    straight = _VIEWER - middle
    yaw = np.radians(points[:, 0]) + np.arctan2(straight[0], straight[2])
    pitch = np.radians(points[:, 1]) + np.arctan2(-straight[1], straight[2])
    direction = np.stack(
        [np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=1
    )
    world = middle + points[:, 2:] * direction
    poses = []
    for centre, inwards in zip(centres, (-1, 1), strict=True):
        seen = turn.inv().apply(world - turn.apply(centre - root) - root)
        angle = np.arctan2(np.hypot(seen[:, 0], seen[:, 1]), seen[:, 2])
        largest = np.radians(_LARGEST)
        size = largest * np.tanh(angle / largest) / np.maximum(np.hypot(*seen.T[:2]), 1e-9)
        pose = np.stack([-seen[:, 1] * size, seen[:, 0] * size, np.zeros(len(seen))], axis=1)
        pose[:, 1] += inwards * converged
        poses.append(pose)
    return np.concatenate(poses, axis=1)
