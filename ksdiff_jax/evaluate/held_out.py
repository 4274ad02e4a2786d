"""Held-out clips of the built-in corpus, made once and kept in a folder for what can be made again.

A clip of the corpus is a function of (split, number, seed, languages), whatever the size of the
corpus, so the test split can be had without the hours of training clips. The folder's name carries
the version of the corpus (data/corpus/version.py): an old cache is never mistaken for a new one.
"""

from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.data.corpus.version import VERSION
from ksdiff_jax.data.corpus.write import LICENCE, corpus_clips
from ksdiff_jax.data.shards import DESCRIPTION, write_dataset


def held_out_corpus(
    cache: Path,
    *,
    split: str,
    clips: int,
    languages: tuple[str, ...],
    seed: int = 0,
    clips_of: Callable = corpus_clips,
) -> Path:
    """The folder (under `cache`) of a data set that holds only `split`, made on first use, about a
    second a clip.
    """
    name = f"{split}-{clips}-seed{seed}-{'-'.join(languages)}-{VERSION}"
    folder = cache / "corpus" / name
    if not (folder / DESCRIPTION).is_file():
        made = clips_of(split, count=clips, seed=seed, languages=languages)
        made_by = "ksdiff-jax evaluate"
        # a cache is our own
        write_dataset(folder, {split: made}, licence=LICENCE, made_by=made_by, overwrite=True)
    return folder
