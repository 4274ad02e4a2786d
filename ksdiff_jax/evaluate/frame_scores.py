"""What painted frames of unseen people are scored on.

Of each clip the first frame is the reference. Targets are later frames, evenly spaced. Per clip:

    psnr       mean over targets of 10 log10(255² / mean squared error), in a box of the crop,
               at most `LARGEST_PSNR_DB`
    opening_r  Pearson correlation over targets of the lips' true opening with the opening that a
               regressor (picture_opening.py) reads from the painted frames; the mean of regressors

The boxes are those of an aligned crop (data/tracking/crops.py): the face from the forehead to the
chin, and the mouth. `turned` scores are over targets whose head is at least 5 degrees from the
reference's. Intervals are over clips, each of another person; a comparison is the interval of the
differences clip by clip.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.data.coded_pictures import CodedPictures
from ksdiff_jax.data.latents import pictures_of
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate.articulation import face_part, in_blocks
from ksdiff_jax.evaluate.intervals import Interval, t_interval
from ksdiff_jax.evaluate.lips import pearson
from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening
from ksdiff_jax.motion import space
from ksdiff_jax.pictures.metrics import psnr
from ksdiff_jax.typing import Bool, Float, Int, UInt8

TARGETS = 25  # of each clip
TURNED_DEG = 5.0
# Top, bottom, left and right as shares of the side of a crop.
BOXES = {"face": (0.14, 0.88, 0.20, 0.80), "mouth": (0.56, 0.84, 0.32, 0.68)}
LARGEST_PSNR_DB = 60.0  # of equal pictures

Pictures = UInt8[np.ndarray, "t h w 3"]


class Targets(NamedTuple):
    """Frames of one clip that are to be painted."""

    reference: UInt8[np.ndarray, "h w 3"]
    reference_motion: Float[np.ndarray, "m"]
    motion: Float[np.ndarray, "t m"]
    truth: Pictures
    turned: Bool[np.ndarray, "t"]
    opening: Float[np.ndarray, "t"]  # over the height of the face


# Paints the frames of a clip from the reference and the motion in its targets.
Painter = Callable[[Targets], Pictures]
# Returns the opening of the lips in pictures.
OpeningOf = Callable[[Pictures], Float[np.ndarray, "t"]]


def spaced_places(frames: int, *, count: int = TARGETS) -> Int[np.ndarray, "t"]:
    """Return the numbers of `count` later frames of a clip, evenly spaced; fewer of a short one."""
    return np.unique(np.linspace(min(1, frames - 1), frames - 1, count).round().astype(int))


def targets_of(clip: Clip, *, count: int = TARGETS) -> Targets:
    """Return `count` later frames of a clip, evenly spaced, as `targets_at`."""
    return targets_at(clip, spaced_places(clip.frames, count=count))


def targets_at(clip: Clip, places: Int[np.ndarray, "t"]) -> Targets:
    """Return these frames of a clip with pictures as targets; openings are NaN for a clip of
    another space than the built-in head's.

    Raises `InputError` for a clip without pictures.
    """
    pictures: CodedPictures = pictures_of(clip)
    motion = motion_of_clip(clip).astype(np.float32)
    known = clip.space == builtin_face().space
    return Targets(
        reference=pictures[0],
        reference_motion=motion[0],
        motion=motion[places],
        truth=pictures.take(places),
        turned=turn_deg(clip.rotation)[places] >= TURNED_DEG,
        opening=true_opening(clip)[places] if known else np.full(len(places), np.nan),
    )


def turn_deg(rotation: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t"]:
    """Return the angle in degrees between the head of each frame and that of the first."""
    turns = Rotation.from_rotvec(rotation)
    return np.degrees((turns[0].inv() * turns).magnitude())


def true_opening(clip: Clip) -> Float[np.ndarray, "t"]:
    """Return the distance of the inner lips of a clip's person over the height of the face."""
    part, motion = face_part(builtin_face()), motion_of_clip(clip)
    parts = []
    for block in in_blocks(motion):
        vertices = face_vertices(
            part, block[:, space.EXPRESSION], shape=clip.shape, jaw_pose=block[:, space.JAW]
        )
        parts.append(np.asarray(mouth_opening(part, vertices)))
    return np.concatenate(parts)[: len(motion)] / face_height(part)


def psnr_db(painted: Pictures, truth: Pictures, box: str = "") -> Float[np.ndarray, "t"]:
    """Return the peak signal-to-noise ratio of each frame in a box of `BOXES`; "": everywhere."""
    side = truth.shape[1]
    shares = BOXES[box] if box else (0, 1, 0, 1)
    top, bottom, left, right = (round(share * side) for share in shares)
    inside = slice(None), slice(top, bottom), slice(left, right)
    return np.minimum(psnr(painted[inside], truth[inside]), LARGEST_PSNR_DB)


def frame_scores(
    painted: Pictures, targets: Targets, openings: Sequence[OpeningOf] = ()
) -> dict[str, float]:
    """Return the scores of one clip; NaN where no target is turned or the mouth does not move.
    Without a regressor of the opening there is no `opening_r`.
    """
    scores = {}
    if openings:
        found = [pearson(opening_of(painted), targets.opening) for opening_of in openings]
        scores["opening_r"] = float(np.mean(found))
    for box in BOXES:
        values = psnr_db(painted, targets.truth, box)
        turned = values[targets.turned]
        scores[f"psnr_{box}"] = float(values.mean())
        scores[f"psnr_{box}_turned"] = float(turned.mean()) if len(turned) else float("nan")
    return scores


def interval_over_clips(values: Float[np.ndarray, "n"]) -> Interval:
    """Return the interval of the mean over the clips that have the score."""
    return t_interval(values[np.isfinite(values)])


def above(
    scores: Mapping[str, Mapping[str, Float[np.ndarray, "n"]]],
    painter: str,
    baselines: Sequence[str],
    score: str,
) -> dict[str, Interval]:
    """Return by baseline the interval of the painter's lead in a score, clip by clip."""
    return {
        name: interval_over_clips(scores[painter][score] - scores[name][score])
        for name in baselines
    }
