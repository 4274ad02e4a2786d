"""The options of `ksdiff-jax evaluate`."""

import argparse
from collections.abc import Callable

from ksdiff_jax.cli.evaluate_discriminate import add_discriminate_argument
from ksdiff_jax.cli.evaluate_lse import add_syncnet_argument
from ksdiff_jax.cli.evaluate_samplers import add_sampler_arguments
from ksdiff_jax.cli.evaluate_sampling import add_sampling_arguments

TRAINING_CLIPS = 48  # of motion; the baselines of pictures are fitted to all
SAMPLES, REAL_SEEDS = 2, 3
METRICS = (
    "lips",
    "upper_face",
    "landmarks",
    "blinks",
    "keyframes",
    "pose",
    "beats",
    "head",
    "sync",
    "lse",
    "rest",
    "real",
)


def add_checkpoint(add: Callable[..., argparse.Action]) -> None:
    """Add the options that name what is measured."""
    add(
        "--checkpoint",
        nargs="+",
        metavar="DIR",
        help="checkpoint folder, training workdir, shipped name (whisper_demo, the default, or "
        "demo, without a pretrained encoder) or org/name of the hub; several stand in one table",
    )
    add(
        "--encoder",
        metavar="PATH",
        help="folder of the checkpoint's pretrained speech encoder, if it has moved",
    )
    add(
        "--autoencoder",
        metavar="DIR",
        help="of a checkpoint that paints frames: folder of its autoencoder, if it has moved",
    )


def add_data(add: Callable[..., argparse.Action]) -> None:
    """Add the options that name the clips and the face."""
    add(
        "--data",
        nargs="+",
        metavar="DIR",
        help="a folder of shards (default: the built-in corpus, made on first use); of several, "
        "each has its own table",
    )
    add(
        "--face",
        metavar="FILE",
        help="FLAME model of the data's motion space, e.g. FLAME.npz (default: the built-in head; "
        "data of another space are then measured without lips, lids and upper face)",
    )
    add(
        "--landmarks",
        metavar="FILE",
        help="landmark embedding of --face, e.g. mediapipe_landmark_embedding.npz, for the mouth's "
        "landmarks and blinks",
    )
    add(
        "--space",
        default="",
        metavar="NAME",
        help="motion space (builtin, flame) of a checkpoint or data set "
        "of an earlier version that does not record it",
    )
    add(
        "--split",
        help="split of the data set (default: test; val for a table of sampling options)",
    )
    add(
        "--choose-on-test",
        action="store_true",
        help="allow a table of sampling options on the test split, e.g. to report a choice that "
        "was made elsewhere",
    )
    add("--clips", type=int, metavar="N", help="use the first N clips (default: the whole split)")
    add(
        "--training-clips",
        type=int,
        metavar="N",
        help="clips of the training split to which baselines are fitted: constant pose, speech "
        f"level, ridge, nearest neighbour (default: {TRAINING_CLIPS}), linear maps to pixels "
        "(default: all); 0: without these baselines",
    )
    add(
        "--languages",
        nargs="+",
        metavar="L",
        help="languages of the built-in corpus (default: all of them)",
    )


def add_figures_and_sampling(add: Callable[..., argparse.Action]) -> None:
    """Add the options that select figures and sampling."""
    add(
        "--metrics",
        nargs="+",
        choices=METRICS,
        default=list(METRICS),
        help="groups of figures (default: all)",
    )
    add(
        "--real",
        nargs="+",
        metavar="DIR",
        help="real people: DIR/lips/*.npz (measured openings and the sound files named there), or "
        "a folder of videos, one folder per person, which are tracked once (`make tracker`)",
    )
    add(
        "--folds",
        nargs="+",
        metavar="DIR",
        help="with --metrics real, in place of --checkpoint: checkpoints that were trained on "
        "different people; each person is measured by the first that saw none of their files",
    )
    add(
        "--real-seeds",
        type=int,
        default=REAL_SEEDS,
        metavar="N",
        help="samples of each real clip, of the seeds --seed, --seed + 1 ... "
        f"(default: {REAL_SEEDS})",
    )
    add(
        "--sync",
        metavar="DIR",
        help="a lip-sync model (as `ksdiff-jax train sync_demo` makes one), for its accuracy on "
        "the clips and its confidence in the motion (default with the group sync: the shipped one, "
        "for the built-in head's motion)",
    )
    add_syncnet_argument(add)
    _add_painted_arguments(add)
    add(
        "--samples",
        type=int,
        default=SAMPLES,
        help="samples of each clip; two or more allow a comparison of lips and heads "
        f"(default: {SAMPLES})",
    )
    add_sampler_arguments(add)
    add_sampling_arguments(add)
    add("--seed", type=int, default=0, metavar="N", help="same seed, same samples; default 0")
    add(
        "--control",
        choices=("truth", "still"),
        help="score the ground truth, or a face that never moves, instead",
    )
    add_discriminate_argument(add)


def _add_painted_arguments(add: Callable[..., argparse.Action]) -> None:
    """Add the options that name the weights of picture metrics."""
    add(
        "--lpips",
        metavar="DIR",
        help="of a checkpoint that paints frames: weights of LPIPS from `ksdiff-jax convert "
        "lpips`, for LPIPS and flicker; without them both are left out",
    )
    add(
        "--inception",
        metavar="DIR",
        help="of a checkpoint that paints frames: FID's Inception from `ksdiff-jax convert "
        "inception`; without it, or with other weights, FID is left out",
    )
