"""What painted frames of unseen people are compared with: painters without a network, and
regressors that read the opening of the lips from pixels, both fitted to training people.

    using = yardstick(train, validation)

The painters are those of painting_baselines.py. The regressors (picture_opening.py) differ by their
seed; a clip's `opening_r` is the mean over them. Those of the same training data are kept in the
user's cache, because each takes minutes to train.
"""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.description import dataset_info
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.frame_scores import Painter, targets_of
from ksdiff_jax.evaluate.painting_baselines import fit_painters
from ksdiff_jax.evaluate.picture_opening import (
    BATCH,
    STEPS,
    Mouths,
    PictureOpening,
    mouths_of,
    train_picture_opening,
)
from ksdiff_jax.files import cache_folder, replacing
from ksdiff_jax.tree import named_leaves, nested

SEEDS = (0, 1)  # of the regressors
NEEDED_R = 0.95  # of the regressors on true frames of unseen people
HELD_OUT_EVERY = 5  # of training clips without a validation split, one in so many is held out
VERSION = 1  # of the kept regressors


class Yardstick(NamedTuple):
    """Painters without a network by name, and regressors of the opening."""

    painters: dict[str, Painter]
    openings: tuple[PictureOpening, ...]


def yardstick(
    train: Sequence[Clip],
    validation: Iterable[Clip],
    *,
    kept_as: str = "",
    seeds: Sequence[int] = SEEDS,
    tell: Callable[[str], None] = lambda line: None,
) -> Yardstick:
    """Return the yardstick of training clips with pictures. The penalties of the baselines are
    chosen on `validation`, or on every fifth training clip if it is empty.

    `kept_as` is the name of the regressors in the cache (`name_in_cache`); "": they are not kept.
    Without `seeds` there are none. Raises `InputError` for too few clips.
    """
    chosen_on = [targets_of(clip) for clip in validation]
    fitted_to: Iterable[Clip] = train
    if not chosen_on:
        if len(train) < HELD_OUT_EVERY:
            raise InputError(f"{len(train)} training clips, need {HELD_OUT_EVERY} or more")
        chosen_on = [targets_of(train[k]) for k in range(0, len(train), HELD_OUT_EVERY)]
        fitted_to = (train[k] for k in range(len(train)) if k % HELD_OUT_EVERY)
    tell(f"fitting the baselines to {len(train)} training clips")
    painters = fit_painters((targets_of(clip) for clip in fitted_to), chosen_on).painters()
    mouths: list[Mouths] = []

    def regressor(seed: int) -> PictureOpening:
        path = _kept_regressor(kept_as, seed)
        if (found := _read(path)) is not None:
            return found
        tell(f"training the regressor of the opening, seed {seed} (minutes)")
        mouths.extend([] if mouths else [mouths_of(train)])
        trained = train_picture_opening(mouths[0], seed=seed)
        if path is not None:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **named_leaves(trained.params))
        return trained

    return Yardstick(painters, tuple(map(regressor, seeds)))


def name_in_cache(folder: str | Path, clips: int | None) -> str:
    """Return the name of the regressors of the first `clips` training clips of a data set, or of
    all of them.
    """
    shards = dataset_info(folder).splits["train"].sha256
    parts = (*shards, f"{STEPS} {BATCH}", *([] if clips is None else [f"{clips} clips"]))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def _kept_regressor(name: str, seed: int) -> Path | None:
    """Return a regressor's place in the cache; None without a name or a cache."""
    if not name:
        return None
    try:
        return cache_folder() / "picture-opening" / f"{name}-{seed}-{VERSION}.npz"
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
