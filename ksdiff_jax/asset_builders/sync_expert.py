"""Fits the lip-sync model that ships, `assets/checkpoints/sync`, measured on held-out people.

    python -m ksdiff_jax.asset_builders.sync_expert SHARDS OUT [UNSEEN]

SHARDS is the data set of real people that `ksdiff-jax prepare --held-out 0` makes of a folder of
each person; it records the files of all its clips, which the checkpoint then lists. The map of the
form `linear` (models/sync/network.py) is the ridge regression of the mouth's numbers, as the model
normalises them, on the rows of speech features. Its moments are those of `CLIPS` clips of the
built-in corpus and of the people, with equal weight.

People of a fold (`assets/people_folds.json`) are judged by a map of the corpus and of the people of
the other folds, whose penalty is the one that wins the most trials of the people of each of those
folds by a map without them. People of UNSEEN, a second data set, are judged by the map that ships
and never fitted; they are of `never`. Anybody else is left out. The normalisation is that of the
corpus, so that no held-out person enters it.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.corpus.sentences import LANGUAGES
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import dataset_info, motion_space
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.held_out import held_out_corpus
from ksdiff_jax.evaluate.intervals import Interval, bootstrap_interval
from ksdiff_jax.evaluate.people_folds import people_folds
from ksdiff_jax.evaluate.ridge import Moments, fit_ridge, moments, with_neighbours
from ksdiff_jax.evaluate.run import read_clips
from ksdiff_jax.evaluate.sync import judge, recorded_features
from ksdiff_jax.files import cache_folder
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.models.speech_encoder import encoder_params, with_encoder
from ksdiff_jax.models.sync.expert import Expert
from ksdiff_jax.models.sync.network import mouth_of
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.outputs import check_output_folder
from ksdiff_jax.overrides import load_config, override
from ksdiff_jax.ownership import CHECKPOINT

CLIPS, PENALTIES, FEWEST_FOLDS = 256, (1e3, 3e3, 1e4, 3e4), 3


class Heard(NamedTuple):
    """A clip, who speaks in it, and its speech features; `other` is the motion of the next clip,
    of the same person but for the last one of each, repeated or cut to the clip's length.
    """

    clip: Clip
    person: str
    features: np.ndarray
    other: np.ndarray


class Trials(NamedTuple):
    """Shares of spoken windows of a person in which its own motion wins, and their number."""

    shifted: float  # against the same clip, 0.4 s away or more
    other_clip: float  # against the same place of another clip
    windows: int


def main(shards: str, out: str, unseen: str = "") -> None:
    """Measure, fit and write the checkpoint; the `card.md` of an earlier one in OUT stays.

    Raise `InputError` before any work for people or files that are not known, and for another
    folder than an earlier checkpoint in OUT.
    """
    check_output_folder(Path(out), CHECKPOINT)
    files, clips = source_digests(shards), people_clips(shards)
    others = people_clips(unseen, never=True) if unseen else []
    config, encoder = with_encoder(override(load_config("sync_demo"), {"name": "sync"}))
    folder = held_out_corpus(cache_folder(), split="train", clips=CLIPS, languages=tuple(LANGUAGES))
    untrained = Expert(
        Sync(config, motion_space(dataset_info(folder), "builtin")), encoder_params(encoder)
    )
    corpus = _sums(untrained, _heard(untrained, read_clips(folder, split="train")))
    folds = _by_group(_heard(untrained, clips))
    sums = {name: _sums(untrained, heard) for name, heard in folds.items()}
    trials: dict[str, Trials] = {}
    for name, heard in folds.items():
        rest = {other: part for other, part in sums.items() if other != name}
        penalty = chosen_penalty(untrained, corpus, rest, folds)
        print(f"{name}: penalty {penalty:g}", flush=True)
        trials |= judged(fitted(untrained, corpus, rest.values(), penalty=penalty), heard)
    penalty = chosen_penalty(untrained, corpus, sums, folds)
    expert = fitted(untrained, corpus, sums.values(), penalty=penalty)
    figures = _figures(trials, judged(expert, _heard(untrained, others)), penalty=penalty)
    for name, value in figures.items():
        print(f"{name}: {value}")
    card = Path(out) / "card.md"
    save_pretrained(
        out,
        config=config,
        params={"suggested_mouth": expert.params["suggested_mouth"]},
        space=untrained.system.space,
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        extra={
            "metrics": figures,
            "data": f"{CLIPS} clips of the built-in corpus and {len(trials)} people",
            "sources_digests": files,
        },
        float16=True,
    )


def source_digests(shards: str) -> list[str]:
    """Return the SHA-256 of the files of all clips, and raise `InputError` if the data set does not
    record them all: `prepare` leaves out those of its test split.
    """
    info = dataset_info(shards)
    if not info.source_digests:
        raise InputError(
            f"{shards}: the files of the clips are not recorded; prepare videos with this version"
        )
    if "test" in info.splits and info.splits["test"].clips:
        raise InputError(
            f"{shards}: the files of the clips of the test split are not recorded; prepare them "
            "with --held-out 0"
        )
    return list(info.source_digests)


def people_clips(shards: str, *, never: bool = False) -> list[Clip]:
    """Return the clips of all splits whose speaker is in the folds, or with `never` is one that
    nothing is fitted to.

    Raise `InputError` if there is nobody, or if somebody of `never` is among the others.
    """
    folds = people_folds()
    fitted_to = {person for people in folds.folds for person in people}
    found = [
        clip
        for split, info in dataset_info(shards).splits.items()
        if info.clips
        for clip in read_clips(shards, split=split)
    ]
    met = {_person(clip) for clip in found}
    if not never and (wrong := sorted(met & folds.never)):
        raise InputError(
            f"{shards}: nothing is fitted to {', '.join(wrong)}; prepare them apart, as UNSEEN"
        )
    wanted = folds.never if never else fitted_to
    if not met & wanted:
        raise InputError(f"{shards}: nobody here is of {sorted(wanted)} (people_folds.json)")
    groups = {folds.group(person) for person in met & wanted}
    if not never and len(groups) < FEWEST_FOLDS:
        raise InputError(
            f"{shards}: people of {len(groups)} folds (people_folds.json), need {FEWEST_FOLDS}: "
            "one is judged, one fitted to, one to choose the penalty"
        )
    wanted_clips = [clip for clip in found if _person(clip) in wanted]
    return sorted(wanted_clips, key=lambda clip: (_person(clip), clip.clip_id))


def fitted(
    untrained: Expert, corpus: Moments, people: Iterable[Moments], *, penalty: float
) -> Expert:
    """Return the model of the corpus and of people, both with equal weight."""
    real = _total(people)
    weighted = Moments(*(value * (real.count / corpus.count) for value in corpus))
    ridge = fit_ridge(real.plus(weighted), penalty=penalty)
    kernel = np.asarray(ridge.weights, np.float32)
    return untrained._replace(
        params=untrained.params | {"suggested_mouth": {"map": {"kernel": kernel}}}
    )


def chosen_penalty(
    untrained: Expert,
    corpus: Moments,
    sums: dict[str, Moments],
    folds: dict[str, list[Heard]],
) -> float:
    """Return the penalty that wins the most trials of the people of every fold of `sums`, judged by
    a model without them.
    """
    scores = []
    for penalty in PENALTIES:
        found: dict[str, Trials] = {}
        for name in sums:
            rest = [part for other, part in sums.items() if other != name]
            model = fitted(untrained, corpus, rest, penalty=penalty)
            found |= judged(model, folds[name])
        scores.append(np.mean([each.shifted for each in found.values()]))
    return PENALTIES[int(np.argmax(scores))]


def judged(expert: Expert, heard: Sequence[Heard]) -> dict[str, Trials]:
    """Return the trials of every person: the mean over clips."""
    clips, features = [each.clip for each in heard], [each.features for each in heard]
    own = judge(expert, clips, [motion_of_clip(clip) for clip in clips], features=features)
    other = judge(expert, clips, [each.other for each in heard], features=features)
    rows: dict[str, list[tuple[float, float, int]]] = {}
    for each, mine, theirs in zip(heard, own, other, strict=True):
        counted = mine.spoken & np.isfinite(mine.won)
        if counted.any():
            ahead = (mine.probability > theirs.probability)[counted]
            row = (mine.won[counted].mean(), ahead.mean(), counted.sum())
            rows.setdefault(each.person, []).append(row)
    return {
        person: Trials(*map(float, np.mean(own_rows, axis=0)[:2]), int(np.sum(own_rows, axis=0)[2]))
        for person, own_rows in rows.items()
    }


def _figures(trials: dict[str, Trials], unseen: dict[str, Trials], *, penalty: float) -> dict:
    """Return what the card reports."""
    shifted = bootstrap_interval([each.shifted for each in trials.values()])
    other = bootstrap_interval([each.other_clip for each in trials.values()])
    return {
        "penalty": penalty,
        "people": len(trials),
        "windows": sum(each.windows for each in trials.values()),
        **_bounds("held_out_accuracy", shifted),
        **_bounds("held_out_accuracy_against_another_clip", other),
        **{f"held_out_accuracy/{name}": each.shifted for name, each in trials.items()},
        **{f"never_seen_accuracy/{name}": each.shifted for name, each in unseen.items()},
    }


def _bounds(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _heard(untrained: Expert, clips: Sequence[Clip]) -> list[Heard]:
    found = []
    for number, features in enumerate(recorded_features(untrained, clips)):
        clip, after = clips[number], clips[(number + 1) % len(clips)]
        motion = motion_of_clip(after)
        other = np.resize(motion, (clip.frames, motion.shape[1]))
        found.append(Heard(clip, _person(clip), features, other))
    return found


def _by_group(heard: Sequence[Heard]) -> dict[str, list[Heard]]:
    groups: dict[str, list[Heard]] = {}
    for each in heard:
        groups.setdefault(people_folds().group(each.person), []).append(each)
    return groups


def _sums(untrained: Expert, heard: Sequence[Heard]) -> Moments:
    """Return the moments of clips: rows of features, and the numbers of the mouth."""
    system = untrained.system
    config, rows, mouths = system.config.model, [], []
    for each in heard:
        pairs = each.features.reshape(each.clip.frames, -1, each.features.shape[1])
        rows.append(with_neighbours(pairs.mean(axis=1), reach=config.context_frames))
        motion = jnp.asarray(motion_of_clip(each.clip)[None], jnp.float32)
        mask = jnp.ones(motion.shape[:2], bool)
        mouths.append(np.asarray(mouth_of(motion, mask, config=config, space=system.space))[0])
    return moments(np.concatenate(rows), np.concatenate(mouths))


def _total(parts: Iterable[Moments]) -> Moments:
    first, *others = parts
    for other in others:
        first = first.plus(other)
    return first


def _person(clip: Clip) -> str:
    return clip.speaker_id.rpartition("/")[2]


if __name__ == "__main__":
    main(*sys.argv[1:])
