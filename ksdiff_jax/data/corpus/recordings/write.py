"""Writes recordings of speech as a data set: labels of the articulation on real acoustics.

People are held apart, as in `prepare`: of one or two there is a split to train on only, of three
also one to validate on. Head, brows and blinks of a clip are random, a function of the seed and the
clip's name.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ksdiff_jax.data.corpus.recordings.labelled import spoken_clips
from ksdiff_jax.data.corpus.recordings.read import LabelledSpeech
from ksdiff_jax.data.corpus.synthesis import animate_clip
from ksdiff_jax.data.corpus.targets import PHONETIC_NAME, named_targets, targets_option
from ksdiff_jax.data.prepare.splits import SPLITS, SplitRule, assign_splits
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import DatasetInfo, write_dataset

LICENCE = "that of the recordings; the labels of the motion are ours, Apache-2.0"


def write_speech(
    out: str | Path,
    speech: LabelledSpeech,
    *,
    name: str,
    seed: int = 0,
    language: str = "",
    licence: str = LICENCE,
    targets: str = PHONETIC_NAME,
    progress: Callable[[int], None] = lambda recordings_done: None,
    overwrite: bool = False,
) -> DatasetInfo:
    """Write the clips of all recordings; `name` names the set, `targets` the
    table of the mouths. `progress` is called with the number of recordings done.
    """
    splits = assign_splits(
        {recording.name: recording.speaker_id for recording in speech.recordings},
        SplitRule(seed=seed),
    )
    table = named_targets(targets)
    done, stressed = 0, speech.stressed

    def of_split(split: str) -> Iterator[Clip]:
        nonlocal done
        for recording in speech.recordings:
            if splits[recording.name] != split:
                continue
            for number, spoken in enumerate(
                spoken_clips(recording, stressed=stressed, language=language)
            ):
                clip_id = f"{recording.name}-{number:03d}"
                rng = np.random.default_rng([seed, zlib.crc32(clip_id.encode())])
                yield animate_clip(spoken, rng, clip_id=clip_id, source=name, targets=table)
            done += 1
            progress(done)

    seen = [found.path for found in speech.recordings if splits[found.name] != "test"]
    return write_dataset(
        out,
        {split: of_split(split) for split in SPLITS if split in splits.values()},
        licence=licence,
        made_by=f"ksdiff-jax corpus --speech {name} --seed {seed}{targets_option(targets)}; "
        f"{times_from(speech)}",
        source_digests=sorted({_digest(path) for path in seen}),
        overwrite=overwrite,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def times_from(speech: LabelledSpeech) -> str:
    """Return where the times are from, in a few words."""
    beside = len(speech.recordings) - speech.aligned
    parts = [f"times of {beside} recordings in {speech.notation}"] if beside else []
    parts += [f"{speech.aligned} aligned by pocketsphinx"] if speech.aligned else []
    return ", ".join(parts)
