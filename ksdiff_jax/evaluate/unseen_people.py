"""How well a frames system paints people that it has not seen, beside painters without a network.

    using = yardstick(folder)                  baselines and regressors, of the training split
    found = people_scores(painters, clips, using)

Scores and painters are those of frame_scores.py and painting_baselines.py. `autoencoder` is the
ceiling of a system that paints latents: the true frame, encoded and decoded. The regressors of the
opening (picture_opening.py) differ by their seed; a clip's `opening_r` is the mean over them. Those
of the same training data are kept in the user's cache, because each takes minutes to train.
"""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.description import dataset_info
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.frame_scores import (
    Painter,
    Pictures,
    Targets,
    frame_scores,
    interval_over_clips,
    targets_of,
)
from ksdiff_jax.evaluate.intervals import Interval
from ksdiff_jax.evaluate.painting_baselines import LinearPainters, fit_painters
from ksdiff_jax.evaluate.picture_opening import (
    BATCH,
    STEPS,
    Mouths,
    PictureOpening,
    mouths_of,
    train_picture_opening,
)
from ksdiff_jax.files import cache_folder, replacing
from ksdiff_jax.models.fd2talk.frames.first_stage import with_first_stage
from ksdiff_jax.models.fd2talk.frames.system import FD2TalkFrames
from ksdiff_jax.pictures.values import to_bytes
from ksdiff_jax.tree import named_leaves, nested
from ksdiff_jax.typing import Float, PyTree

SEEDS = (0, 1)  # of the regressors
NEEDED_R = 0.95  # of a regressor on true frames of unseen people
BASELINES = ("copied", "linear", "difference")
PAINTED, CEILING, TRUE = "painted", "autoencoder", "true frames"
VERSION = 1  # of the kept regressors

Scores = dict[str, dict[str, Float[np.ndarray, "n"]]]


class Yardstick(NamedTuple):
    """Linear painters and regressors of the opening, fitted on training people."""

    baselines: LinearPainters
    regressors: tuple[PictureOpening, ...]


class PeopleScores(NamedTuple):
    """Scores by painter and name, one value per clip; `opening_r` by regressor too."""

    scores: Scores
    r_by_regressor: dict[str, list[Interval]]

    @property
    def valid(self) -> bool:
        """Return whether every regressor reaches `NEEDED_R` on the true frames."""
        return all(found.mean >= NEEDED_R for found in self.r_by_regressor[TRUE])

    def leads(self) -> dict[str, dict[str, Interval]]:
        """Return by score and baseline the interval of the painted frames' lead, clip by clip."""
        names = list(self.scores[PAINTED])
        return {
            name: {
                other: interval_over_clips(self.scores[PAINTED][name] - self.scores[other][name])
                for other in BASELINES
            }
            for name in names
        }


def yardstick(
    folder: str | Path,
    *,
    seeds: Sequence[int] = SEEDS,
    tell: Callable[[str], None] = lambda line: None,
) -> Yardstick:
    """Return the yardstick of a data set of the built-in head with pictures; the penalties of its
    baselines are chosen on the split `val`.
    """
    train, validation = (ShardReader(folder, split) for split in ("train", "val"))
    tell(f"fitting the baselines to {len(train)} training clips")
    chosen_on = [targets_of(clip) for clip in validation]
    baselines = fit_painters((targets_of(clip) for clip in train), chosen_on)
    mouths: list[Mouths] = []

    def regressor(seed: int) -> PictureOpening:
        path = _kept_regressor(folder, seed)
        if (found := _read(path)) is not None:
            return found
        tell(f"training the regressor of the opening, seed {seed} (minutes)")
        mouths.extend([] if mouths else [mouths_of(train)])
        trained = train_picture_opening(mouths[0], seed=seed)
        if path is not None:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **named_leaves(trained.params))
        return trained

    return Yardstick(baselines, tuple(map(regressor, seeds)))


def frames_painters(system: FD2TalkFrames, params: PyTree, *, seed: int = 0) -> dict[str, Painter]:
    """Return the painter of a frames system and the ceiling of its autoencoder."""
    paint, keys = system.painter(params), jax.random.split(jax.random.key(seed), 1)
    _, first_stage = with_first_stage(system.config)
    coder = first_stage.system

    @jax.jit
    def coded(weights: PyTree, reference: jax.Array, truth: jax.Array) -> jax.Array:
        latents = coder.latents(weights, truth)
        both = jnp.broadcast_to(coder.latents(weights, reference[None]), latents.shape)
        return coder.pictures(weights, latents, both)

    def painted(targets: Targets) -> Pictures:
        first = jnp.zeros(1, jnp.int32)
        reference, motion = jnp.asarray(targets.reference), jnp.asarray(targets.motion)
        return to_bytes(paint(reference[None], motion[None], keys, first)[0])

    def ceiling(targets: Targets) -> Pictures:
        return to_bytes(coded(first_stage.params, targets.reference, targets.truth))

    return {PAINTED: painted, CEILING: ceiling}


def people_scores(
    painters: Mapping[str, Painter], clips: Iterable[Clip], using: Yardstick
) -> PeopleScores:
    """Return the scores of `painters`, of the baselines and of the true frames on clips, each of
    another person. Every frame is painted once, for all regressors.

    Raises `InputError` for no clips and for clips without pictures.
    """
    every = {TRUE: lambda targets: targets.truth} | dict(painters) | using.baselines.painters()
    found: dict[str, list[list[dict[str, float]]]] = {name: [] for name in every}
    for targets in map(targets_of, clips):
        for name, paint in every.items():
            pictures = paint(targets)
            found[name].append([frame_scores(pictures, targets, one) for one in using.regressors])
    if not found[TRUE]:
        raise InputError("painted people: got no clips, need one or more")
    scores = {
        name: {
            score: np.array([np.mean([one[score] for one in row]) for row in rows])
            for score in rows[0][0]
        }
        for name, rows in found.items()
    }
    by_regressor = {
        name: [
            interval_over_clips(np.array([row[place]["opening_r"] for row in rows]))
            for place in range(len(using.regressors))
        ]
        for name, rows in found.items()
    }
    return PeopleScores(scores, by_regressor)


def _kept_regressor(folder: str | Path, seed: int) -> Path | None:
    """Return a regressor's place in the cache; None if no cache can be written."""
    shards = dataset_info(folder).splits["train"].sha256
    digest = hashlib.sha256("\n".join((*shards, f"{STEPS} {BATCH}")).encode()).hexdigest()
    try:
        return cache_folder() / "picture-opening" / f"{digest[:20]}-{seed}-{VERSION}.npz"
    except InputError:
        return None


def _read(path: Path | None) -> PictureOpening | None:
    """Return a regressor from the cache; None if there is none, or if the file is damaged."""
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            return PictureOpening(nested({name: archive[name] for name in archive.files}))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
