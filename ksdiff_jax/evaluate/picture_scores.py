"""The scores of systems that paint frames, clip by clip, beside baselines: FD2Talk's columns of
image quality (Tables 1 and 2), DisentTalk's CPBD, and others of the field.

Of each clip the first frame is the reference. Targets are 25 later frames, evenly spaced
(`frame_scores.TARGETS`). The frame after every second target is painted too, for its pair.

| metric | definition, per clip: the mean over its targets |
|---|---|
| PSNR, of the face, of the mouth | `frame_scores.psnr_db` |
| SSIM | `pictures.metrics.ssim` |
| LPIPS | `pictures.lpips`, with the weights of the user |
| flicker, LPIPS of neighbours | LPIPS of each pair |
| change of neighbours | mean absolute difference of each pair, in levels of 255 |
| CPBD | `pictures.sharpness.cpbd`, for pictures of 64 pixels or more |
| opening r, read from pixels | `frame_scores`, with regressors of `picture_opening` |
| identity | mean cosine of the embeddings of painted and true frame, with an embedder |
| FID | Fréchet distance of Inception's features of all painted and all true targets |

A still picture flickers least, so flicker and change are to be compared with the truth's. FID is
one number for all clips and has no interval; of fewer than some thousand pictures it is too high,
so only numbers of equally many pictures can be compared. No embedder of faces is among the
dependencies of this package: `Instruments.embed` is any function from pictures to vectors.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate.comparison import Comparison, Line, SampleMetric
from ksdiff_jax.evaluate.frame_scores import (
    OpeningOf,
    Painter,
    Pictures,
    Targets,
    frame_scores,
    psnr_db,
    spaced_places,
    targets_at,
)
from ksdiff_jax.pictures.inception import Inception
from ksdiff_jax.pictures.lpips import Lpips
from ksdiff_jax.pictures.metrics import frechet_distance, ssim
from ksdiff_jax.pictures.sharpness import BLOCK, cpbd
from ksdiff_jax.pictures.values import from_bytes
from ksdiff_jax.typing import Float, Int, PyTree

GROUP = "pictures"
TRUTH = "truth"
Embedder = Callable[[Pictures], Float[np.ndarray, "t d"]]


def _metric(name: str, unit: str, better: str) -> SampleMetric:
    return SampleMetric(name, unit, better, GROUP, lambda courses: float("nan"))


METRICS = {
    "psnr": _metric("PSNR", "dB", "↑"),
    "ssim": _metric("SSIM", "", "↑"),
    "fid": _metric("FID", "", "↓"),
    "lpips": _metric("LPIPS", "", "↓"),
    "cpbd": _metric("CPBD", "", "↑"),
    "psnr_face": _metric("PSNR of the face", "dB", "↑"),
    "psnr_face_turned": _metric("PSNR of the face, head turned 5° or more", "dB", "↑"),
    "psnr_mouth": _metric("PSNR of the mouth", "dB", "↑"),
    "psnr_mouth_turned": _metric("PSNR of the mouth, head turned 5° or more", "dB", "↑"),
    "opening_r": _metric("opening r, read from pixels", "", "↑"),
    "flicker_lpips": _metric("flicker, LPIPS of neighbours", "", ""),
    "change": _metric("change of neighbours", "levels", ""),
    "identity": _metric("identity, cosine of embeddings", "", "↑"),
}
# The columns of Tables 1-3 that are of a motion and not of its painter.
OF_THE_MOTION = dict.fromkeys(
    ("LSE-C", "SyncNet", "Diversity", "Beat Align"),
    "of the motion: `ksdiff-jax evaluate --checkpoint MOTION`, LSE-C with --syncnet",
)


class Instruments(NamedTuple):
    """What pictures are measured with beside formulas; None for what is not at hand."""

    openings: tuple[OpeningOf, ...] = ()
    lpips: PyTree | None = None  # parameters of `Lpips`
    inception: PyTree | None = None  # parameters of `Inception`
    embed: Embedder | None = None


class Shown(NamedTuple):
    """The frames of a clip that are painted: its targets, then the neighbours of some of them."""

    every: Targets
    count: int  # of the targets
    paired: Int[np.ndarray, "p"]  # numbers of the targets whose next frames follow them

    @property
    def targets(self) -> Targets:
        """Return the targets alone."""
        of_frames = {
            name: getattr(self.every, name)[: self.count]
            for name in ("motion", "truth", "turned", "opening")
        }
        return self.every._replace(**of_frames)


def shown_frames(clip: Clip) -> Shown:
    """Return the frames of a clip that are painted; raise `InputError` without pictures."""
    places = spaced_places(clip.frames)
    paired = np.flatnonzero(places[::2] + 1 < clip.frames) * 2
    both = np.concatenate([places, places[paired] + 1])
    return Shown(targets_at(clip, both), len(places), paired)


def picture_scores(pictures: Pictures, shown: Shown, using: Instruments) -> dict[str, float]:
    """Return the scores of one clip by the keys of `METRICS`, without FID; NaN where undefined."""
    painted, targets = pictures[: shown.count], shown.targets
    truth, one, other = targets.truth, painted[shown.paired], pictures[shown.count :]
    moved = np.abs(one.astype(np.int16) - other)
    scores = frame_scores(painted, targets, using.openings) | {
        "psnr": float(psnr_db(painted, truth).mean()),
        "ssim": float(ssim(painted, truth).mean()),
        "change": float(moved.mean()) if len(one) else float("nan"),
    }
    if painted.shape[1] >= BLOCK:
        sharp = cpbd(painted)
        defined = np.isfinite(sharp)
        scores["cpbd"] = float(sharp[defined].mean()) if defined.any() else float("nan")
    if using.lpips is not None:
        scores["lpips"] = float(_lpips(using.lpips, painted, truth).mean())
        pairs = _lpips(using.lpips, one, other) if len(one) else np.full(1, np.nan)
        scores["flicker_lpips"] = float(pairs.mean())
    if using.embed is not None:
        scores["identity"] = float(cosines(using.embed(painted), using.embed(truth)).mean())
    return scores


def compare_painters(
    painters: Mapping[str, Painter],
    clips: Iterable[Clip],
    using: Instruments,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Comparison:
    """Return all scores of every painter and of the true frames; `progress` is called with the
    number of clips that are done. Scores that cannot be measured are named with the reason.
    """
    names = [*painters, TRUTH]
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    features: dict[str, list[np.ndarray]] = {name: [] for name in names}
    side = 0
    for done, clip in enumerate(clips, start=1):
        shown = shown_frames(clip)
        side = shown.every.truth.shape[1]
        for name in names:
            painted = shown.every.truth if name == TRUTH else painters[name](shown.every)
            rows[name].append(picture_scores(painted, shown, using))
            if using.inception is not None:
                features[name].append(_features(using.inception, painted[: shown.count]))
        progress(done)
    lines = [
        Line(metric, {name: np.array([row[key] for row in rows[name]]) for name in names})
        for key, metric in METRICS.items()
        if key in rows[TRUTH][0]
    ]
    if using.inception is not None:
        found = {name: np.concatenate(parts) for name, parts in features.items()}
        values = {n: np.array([frechet_distance(f, found[TRUTH])]) for n, f in found.items()}
        lines.insert(2, Line(METRICS["fid"], values))
    lines = [line for line in lines if not all(np.isnan(v).all() for v in line.values.values())]
    measured = {line.metric.name for line in lines}
    reasons = _reasons(using, side) | OF_THE_MOTION
    left_out = {name: reason for name, reason in reasons.items() if name not in measured}
    return Comparison(lines, {name: [] for name in names}, left_out)


def cosines(
    some: Float[np.ndarray, "t d"], others: Float[np.ndarray, "t d"]
) -> Float[np.ndarray, "t"]:
    """Return the cosine of every pair of rows."""
    lengths = np.linalg.norm(some, axis=-1) * np.linalg.norm(others, axis=-1)
    return np.sum(some * others, axis=-1) / lengths


def _reasons(using: Instruments, side: int) -> dict[str, str]:
    """Return why metrics may be missing, by name."""
    wanted = "needs the weights of LPIPS: `ksdiff-jax convert lpips`, then --lpips DIR"
    reasons = {METRICS[key].name: wanted for key in ("lpips", "flicker_lpips")}
    reasons["FID"] = "needs FID's Inception: `ksdiff-jax convert inception`, then --inception DIR"
    reasons["CPBD"] = (
        f"needs pictures of {BLOCK} x {BLOCK} pixels or more, these have {side} x {side}"
        if side < BLOCK
        else "no edge in any picture"
    )
    reasons[METRICS["opening_r"].name] = (
        "needs training clips of the built-in head (--training-clips)"
        if not using.openings
        else "no true opening: not the built-in head"
    )
    reasons[METRICS["identity"].name] = (
        "needs an embedder of faces, which no dependency has; from Python, Instruments(embed=...)"
    )
    turned = [metric.name for key, metric in METRICS.items() if key.endswith("_turned")]
    return reasons | dict.fromkeys(turned, "no head turns by 5° from the reference")


@jax.jit
def _distances(params: PyTree, one, other):
    return Lpips().apply({"params": params}, from_bytes(one), from_bytes(other))


@jax.jit
def _inception(params: PyTree, pictures):
    return Inception().apply({"params": params}, from_bytes(pictures))


def _lpips(params: PyTree, one: Pictures, other: Pictures) -> Float[np.ndarray, "t"]:
    return np.asarray(_distances(params, one, other))


def _features(params: PyTree, pictures: Pictures) -> Float[np.ndarray, "t f"]:
    return np.asarray(_inception(params, pictures))
