"""One run of an ablation study, in a process of its own.

    python -m ksdiff_jax.cli.ablate_run FOLDER ROW SEED [--cores 0,1] [--device cpu]

It trains the row, or resumes it, and scores it on the clips of the study. What exists is not made
again. When the process that started it ends, standard input closes, and the run stops as for
SIGTERM: it saves a checkpoint.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.cli.ablate_folder import (
    SCORES,
    Run,
    Study,
    digest_of,
    open_study,
    read_scores,
    trained_steps,
)
from ksdiff_jax.cli.console import Console, notices_as_lines, without_library_logs
from ksdiff_jax.cli.evaluate_rows import table_engine
from ksdiff_jax.cli.streams import put_error, repair_streams
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import set_home, write_json
from ksdiff_jax.heap import keep_freed_memory
from ksdiff_jax.plain_text import one_line


def main(argv: list[str]) -> int:
    """Make one run; return its exit status, as `ksdiff-jax train` would."""
    repair_streams()
    set_home()
    keep_freed_memory()
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("row")
    parser.add_argument("seed", type=int)
    parser.add_argument("--cores", default="")
    parser.add_argument("--device")
    args = parser.parse_args(argv)
    if args.cores and hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, set(map(int, args.cores.split(","))))
    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    console = Console("ablate")
    try:
        with without_library_logs(console), notices_as_lines(console):
            return make(open_study(args.folder), Run(args.row, args.seed), device=args.device)
    except InputError as error:
        put_error(f"ksdiff-jax ablate: {one_line(str(error))}")
        return 2


def _stop_with_the_parent() -> None:
    # Not through sys.stdin: Python cannot end while a thread holds its lock.
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def make(study: Study, run: Run, *, device: str | None = None) -> int:
    """Train a run unless it is trained, and score it; return 0, or 128 + the signal that stopped
    it.
    """
    from ksdiff_jax.cli.device import keep_compilations, use_device
    from ksdiff_jax.cli.train import train_system
    from ksdiff_jax.evaluate.ablations import ablated

    use_device(device)
    keep_compilations()
    config, workdir = ablated(study.config, run.row, seed=run.seed), study.workdir(run)
    if trained_steps(workdir) < config.train.steps:
        # Losses are enough to see whether a row still improves; figures need samples.
        status = train_system(config, workdir, console=Console("ablate"), evaluate=None)
        if status:
            return status
    begun = time.perf_counter()
    found = scored(study, run)
    write_json(study.scores(run), found)
    put_error(f"scored in {time.perf_counter() - begun:.0f} s")
    return 0


def scored(study: Study, run: Run) -> dict:
    """Return the figures of a trained run for every clip of the study."""
    from ksdiff_jax.evaluate.run import keyframe_settings, predict_clips
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.pretrained import load_pretrained

    pretrained = load_pretrained(study.workdir(run))
    system = build_system(pretrained.config, pretrained.space)
    space = pretrained.space.name
    clips = clips_of(study, space=space)
    wanted = (read_scores(study.beside) or {}).get("clips_sha256", digest_of(clips))
    if digest_of(clips) != wanted:
        raise InputError(f"{study.data}: its clips changed since the study began")
    engine = table_engine(system, pretrained, clips)
    predictions = predict_clips(engine, clips, seed=study.seed, samples=study.samples)
    figures = figures_of(study, clips, predictions, keyframe_settings(study.config))
    about = {"row": run.row, "seed": run.seed, "digest": pretrained.digest}
    return scores_document(clips, {run.row: figures}) | about


def clips_of(study: Study, *, space: str = "", tell: Callable[[str], None] = str) -> list:
    """Return the clips of the study; raise `InputError` if there are none. The built-in corpus is
    made if it does not exist.
    """
    from ksdiff_jax.data.shards import dataset_info
    from ksdiff_jax.evaluate.run import read_clips
    from ksdiff_jax.files import cache_folder
    from ksdiff_jax.train.sources import built_in_corpus

    cache, count = cache_folder(), study.config.data.corpus_clips
    folder = study.data or built_in_corpus(count, cache, tell=tell)
    info = dataset_info(folder).splits.get(study.split)
    if info is None or not info.clips:
        raise InputError(
            f"{folder}: no clips in the split {study.split}, on which ablations are scored; name a "
            "data set that has some with --data"
        )
    return read_clips(folder, split=study.split, clips=study.clips, space=space)


def figures_of(study: Study, clips, predictions, keyframe_config) -> dict[str, list[float]]:
    """Return the figures of the study's table for predictions of its clips."""
    from ksdiff_jax.evaluate.ablations import ablations_of
    from ksdiff_jax.evaluate.clip_scores import clip_scores

    table = ablations_of(study.config)
    return clip_scores(
        clips,
        predictions,
        names=[figure.name for figure in table.figures],
        groups=table.groups,
        keyframe_config=keyframe_config,
    )


def scores_document(clips, rows: dict[str, dict[str, list[float]]]) -> dict:
    """Return the content of a file of figures."""
    return {
        "schema": SCORES,
        "clips": [clip.clip_id for clip in clips],
        "clips_sha256": digest_of(clips),
        "rows": rows,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
