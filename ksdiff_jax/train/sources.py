"""Where a run's data come from: a folder of shards, or the built-in corpus, made once and kept.

The corpus lies in a cache folder under a name that says its size and the digest of the code that makes it, so a
changed generator makes a new one and an unchanged one is never made twice.
"""

from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.config import Config
from ksdiff_jax.data.corpus.digest import source_digest
from ksdiff_jax.data.corpus.sentences import LANGUAGES
from ksdiff_jax.data.corpus.write import write_corpus
from ksdiff_jax.data.loader import evaluation_batches, training_batches
from ksdiff_jax.data.shards import dataset_info, statistics
from ksdiff_jax.train.feed import TrainingData

# Whole clips are longer than training cuts; this many at once keep validation within the memory of a training step.
_VALIDATION_ROWS = 8


def open_training_data(config: Config, *, cache: Path, tell: Callable[[str], None]) -> TrainingData:
    """The batches, the validation clips and the statistics that `config.data` names; a made corpus goes to `cache`."""
    folder = Path(config.data.path) if config.data.path else built_in_corpus(config.data.corpus_clips, cache, tell=tell)
    info = dataset_info(folder)
    validation = evaluation_batches(
        folder, "val", config=config, batch_size=_VALIDATION_ROWS, limit=config.train.validate_clips
    )
    clips = sum(split.clips for split in info.splits.values())
    hours = sum(split.hours for split in info.splits.values())
    return TrainingData(
        batches=training_batches(config, folder, seed=config.train.seed),
        validation=[batch for batch, _ in validation],
        statistics=statistics(folder),
        description=f"{clips:,} clips, {hours:.1f} h ({info.made_by})",
        folder=folder,
    )


def built_in_corpus(clips: int, cache: Path, *, tell: Callable[[str], None]) -> Path:
    """The folder of the built-in corpus of that many clips, in all its languages; made if it is not there yet."""
    folder = cache / f"corpus-{clips}-{source_digest()[:12]}"
    if not (folder / "dataset.json").exists():
        tell(f"making the built-in corpus of {clips:,} clips in {folder} (once)")

        def report(done: int) -> None:
            if done % max(1, clips // 10) == 0:
                tell(f"  {done:,} of {clips:,} clips")

        write_corpus(folder, clips=clips, languages=tuple(LANGUAGES), progress=report)
    return folder
