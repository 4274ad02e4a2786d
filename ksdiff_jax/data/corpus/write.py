"""The built-in corpus as a data set: blocks of clips from worker processes, in order, into shards.

Clip k of a split is the same whatever the size of the corpus up to the end of its block, and
whatever the number of processes: blocks are numbered, and each is made by a fresh process
(`worker.py`).
"""

import io
import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ksdiff_jax.data.corpus.sentences import LANGUAGES, SPLITS, Split
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import DatasetInfo, write_dataset
from ksdiff_jax.errors import InputError

BLOCK_CLIPS = 64
HELD_OUT_SHARE = 0.05  # of the clips, for validation and again for test
LICENCE = "Apache-2.0 (sentences and motion are ours; the sound is the output of espeak-ng)"
PACKAGE_ROOT = Path(__file__).parents[3]


def split_sizes(clips: int) -> dict[Split, int]:
    """Clips per split: at least one in each."""
    held_out = max(1, round(HELD_OUT_SHARE * clips))
    return {"train": clips - 2 * held_out, "val": held_out, "test": held_out}


def write_corpus(
    folder: str | Path,
    *,
    clips: int,
    seed: int = 0,
    languages: Sequence[str] = ("en",),
    processes: int | None = None,
    progress: Callable[[int], None] = lambda clips_done: None,
    overwrite: bool = False,
) -> DatasetInfo:
    """Make `clips` clips and write them into `folder`; `progress` is told how many are done after
    each one.
    """
    if clips < len(SPLITS):
        raise InputError(
            f"a corpus of {clips} clips cannot be split in {len(SPLITS)}; ask for 3 clips or more"
        )
    for language in languages:
        if language not in LANGUAGES:
            raise InputError(
                f"the corpus speaks no {language!r}; choose among {' '.join(LANGUAGES)}"
            )
    done = 0

    def counted(split: Split, count: int) -> Iterator[Clip]:
        nonlocal done
        for clip in corpus_clips(
            split, count=count, seed=seed, languages=languages, processes=processes
        ):
            done += 1
            progress(done)
            yield clip

    return write_dataset(
        folder,
        {split: counted(split, count) for split, count in split_sizes(clips).items()},
        licence=LICENCE,
        made_by=f"ksdiff-jax corpus --clips {clips} --seed {seed} --languages "
        f"{' '.join(languages)}",
        overwrite=overwrite,
    )


def corpus_clips(
    split: Split, *, count: int, seed: int, languages: Sequence[str], processes: int | None = None
) -> Iterator[Clip]:
    """The clips of a split in order, made a few blocks ahead by `processes` processes (by default
    one per core).
    """
    workers = processes or min(4, os.cpu_count() or 1)
    blocks = [
        {"seed": seed, "split": split, "first": first, "count": min(BLOCK_CLIPS, count - first)}
        | {"languages": list(languages)}
        for first in range(0, count, BLOCK_CLIPS)
    ]
    waiting: deque[Future[list[Clip]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for block in blocks:
                waiting.append(pool.submit(_run_worker, block))
                if len(waiting) > workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _run_worker(block: dict) -> list[Clip]:
    path = os.pathsep.join(filter(None, (str(PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    # One thread each: the processes share the cores between them.
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "ksdiff_jax.data.corpus.worker", json.dumps(block)]
    result = subprocess.run(command, env=environment, capture_output=True, check=False)
    items = _unpickled(result.stdout)
    if items and isinstance(items[-1], InputError):
        raise items[-1]
    if result.returncode != 0 or len(items) != block["count"]:
        raise RuntimeError(
            f"a corpus worker failed on {block}:\n{result.stderr.decode(errors='replace')}"
        )
    return items


def _unpickled(data: bytes) -> list:
    items, stream = [], io.BytesIO(data)
    while stream.tell() < len(data):
        items.append(pickle.load(stream))
    return items
