"""Opens the data of a run: a folder of shards, or the built-in corpus, which is generated once and
cached.

The name of the corpus's cache folder contains its size and its version (data/corpus/version.py). A
changed corpus is therefore generated again, and an unchanged one only once.
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
from ksdiff_jax.data.earlier_space import known_space
from ksdiff_jax.data.features import kept_features, why_not_kept
from ksdiff_jax.data.loader import RandomCut, evaluation_batches, training_batches
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import DatasetInfo, ShardReader, dataset_info, motion_space
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import one_at_a_time
from ksdiff_jax.models.system import System
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.speech.load import SpeechEncoder
from ksdiff_jax.train.feed import TrainingData, ValidationBatch
from ksdiff_jax.train.validation_clips import validation_clips

# Whole clips are longer than training cuts; this batch size keeps validation within the memory of a
# training step.
_VALIDATION_ROWS = 8


def open_training_data(
    system: System,
    *,
    cache: Path,
    tell: Callable[[str], None],
    encoder: SpeechEncoder | None = None,
    workdir: Path | None = None,
) -> TrainingData:
    """Return the batches, the validation clips and the motion space of the data that `config.data`
    of a system names.

    A generated corpus is stored in `cache`. So are the features of a frozen pretrained `encoder`,
    if the data set has none. The run in `workdir` keeps its validation clips. Raise `InputError` if
    the data do not meet the requirements of the system (`System.needs`).
    """
    config = system.config
    folder = _folder(config.data.path) or built_in_corpus(
        config.data.corpus_clips, cache, tell=tell
    )
    info = dataset_info(folder)
    space = known_space(folder, given=config.data.space, option="--data.space")
    system.needs.check(space, what=str(folder))
    if space != BUILTIN.name and config.train.samples_every:
        raise InputError(
            f"{folder}: its coefficients are of the {space} space, train.samples_every draws on "
            "the built-in head; set --train.samples_every 0"
        )
    kept = _kept_features(config, folder, encoder=encoder, cache=cache, tell=tell)
    chosen = _validation_clips(config, folder, info=info, workdir=workdir, tell=tell)
    validation = evaluation_batches(
        system.example, chosen, batch_size=_VALIDATION_ROWS, features_of=kept.get("val")
    )
    clips = sum(split.clips for split in info.splits.values())
    hours = sum(split.hours for split in info.splits.values())
    return TrainingData(
        batches=training_batches(
            RandomCut(system.example, config.data.clip_frames, kept.get("train")),
            folder,
            data=config.data,
            seed=config.train.seed,
            host=jax.process_index(),
            hosts=jax.process_count(),
        ),
        validation=[
            ValidationBatch(batch, [clip.clip_id for clip in some]) for batch, some in validation
        ],
        space=motion_space(info, space),
        description=f"{clips:,} clips, {hours:.1f} h ({info.made_by})",
        clips=chosen,
        features_of=kept.get("val"),
    )


def _folder(path: str) -> Path | epath.Path | None:
    """Return the location of the shards: on this machine, or in a bucket (`gs://...`), which
    `pathlib.Path` cannot represent.
    """
    if not path:
        return None
    return epath.Path(path) if "://" in path else Path(path)


def _validation_clips(
    config: Config,
    folder: PathLike,
    *,
    info: DatasetInfo,
    workdir: Path | None,
    tell: Callable[[str], None],
) -> list[Clip]:
    """Return the validation clips; [] if the data set has none, which can happen with few
    speakers.
    """
    if "val" not in info.splits or not info.splits["val"].clips:
        tell(f"{folder}: no validation clips; the run is not validated")
        return []
    reader = ShardReader(folder, "val")
    return validation_clips(reader, config.train.validate_clips, workdir=workdir, tell=tell)


def _kept_features(
    config: Config,
    folder: PathLike,
    *,
    encoder: SpeechEncoder | None,
    cache: Path,
    tell: Callable[[str], None],
) -> dict[str, FeaturesOf]:
    """Return, by split, the function that reads cached features, which need not be computed in
    training.
    """
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
    """Return the folder of the built-in corpus of this many clips, in all its languages; generate
    it if it does not exist.
    """
    folder = cache / f"corpus-{clips}-{VERSION}"

    def report(done: int) -> None:
        if done % max(1, clips // 10) == 0:
            tell(f"  {done:,} of {clips:,} clips")

    with one_at_a_time(cache):
        if not (folder / "dataset.json").exists():
            tell(f"generating the built-in corpus of {clips:,} clips in {folder} (once)")
            write_corpus(
                folder, clips=clips, languages=tuple(LANGUAGES), progress=report, overwrite=True
            )
    return folder
