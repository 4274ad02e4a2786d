"""LSE-D and LSE-C: lip sync as SyncNet measures it (Chung and Zisserman 2016; Prajwal et al. 2020).

Window i has the pictures i to i + 4 and the cepstra 4 i to 4 i + 19. With v_i and a_i, its vectors
of lips and sound, and a_i = 0 outside the clip,

    m_k = (1 / w) Σ_i |v_i - a_{i+k} + 1e-6|        k = -15 ... 15
    LSE-D = min_k m_k        LSE-C = median_k m_k - min_k m_k        offset = - argmin_k m_k

The offset is in frames of 25 Hz, positive if the pictures are late. This is the original's
evaluation, which Wav2Lip's scores repeat: w is the number of frames minus 5, the zeros beyond the
ends and the constant are theirs (PyTorch's `pairwise_distance`). Both average over videos, and so
do the figures here. The two differ in the pictures only, crops of tracked faces there and, for
Wav2Lip's scores of whole data sets, the data set's own frames; ours are `face_crops`.

| figure | definition |
|---|---|
| lse_d, lse_c | mean over clips of the first sample's motion, no unit |
| lse_..._low, _high | 95 % interval of a mean over clips (Student's t) |
| lse_d_truth, lse_c_truth | of the clips' own motion, drawn in the same way |
| lse_in_step, lse_in_step_truth | share of clips whose offset is at most one frame |
| lse_in_step_chance | 3 / 31, of an offset drawn at random |
| lse_clips | clips of 6 frames or more; shorter ones have no window |

If the truth itself is in step in less than half of the clips, then the network does not understand
these pictures, or its weights are not the authors'. No figure of it means anything then, and the
report has none (`useless`). This is judged on the clips of `TESTED_WINDOWS` or more, of which
`LEAST_CLIPS` are needed, and by the offset of the windows that overlap: random weights give vectors
that hardly differ, the zeros beyond the ends are farther away, and so m_k is the least at k = 0. By
chance 3 of 5 clips are in step in one of a hundred networks.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.mfcc import MFCC_RATE_HZ, mfcc
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.comparison import SampleMetric
from ksdiff_jax.evaluate.face_crops import face_crops
from ksdiff_jax.evaluate.intervals import bounded, t_interval
from ksdiff_jax.face import FaceModel
from ksdiff_jax.models.syncnet.network import (
    WINDOW_COEFFICIENTS,
    WINDOW_FRAMES,
    SyncNet,
)
from ksdiff_jax.typing import Float, Int, PyTree, UInt8

MAX_OFFSET_FRAMES = 15
DISTANCE_EPS = 1e-6
IN_STEP_FRAMES = 1
LEAST_IN_STEP = 0.5  # of the clips
LEAST_CLIPS = 5
TESTED_WINDOWS = 2 * MAX_OFFSET_FRAMES  # half of which overlap at every shift
LEAST_FRAMES = WINDOW_FRAMES + 1
_WINDOWS_AT_ONCE = 16  # 70 MB in the first layer
_CEPSTRA_PER_FRAME = MFCC_RATE_HZ // MOTION_RATE_HZ


class LipSync(NamedTuple):
    """The result of one clip."""

    distance: float  # LSE-D
    confidence: float  # LSE-C
    offset_frames: float  # positive: the pictures are late
    # by the windows that overlap; NaN for a clip of fewer than TESTED_WINDOWS
    overlap_offset_frames: float = math.nan


UNDEFINED = LipSync(math.nan, math.nan, math.nan)
LINES = (  # of a comparison, with the field of a result
    (SampleMetric("LSE-C", "", "↑", "lse", lambda courses: math.nan), "confidence"),
    (SampleMetric("LSE-D", "", "↓", "lse", lambda courses: math.nan), "distance"),
)


def judged(
    params: PyTree,
    face: FaceModel,
    clips: Sequence[Clip],
    motions: Sequence[Float[np.ndarray, "_ m"]],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[LipSync]:
    """Return the result of every clip with a motion of its length; `UNDEFINED` for a clip without a
    window. `progress(done, total)` counts motion frames.
    """
    found, done, total = [], 0, sum(clip.frames for clip in clips)
    for clip, motion in zip(clips, motions, strict=True):
        found.append(UNDEFINED)
        if windows_of(clip) > 0:
            sound = embed_sound(params, clip.audio)[: windows_of(clip)]
            lips = embed_lips(params, face_crops(face, motion))[: len(sound)]
            found[-1] = lip_sync(lips, sound)
        done += clip.frames
        if progress:
            progress(done, total)
    return found


def useless(truth: Sequence[LipSync]) -> str:
    """Return why a network with these results of the truth measures nothing; "" if it does. Raise
    `InputError` if no clip is long enough.
    """
    if all(math.isnan(each.distance) for each in truth):
        raise InputError(
            f"{len(truth)} clips, none with {LEAST_FRAMES} frames or more of motion and sound, "
            "which LSE-C and LSE-D need; give longer ones"
        )
    found = [each.overlap_offset_frames for each in truth]
    offsets = [offset for offset in found if not math.isnan(offset)]
    if len(offsets) < LEAST_CLIPS:
        return (
            f"{len(offsets)} clips of {TESTED_WINDOWS + WINDOW_FRAMES} frames or more, need "
            f"{LEAST_CLIPS} to test whether the weights of --syncnet find the truth in step"
        )
    in_step = sum(abs(offset) <= IN_STEP_FRAMES for offset in offsets)
    if in_step >= LEAST_IN_STEP * len(offsets):
        return ""
    return (
        f"the weights of --syncnet find the truth in step in {in_step} of {len(offsets)} clips: "
        "they are not the authors', or SyncNet does not read these pictures"
    )


def lse_figures(predicted: Sequence[LipSync], truth: Sequence[LipSync]) -> dict[str, float]:
    """Return the figures of the results of a system and of the truth; one clip at least has a
    window.
    """
    counted = [not math.isnan(each.distance) for each in truth]
    figures: dict[str, float] = {}
    for name, results in (("", predicted), ("_truth", truth)):
        shown = (each[:3] for each in itertools.compress(results, counted))
        columns = zip(*shown, strict=True)
        distances, confidences, offsets = map(np.array, columns)
        figures |= bounded(f"lse_d{name}", t_interval(distances))
        figures |= bounded(f"lse_c{name}", t_interval(confidences))
        figures[f"lse_in_step{name}"] = float(np.mean(np.abs(offsets) <= IN_STEP_FRAMES))
    chance = (2 * IN_STEP_FRAMES + 1) / (2 * MAX_OFFSET_FRAMES + 1)
    return figures | {"lse_in_step_chance": chance, "lse_clips": float(sum(counted))}


def windows_of(clip: Clip) -> int:
    """Return the number of windows of a clip, w; not above zero for a clip that is too short."""
    return min(clip.frames, len(clip.audio) // SAMPLES_PER_MOTION_FRAME) - WINDOW_FRAMES


def lip_sync(lips: Float[np.ndarray, "w e"], sound: Float[np.ndarray, "w e"]) -> LipSync:
    """Return distance, confidence and offset of the vectors of a clip's windows."""
    means = mean_distances(lips, sound)
    best = int(np.argmin(means))
    confidence = float(np.median(means) - means[best])
    offset = float(MAX_OFFSET_FRAMES - best)
    return LipSync(float(means[best]), confidence, offset, overlap_offset(lips, sound))


def overlap_offset(lips: Float[np.ndarray, "w e"], sound: Float[np.ndarray, "w e"]) -> float:
    """Return the offset at which the windows that overlap are nearest on average; NaN for fewer
    than `TESTED_WINDOWS`.
    """
    if len(lips) < TESTED_WINDOWS:
        return math.nan
    means = {}
    for offset in range(-MAX_OFFSET_FRAMES, MAX_OFFSET_FRAMES + 1):
        first, last = max(0, offset), len(lips) + min(0, offset)
        apart = lips[first:last] - sound[first - offset : last - offset]
        means[offset] = float(np.linalg.norm(apart, axis=1).mean())
    return float(min(means, key=means.get))


def mean_distances(
    lips: Float[np.ndarray, "w e"], sound: Float[np.ndarray, "w e"]
) -> Float[np.ndarray, "31"]:
    """Return m_k of each shift k of the sound, -15 to 15."""
    reach = MAX_OFFSET_FRAMES
    padded = np.pad(np.asarray(sound, np.float64), ((reach, reach), (0, 0)))
    shifted = (padded[shift : shift + len(lips)] for shift in range(2 * reach + 1))
    return np.array(
        [np.linalg.norm(lips - other + DISTANCE_EPS, axis=1).mean() for other in shifted]
    )


def embed_sound(params: PyTree, audio: Int[np.ndarray, "s"]) -> Float[np.ndarray, "w 1024"]:
    """Return the vectors of all windows of int16 sound at 16 kHz."""
    windows = np.lib.stride_tricks.sliding_window_view(mfcc(audio), WINDOW_COEFFICIENTS, axis=0)[
        ::_CEPSTRA_PER_FRAME
    ]
    some = (windows[first : first + _WINDOWS_AT_ONCE] for first in _starts(len(windows)))
    found = [
        np.asarray(_embed_sound(params, _filled(each, _WINDOWS_AT_ONCE)))[: len(each)]
        for each in some
    ]
    return np.concatenate(found)


def embed_lips(
    params: PyTree, pictures: UInt8[np.ndarray, "t 224 224 3"]
) -> Float[np.ndarray, "w 1024"]:
    """Return the vectors of all windows of pictures at 25 Hz: red, green, blue."""
    blue_first, count = pictures[..., ::-1], len(pictures) - WINDOW_FRAMES + 1
    frames = _WINDOWS_AT_ONCE + WINDOW_FRAMES - 1
    found = []
    for first in _starts(count):
        some = blue_first[first : first + frames]
        vectors = np.asarray(_embed_lips(params, _filled(some, frames)))
        found.append(vectors[: len(some) - WINDOW_FRAMES + 1])
    return np.concatenate(found)


def _starts(windows: int) -> Iterator[int]:
    yield from range(0, windows, _WINDOWS_AT_ONCE)


def _filled(rows: np.ndarray, count: int) -> np.ndarray:
    """Return the rows with zeros after them, `count` in all, so that one program is compiled."""
    return np.pad(rows, [(0, count - len(rows))] + [(0, 0)] * (rows.ndim - 1))


@jax.jit
def _embed_lips(params: PyTree, pictures):
    pictures = pictures.astype(jnp.float32)
    return SyncNet().apply({"params": params}, pictures, method=SyncNet.embed_lips)


@jax.jit
def _embed_sound(params: PyTree, windows):
    return SyncNet().apply({"params": params}, windows, method=SyncNet.embed_sound)
