"""The clips that `ksdiff-jax evaluate` measures: a split of a data set or the built-in corpus."""

import argparse
from pathlib import Path

from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import cache_folder


def clips_of_split(args, system, console: Console) -> list:
    """Return the clips of the split; raise `InputError` unless they are of the system's motion
    space.
    """
    from ksdiff_jax.data.description import DESCRIPTION, check_pictures
    from ksdiff_jax.data.earlier_space import known_space
    from ksdiff_jax.data.shards import dataset_info
    from ksdiff_jax.evaluate.run import read_clips

    if args.data and Path(args.data).is_dir() and not (Path(args.data) / DESCRIPTION).is_file():
        raise InputError(
            f"{args.data}: no data set here ({DESCRIPTION} is missing), so no true motion to "
            "compare with; make shards of videos with `ksdiff-jax prepare`, or animate recordings "
            "with `ksdiff-jax animate`"
        )
    folder = args.data or _built_in(args, console, system)
    of_data, own = known_space(str(folder), given=args.space), system.space.name
    if of_data != own:
        raise InputError(
            f"{folder}: its coefficients are of the {of_data} space, the checkpoint "
            f"{args.checkpoint} uses {own}; name data or a checkpoint of the other space"
        )
    check_pictures(dataset_info(folder), system.needs.pictures, what=str(folder))
    clips = read_clips(folder, split=args.split, clips=args.clips, space=own)
    seconds = sum(clip.duration_s for clip in clips)
    console.say(f"{len(clips)} clips, {seconds:.0f} s of speech, from {folder}")
    return clips


def training_clips(args, system, console: Console) -> list:
    """Return the clips of the training split to which baselines are fitted."""
    from ksdiff_jax.evaluate.run import read_clips

    folder = training_folder(args, system, console)
    clips = read_clips(folder, split="train", clips=args.training_clips, space=system.space.name)
    console.say(f"{len(clips)} training clips for the baselines, from {folder}")
    return clips


def training_folder(args, system, console: Console) -> str | Path:
    """Return the data set whose training split baselines are fitted to."""
    own = argparse.Namespace(**vars(args) | {"split": "train", "clips": args.training_clips})
    return args.data or _built_in(own, console, system)


def _built_in(args, console: Console, system) -> Path:
    """Return the folder of the built-in corpus's split; make it if it does not exist yet."""
    from ksdiff_jax.data.corpus.sentences import LANGUAGES, SPLITS
    from ksdiff_jax.data.corpus.write import split_sizes
    from ksdiff_jax.evaluate.held_out import held_out_corpus

    if args.split not in SPLITS:
        raise InputError(
            f"--split {args.split}: the built-in corpus has the splits {', '.join(SPLITS)}"
        )
    if unknown := [language for language in args.languages or () if language not in LANGUAGES]:
        raise InputError(
            f"--languages {' '.join(unknown)}: the built-in corpus has the languages "
            f"{' '.join(LANGUAGES)}"
        )
    console.say("looking for the built-in corpus, made on first use (about a second a clip) ...")
    clips = args.clips or split_sizes(system.config.data.corpus_clips)[args.split]
    return held_out_corpus(
        cache_folder(),
        split=args.split,
        clips=clips,
        languages=tuple(args.languages or LANGUAGES),
        pictures=system.needs.pictures,
    )
