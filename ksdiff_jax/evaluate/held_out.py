"""Held-out clips of the built-in corpus, generated once and kept in a cache folder.

A clip of the corpus is a function of (split, number, seed, languages) and does not depend on the
size of the corpus, so the test split can be generated without the hours of training clips. The
folder's name contains the version of the corpus (data/corpus/version.py), so an old cache is never
used for a new version.
"""

from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.data.corpus.version import VERSION
from ksdiff_jax.data.corpus.write import LICENCE, Recipe, corpus_clips
from ksdiff_jax.data.shards import DESCRIPTION, write_dataset
from ksdiff_jax.pictures.rendered import Renderer


def held_out_corpus(
    cache: Path,
    *,
    split: str,
    clips: int,
    languages: tuple[str, ...],
    seed: int = 0,
    clips_of: Callable = corpus_clips,
    pictures: int = 0,
) -> Path:
    """Return the folder (under `cache`) of a data set that contains only `split`; it is generated
    on first use, in about a second per clip. `pictures` is the side of its rendered pictures; 0:
    none.
    """
    name = f"{split}-{clips}-seed{seed}-{'-'.join(languages)}-{VERSION}"
    if pictures:
        name += f"-pictures{pictures}"
    folder = cache / "corpus" / name
    if not (folder / DESCRIPTION).is_file():
        made = clips_of(split, Recipe(seed, languages), count=clips)
        if pictures:
            made = map(Renderer(pictures), made)
        made_by = "ksdiff-jax evaluate"
        # a cache is our own
        write_dataset(folder, {split: made}, licence=LICENCE, made_by=made_by, overwrite=True)
    return folder
