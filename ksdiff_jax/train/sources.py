"""Where a run's data come from: a folder of shards, or the built-in corpus, made once and kept.

The corpus lies in a cache folder whose name holds its size and its version
(data/corpus/version.py), so that a changed corpus is made anew and an unchanged one only once.
"""

from collections.abc import Callable
from pathlib import Path

import jax
from etils import epath

from ksdiff_jax.config import Config
from ksdiff_jax.data.corpus.sentences import LANGUAGES
from ksdiff_jax.data.corpus.version import VERSION
from ksdiff_jax.data.corpus.write import write_corpus
from ksdiff_jax.data.description import PathLike
from ksdiff_jax.data.features import kept_features, why_not_kept
from ksdiff_jax.data.loader import evaluation_batches, training_batches
from ksdiff_jax.data.shards import DatasetInfo, dataset_info, statistics
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import one_at_a_time
from ksdiff_jax.models.system import Batch
from ksdiff_jax.speech.load import SpeechEncoder
from ksdiff_jax.train.feed import TrainingData

# Whole clips are longer than training cuts; this many at once keep validation within the memory of
# a training step.
_VALIDATION_ROWS = 8


def open_training_data(
    config: Config,
    *,
    cache: Path,
    tell: Callable[[str], None],
    encoder: SpeechEncoder | None = None,
) -> TrainingData:
    """The batches, the validation clips and the statistics that `config.data` names; a made corpus
    goes to `cache`.

    So do the features of a frozen pretrained `encoder`, where the data set has none.
    """
    folder = _folder(config.data.path) or built_in_corpus(
        config.data.corpus_clips, cache, tell=tell
    )
    info = dataset_info(folder)
    if info.space != "flame":
        raise InputError(
            f"{folder}: its coefficients are of the {info.space} space (64 of a Basel face "
            "model), KSDiff trains on "
            "flame (50); prepare the videos themselves, or FLAME coefficients of them"
        )
    kept = _kept_features(config, folder, encoder=encoder, cache=cache, tell=tell)
    validation = _validation(config, folder, info=info, features_of=kept.get("val"), tell=tell)
    clips = sum(split.clips for split in info.splits.values())
    hours = sum(split.hours for split in info.splits.values())
    return TrainingData(
        batches=training_batches(
            config,
            folder,
            seed=config.train.seed,
            features_of=kept.get("train"),
            host=jax.process_index(),
            hosts=jax.process_count(),
        ),
        validation=validation,
        statistics=statistics(folder),
        description=f"{clips:,} clips, {hours:.1f} h ({info.made_by})",
        folder=folder,
        features_of=kept.get("val"),
    )


def _folder(path: str) -> Path | epath.Path | None:
    """Where the shards are: on this machine, or in a bucket (`gs://...`), which no `pathlib.Path`
    can name.
    """
    if not path:
        return None
    return epath.Path(path) if "://" in path else Path(path)


def _validation(
    config: Config,
    folder: PathLike,
    *,
    info: DatasetInfo,
    features_of: FeaturesOf | None,
    tell: Callable[[str], None],
) -> list[Batch]:
    """The validation clips; none where the data set has none, as one of few speakers may not."""
    if "val" not in info.splits or not info.splits["val"].clips:
        tell(f"{folder}: no validation clips; the run is not validated")
        return []
    batches = evaluation_batches(
        folder,
        "val",
        config=config,
        batch_size=_VALIDATION_ROWS,
        limit=config.train.validate_clips,
        features_of=features_of,
    )
    return [batch for batch, _ in batches]


def _kept_features(
    config: Config,
    folder: PathLike,
    *,
    encoder: SpeechEncoder | None,
    cache: Path,
    tell: Callable[[str], None],
) -> dict[str, FeaturesOf]:
    """By split, the features that need not be computed in training."""
    if encoder is None:
        return {}
    reasons = {split: why_not_kept(config, split=split) for split in ("train", "val")}
    if reasons["train"]:
        tell(f"the speech encoder runs in every training step: {reasons['train']}")
    splits = [
        split
        for split, reason in reasons.items()
        if reason is None and split in dataset_info(folder).splits
    ]
    if not splits:
        return {}
    with one_at_a_time(cache):
        features_of = kept_features(
            config, folder, splits=splits, encoder=encoder, cache=cache, tell=tell
        )
    return dict.fromkeys(splits, features_of)


def built_in_corpus(clips: int, cache: Path, *, tell: Callable[[str], None]) -> Path:
    """The folder of the built-in corpus of that many clips, in all its languages; made if it is not
    there yet.
    """
    folder = cache / f"corpus-{clips}-{VERSION}"

    def report(done: int) -> None:
        if done % max(1, clips // 10) == 0:
            tell(f"  {done:,} of {clips:,} clips")

    with one_at_a_time(cache):
        if not (folder / "dataset.json").exists():
            tell(f"making the built-in corpus of {clips:,} clips in {folder} (once)")
            write_corpus(
                folder, clips=clips, languages=tuple(LANGUAGES), progress=report, overwrite=True
            )
    return folder
