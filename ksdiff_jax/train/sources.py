"""Opens the data of a run: one folder of shards or the built-in corpus, or several data sets that
are mixed by weight.

The built-in corpus is generated once and cached. The name of its cache folder contains its size and
its version (data/corpus/version.py). A changed corpus is therefore generated again, and an
unchanged one only once.

Of several data sets (`data.sources`) every training row, validation clip and statistic is described
in data/mixture.py. The validation clips are divided equally among the sources that have any. All
sources have one motion space. A clip of one of them has the name of its source as `data_set`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from etils import epath

from ksdiff_jax.config import Config, SourceConfig
from ksdiff_jax.data.chosen import shares
from ksdiff_jax.data.corpus.sentences import LANGUAGES
from ksdiff_jax.data.corpus.version import VERSION
from ksdiff_jax.data.corpus.write import Recipe, write_corpus
from ksdiff_jax.data.description import PathLike, check_pictures
from ksdiff_jax.data.drawn_lids import DrawnLids, with_lids_statistics
from ksdiff_jax.data.earlier_space import known_space
from ksdiff_jax.data.features import kept_features, why_not_kept
from ksdiff_jax.data.latents import PictureEncoder, kept_latents
from ksdiff_jax.data.loader import (
    RandomCut,
    ShuffledEpochs,
    evaluation_batches,
    training_batches,
    training_reader,
)
from ksdiff_jax.data.mixture import Mixture, OfSource, pooled_moments, speakers_by_split
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import DatasetInfo, ShardReader, dataset_info
from ksdiff_jax.data.teacher_targets import teacher_targets
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import one_at_a_time
from ksdiff_jax.models.pretrained import read_pretrained
from ksdiff_jax.models.system import System
from ksdiff_jax.motion.space import BUILTIN, SPACES, MotionSpace
from ksdiff_jax.pictures.rendered import Renderer
from ksdiff_jax.speech.load import SpeechEncoder
from ksdiff_jax.train.feed import TrainingData, ValidationBatch
from ksdiff_jax.train.run_space import kept_statistics
from ksdiff_jax.train.validation_clips import validation_clips
from ksdiff_jax.typing import Float

# Whole clips are longer than training cuts; this batch size keeps validation within the memory of a
# training step.
_VALIDATION_ROWS = 8
# Ratio of deviations from which the motion of a number is unknown to the starting weights.
UNKNOWN_TIMES = 4.0


class Source(NamedTuple):
    """One data set of a run."""

    folder: PathLike
    info: DatasetInfo
    weight: float
    name: str  # "" if it is the only one, by `data.path`
    lids: str = "own"

    def clips(self, split: Sequence[Clip]) -> Sequence[Clip]:
        """Return clips of this data set with its name."""
        return OfSource(split, self.name) if self.name else split

    def info_as_trained(self) -> DatasetInfo:
        """Return the description with the statistics of the lids that the clips are to have."""
        return with_lids_statistics(self.info) if self.lids == "drawn" else self.info

    def with_lids(self, clips: Sequence[Clip], *, seed: int) -> Sequence[Clip]:
        """Return a sequence of clips of this data set with the lids that it is to have."""
        return DrawnLids(clips, seed) if self.lids == "drawn" else clips


@dataclass(frozen=True)
class FeaturesOfSources:
    """Reads the cached speech features of a clip of any source; a plain value, so that it can be
    sent to reader processes.
    """

    by_name: Mapping[str, FeaturesOf]

    def __call__(self, clip: Clip) -> Float[np.ndarray, "f d"]:
        """Return the features of the clip, from its own source."""
        return self.by_name[clip.data_set](clip)


def open_training_data(
    system: System,
    *,
    cache: Path,
    tell: Callable[[str], None],
    encoder: SpeechEncoder | PictureEncoder | None = None,
    workdir: Path | None = None,
) -> TrainingData:
    """Return the batches, the validation clips and the motion space of the data that `config.data`
    of a system names.

    A generated corpus is stored in `cache`. So are the features of a frozen pretrained `encoder`,
    or of a teacher, if the data set has none, and the latents of a frozen encoder of pictures. The
    run in `workdir` keeps its validation clips.
    Raise `InputError` if the data do not meet the requirements of the system (`System.needs`).
    """
    config = system.config
    sources = _opened(config, cache, tell, pictures=system.needs.pictures)
    space = _common_space(sources, system)
    if config.data.sources:
        _check_sources(sources, system, tell)
    elif system.needs.styles:
        raise InputError(
            f"model.generator.styles {', '.join(system.needs.styles)}: a style is the name of a "
            "source; name the data by data.sources"
        )
    kept = _kept_features(system, sources, encoder=encoder, cache=cache, tell=tell)
    chosen = _validation_clips(config, sources, workdir=workdir, tell=tell)
    validation = evaluation_batches(
        system.example, chosen, batch_size=_VALIDATION_ROWS, features_of=kept.get("val")
    )
    seed = config.train.seed
    return TrainingData(
        batches=training_batches(
            RandomCut(system.example, config.data.clip_frames, kept.get("train")),
            _training_clips(config, sources),
            data=config.data,
            seed=seed,
            host=jax.process_index(),
            hosts=jax.process_count(),
        ),
        validation=[
            ValidationBatch(batch, [clip.clip_id for clip in some]) for batch, some in validation
        ],
        space=_with_statistics(config, sources, space, workdir=workdir),
        description="; ".join(map(_description, sources)),
        clips=chosen,
        features_of=kept.get("val"),
        source_digests=tuple(sorted({d for source in sources for d in source.info.source_digests})),
    )


def _opened(
    config: Config, cache: Path, tell: Callable[[str], None], *, pictures: int
) -> list[Source]:
    """Return the data sets of a run; the built-in corpus is generated if it is one of them. Raise
    `InputError` for one without pictures of that side, if they are needed.
    """
    data = config.data

    def opened(source: SourceConfig, name: str) -> Source:
        folder = _folder(source.path) or built_in_corpus(
            data.corpus_clips, cache, tell=tell, pictures=pictures
        )
        info = dataset_info(folder)
        check_pictures(info, pictures, what=str(folder))
        if source.weight and not ("train" in info.splits and info.splits["train"].clips):
            what = f"data.sources {name} ({folder})" if name else str(folder)
            raise InputError(
                f"{what}: no training clips in it; prepare it with clips in the split `train`"
                + (", or leave the source out" if name else "")
            )
        return Source(folder, info, source.weight, name, source.lids)

    if not data.sources:
        return [opened(SourceConfig(path=data.path), "")]
    return [opened(source, source.label) for source in data.sources]


def _folder(path: str) -> Path | epath.Path | None:
    """Return the location of the shards: on this machine, or in a bucket (`gs://...`), which
    `pathlib.Path` cannot represent.
    """
    if not path:
        return None
    return epath.Path(path) if "://" in path else Path(path)


def _common_space(sources: Sequence[Source], system: System) -> str:
    """Return the name of the motion space of all sources; raise `InputError` if the system cannot
    use it, or if they differ.
    """
    config, names = system.config, {}
    for source in sources:
        space = known_space(source.folder, given=config.data.space, option="--data.space")
        names.setdefault(space, source)
    if len(names) > 1:
        stated = " and ".join(f"{one.name} of the {name} space" for name, one in names.items())
        raise InputError(
            f"data.sources: {stated}; a run has one motion space, prepare all for the same face"
        )
    space = next(iter(names))
    for source in sources:
        system.needs.check(space, what=str(source.folder))
        if space != BUILTIN.name and source.lids != "own":
            raise InputError(
                f"data.sources {source.name} lids={source.lids}: blinks are those of the built-in "
                f"head, its clips are of the {space} space; leave lids out"
            )
        if space != BUILTIN.name and config.train.samples_every:
            raise InputError(
                f"{source.folder}: its coefficients are of the {space} space, train.samples_every "
                "draws on the built-in head; set --train.samples_every 0"
            )
    return space


def _check_sources(sources: Sequence[Source], system: System, tell: Callable[[str], None]) -> None:
    """Raise `InputError` if two sources have the same clip, or for a style that no source has; tell
    of speakers who are trained on in one and validated on in another.
    """
    folders = {source.name: source.folder for source in sources}
    speakers = speakers_by_split(folders, data=system.config.data)
    trained = {source.name: speakers[source.name].get("train", set()) for source in sources}
    known = {f"{name}/{speaker}" for name, present in trained.items() for speaker in present}
    for style in system.needs.styles:
        if style not in known and style not in trained:
            some = ", ".join([*trained, *sorted(known)][:8])
            raise InputError(
                f"model.generator.styles {style}: no source and no speaker of that name; need some "
                f"of {some} ..."
            )
    for source in system.config.data.sources:
        if source.style and source.style not in system.needs.styles:
            raise InputError(
                f"data.sources {source.label} style={source.style}: the model has no such style; "
                f"model.generator.styles has {', '.join(system.needs.styles) or 'none'}"
            )
    for held_out, splits in speakers.items():
        for name, present in trained.items():
            both = sorted(present & splits.get("val", set()))
            if both and name != held_out:
                tell(
                    f"data.sources: {', '.join(both[:5])} in the validation split of {held_out} "
                    f"and in the training split of {name}; if they are the same people, the "
                    "validation is not of unseen people"
                )


def _training_clips(config: Config, sources: Sequence[Source]) -> Sequence[Clip]:
    """Return the endless sequence of training clips: of one data set, or of several by weight."""
    seed = config.train.seed

    def endless_clips(source: Source) -> Sequence[Clip]:
        clips = source.clips(training_reader(source.folder, data=config.data))
        return source.with_lids(ShuffledEpochs(clips, seed), seed=seed)

    endless = [endless_clips(source) for source in sources if source.weight]
    weights = [source.weight for source in sources if source.weight]
    return endless[0] if len(endless) == 1 else Mixture(endless, weights)


def _with_statistics(
    config: Config, sources: Sequence[Source], space: str, *, workdir: Path | None
) -> MotionSpace:
    """Return the motion space with the mean and deviation that `data.statistics` names."""
    name, start = config.data.statistics, config.train.init_from
    drawn = any(source.lids == "drawn" for source in sources)
    # Earlier versions had the statistics of tracked lids; a run that began with them keeps them.
    if (name == "init" or drawn) and (kept := kept_statistics(workdir)) is not None:
        return SPACES[space].with_statistics(*kept)
    mean, std = pooled = _pooled(sources)
    if name == "init":
        if not start:
            raise InputError(
                "data.statistics init: those of the starting weights; name these with "
                "--train.init_from"
            )
        given = read_pretrained(start).space
        mean, std = np.array(given.mean), np.array(given.std)
    elif name:
        mean, std = _pooled([source for source in sources if source.name == name])
    return SPACES[space].with_statistics(mean, known_deviation(std, pooled[1]))


def _pooled(sources: Sequence[Source]) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    weights = [source.weight for source in sources] if len(sources) > 1 else [1.0]
    return pooled_moments([source.info_as_trained() for source in sources], weights)


def known_deviation(
    given: Float[np.ndarray, "m"], pooled: Float[np.ndarray, "m"]
) -> Float[np.ndarray, "m"]:
    """Return the deviations of one source or of the starting weights, but those of all data for
    numbers that move `UNKNOWN_TIMES` as much in it: normalised by a deviation of almost 0, they
    would outweigh all others in the loss.
    """
    return np.where(pooled > UNKNOWN_TIMES * given, pooled, given)


def _description(source: Source) -> str:
    splits = source.info.splits.values()
    clips, hours = sum(split.clips for split in splits), sum(split.hours for split in splits)
    named = f"{source.name}, weight {source.weight:g}: " if source.name else ""
    return f"{named}{clips:,} clips, {hours:.1f} h ({source.info.made_by})"


def _validation_clips(
    config: Config,
    sources: Sequence[Source],
    *,
    workdir: Path | None,
    tell: Callable[[str], None],
) -> list[Clip]:
    """Return the validation clips, an equal share of each source and of each in turn; [] if no data
    set has any, which can happen with few speakers.
    """
    splits = {}
    for source in sources:
        if "val" in source.info.splits and source.info.splits["val"].clips:
            clips = source.clips(ShardReader(source.folder, "val"))
            splits[source.name] = source.with_lids(clips, seed=config.train.seed)
        elif len(sources) > 1:
            tell(f"{source.folder}: no validation clips; the run is validated on the other sources")
    if not splits:
        tell(f"{sources[0].folder}: no validation clips; the run is not validated")
    counts = shares(
        {name: len(split) for name, split in splits.items()}, config.train.validate_clips
    )
    chosen = [
        validation_clips(split, counts[name], workdir=workdir, tell=tell, data_set=name)
        for name, split in splits.items()
    ]
    return [clip for turn in zip_longest(*chosen) for clip in turn if clip is not None]


def _kept_features(
    system: System,
    sources: Sequence[Source],
    *,
    encoder: SpeechEncoder | PictureEncoder | None,
    cache: Path,
    tell: Callable[[str], None],
) -> dict[str, FeaturesOf]:
    """Return, by split, the function that reads cached features, which need not be computed in
    training. Those of a teacher are returned as targets.
    """
    if encoder is None:
        return {}
    config, teaches = system.config, "teacher" in system.needs.kept
    coded = "latents" in system.needs.kept
    reasons = {
        split: None if teaches or coded else why_not_kept(config, split=split)
        for split in ("train", "val")
    }
    if reasons["train"]:
        tell(f"the speech encoder runs in every training step: {reasons['train']}")
    wanted = [split for split, reason in reasons.items() if reason is None]
    found = {}
    for source in sources:
        splits = [split for split in wanted if split in source.info.splits]
        if splits:
            with one_at_a_time(cache):
                found[source.name] = (kept_latents if coded else kept_features)(
                    source.folder, splits=splits, encoder=encoder, cache=cache, tell=tell
                )
    if not found:
        return {}
    features_of = FeaturesOfSources(found) if config.data.sources else found[""]
    if teaches:
        drawn = [source for source in sources if source.weight]
        clips = [source.clips(training_reader(source.folder, data=config.data)) for source in drawn]
        features_of = teacher_targets(features_of, clips)
    present = {split for source in sources for split in source.info.splits}
    return {split: features_of for split in wanted if split in present}


def built_in_corpus(
    clips: int, cache: Path, *, tell: Callable[[str], None], pictures: int = 0
) -> Path:
    """Return the folder of the built-in corpus of this many clips, in all its languages; generate
    it if it does not exist. `pictures` is the side of its rendered pictures; 0: none.
    """
    drawn = Renderer(pictures) if pictures else None
    folder = cache / (f"corpus-{clips}-{VERSION}" + (f"-pictures{pictures}" if pictures else ""))

    def report(done: int) -> None:
        if done % max(1, clips // 10) == 0:
            tell(f"  {done:,} of {clips:,} clips")

    with one_at_a_time(cache):
        if not (folder / "dataset.json").exists():
            tell(f"generating the built-in corpus of {clips:,} clips in {folder} (once)")
            write_corpus(
                folder,
                Recipe(languages=tuple(LANGUAGES)),
                clips=clips,
                progress=report,
                overwrite=True,
                drawn=drawn,
            )
    return folder
