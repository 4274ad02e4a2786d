"""`ksdiff-jax bench animate|stream|all|encoder|data|tracker|train|device`: measures the speed of
this machine on fixed work and prints JSON.

The module of `ksdiff_jax.bench` that implements a measurement describes it.
"""

import argparse

from ksdiff_jax.bench.animate import measure as measure_animate
from ksdiff_jax.bench.data import measure as measure_data
from ksdiff_jax.bench.encoder import CLASSES, SIZES, use_cores
from ksdiff_jax.bench.encoder import measure as measure_encoder
from ksdiff_jax.bench.inference import measure as measure_all
from ksdiff_jax.bench.tracker import measure as measure_tracker
from ksdiff_jax.bench.train_paper import measure_paper
from ksdiff_jax.bench.train_plan import paper_counts, plan
from ksdiff_jax.bench.train_step import measure as measure_train
from ksdiff_jax.bench.whisper_encoder import measure as measure_whisper
from ksdiff_jax.cli.bench_device import add_device_arguments, refuse_device_options, run_device
from ksdiff_jax.plain_text import json_text

SUMMARY = "speed of this machine on fixed work, as JSON"
EXAMPLES = """examples:
  ksdiff-jax bench animate
  ksdiff-jax bench animate --steps 10 --repeats 9 --checkpoint runs/demo
  ksdiff-jax bench stream
  ksdiff-jax bench all > bench.json                    the table is on standard error
  ksdiff-jax bench all --only offline "new process" edits
  ksdiff-jax bench all --long --only "three hours" "many files"
  ksdiff-jax bench encoder
  ksdiff-jax bench encoder --architecture wavlm --size large --threads 4
  ksdiff-jax bench encoder --architecture whisper --size tiny --threads 1
  ksdiff-jax bench data
  ksdiff-jax bench tracker --repeats 3
  ksdiff-jax bench train
  ksdiff-jax bench train --paper --repeats 20          on an accelerator; one line
  ksdiff-jax bench device --out device.jsonl           on an accelerator; needs JAX, Flax and Optax
  ksdiff-jax bench device --only train attention
  ksdiff-jax bench device --small --device cpu         the same programs, small, on any machine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: what to measure, how often, on what."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "what",
        choices=("animate", "stream", "all", "encoder", "data", "tracker", "train", "device"),
        help="animate: 10 s of speech to motion and video; stream: the same speech live; all: the "
        "figures of inference, with their goals and a table; encoder: our pretrained encoder "
        "against torch's; data: shards to training batches; tracker: raw video to coefficients "
        "(needs `make tracker`); train: training steps of the demo model against torch's; device: "
        "accuracy and speed of an accelerator on this model, one line per figure",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="timed runs of each stage; default 5"
    )
    parser.add_argument("--checkpoint", metavar="DIR", help="default: the shipped one")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="denoising steps; default the checkpoint's"
    )
    parser.add_argument(
        "--device", choices=("cpu", "gpu", "tpu"), help="default: the one that JAX selects"
    )
    parser.add_argument(
        "--long",
        action="store_true",
        help="all: also the first call ever, three hours of speech, and 2,000 files",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="data: reader processes; default 0, read in this process",
    )
    parser.add_argument(
        "--paper", action="store_true", help="train: the paper's configuration, 32 clips of 10 s"
    )
    parser.add_argument(
        "--plan", action="store_true", help="train: expected times on many hosts, as a table"
    )
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="encoder, train: cores; default 2"
    )
    group = parser.add_argument_group("encoder")
    group.add_argument(
        "--architecture",
        choices=(*CLASSES, "whisper"),
        default="wav2vec2",
        help="default wav2vec2",
    )
    group.add_argument("--size", choices=tuple(SIZES), default="base", help="default base")
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print one JSON document."""
    from ksdiff_jax.cli.device import keep_compilations, use_device
    from ksdiff_jax.errors import InputError

    if args.repeats < 1:
        raise InputError(f"--repeats {args.repeats}: need at least 1")
    if args.workers < 0:
        raise InputError(f"--workers {args.workers}: need 0 or more")
    if args.threads < 1:
        raise InputError(f"--threads {args.threads}: need at least 1")
    if args.what == "device":
        return run_device(args)
    refuse_device_options(args)
    if args.what == "data":
        print(json_text(measure_data(args), indent=2))
        return 0
    if args.what == "train" and args.plan:
        use_device("cpu")  # nothing is computed
        clip_flops, parameters = paper_counts()
        print(plan(clip_flops=clip_flops, parameters=parameters))
        return 0
    if args.what == "train" and args.paper:
        use_device(args.device)
        print(json_text(measure_paper(repeats=args.repeats)))
        return 0
    if args.what in ("encoder", "train"):
        use_cores(args.threads)  # before JAX counts the cores
    use_device(args.device or ("cpu" if args.what in ("encoder", "train") else None))
    keep_compilations()
    from ksdiff_jax.bench.live_stream import measure as measure_stream

    measures = {
        "animate": measure_animate,
        "stream": measure_stream,
        "all": measure_all,
        "encoder": measure_whisper if args.architecture == "whisper" else measure_encoder,
        "tracker": measure_tracker,
        "train": measure_train,
    }
    print(json_text(measures[args.what](args), indent=2))
    return 0
