"""`ksdiff-jax train CONFIG [--workdir DIR] [--any.field VALUE ...]`: trains a model, or resumes a
stopped run.
"""

import argparse
import os
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.cli.streams import put_error
from ksdiff_jax.config import Config, flatten, to_dict
from ksdiff_jax.errors import CheckpointCorrupt, InputError
from ksdiff_jax.models import SYSTEMS, default_config
from ksdiff_jax.overrides import OWN_CONFIGS, field_names, load_config, override
from ksdiff_jax.parallel.distributed import (
    LOST_PROCESS_STATUS,
    initialise,
    is_main_process,
    leave,
    lost_process,
    several,
)
from ksdiff_jax.plain_text import printable

SUMMARY = "train a model, or resume a run that was stopped"
DOTTED_OVERRIDES = True

_EXAMPLES = """\
examples:
  ksdiff-jax train demo                        the small model, built-in corpus, into runs/demo
  ksdiff-jax train demo --train.steps 200      any field of the configuration by its dotted name
  ksdiff-jax train paper --data.path SHARDS    a data set made by `ksdiff-jax corpus --out SHARDS`
  ksdiff-jax train demo --data.sources 'weight=0.5 name=corpus, path=SHARDS weight=0.5 name=me'
                                               several data sets, each with its share of the clips
  ksdiff-jax train student --model.teacher.path openai/whisper-tiny.en    a small speech encoder
  ksdiff-jax train distill --distill.teacher runs/demo    a student of it for 1, 2 or 4 steps

The same command resumes a run from its last checkpoint. SIGTERM and Ctrl-C save and exit with
status 143 and 130; a run without a step for train.hang_s seconds exits with 75.
Several machines: launch/README.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `train`."""
    shipped = ", ".join(sorted(path.stem for path in OWN_CONFIGS.glob("*.py")))
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="a .py file that defines config(), the bare name of one in configs/, or a shipped "
        f"one: {shipped}",
    )
    parser.add_argument(
        "--profile", metavar="START:STOP", help="record these steps for XProf, in <workdir>/profile"
    )
    parser.add_argument(
        "--workdir", metavar="DIR", help="the run's folder (default: runs/<config name>)"
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)
    group = parser.add_argument_group(
        "several processes (under Slurm, Open MPI, on TPUs and in launch/jobset_*.yaml the "
        "environment sets these)"
    )
    group.add_argument(
        "--coordinator", metavar="HOST:PORT", help="machine of process 0, and a free port on it"
    )
    group.add_argument(
        "--processes", metavar="N", type=int, help="number of processes, over all machines"
    )
    group.add_argument("--process-id", metavar="K", type=int, help="index of this process, from 0")
    fields = {
        system: [name for name in field_names(default_config(system)) if "." in name]
        for system in SYSTEMS
    }
    parser.fields = sorted({name for names in fields.values() for name in names})
    lists = "\n".join(
        f"fields of {system} (see {SYSTEMS[system][0].replace('.', '/')}/config.py):\n"
        f"{_columns(names)}"
        for system, names in fields.items()
    )
    parser.epilog = f"{_EXAMPLES}\nfields, each as --NAME VALUE, _ or - alike:\n\n{lists}"


def _columns(names: list[str]) -> str:
    return textwrap.fill("  ".join(names), width=100, initial_indent="  ", subsequent_indent="  ")


def run(args: argparse.Namespace) -> int:
    """Train; return 0, or 128 + the signal that stopped the run."""
    config = load_config(args.config)
    config = override(config, args.overrides)
    profile = _profiled(args.profile, config) if args.profile else range(0)
    if "://" in (args.workdir or ""):  # a Path would reduce the two slashes to one
        raise InputError(
            f"--workdir {args.workdir}: a run needs a folder; mount the bucket, or name one that "
            "all share"
        )
    workdir = Path(args.workdir) if args.workdir else Path("runs") / config.name
    # Call this before anything asks JAX for its devices, otherwise JAX would find only those of
    # this process.
    initialise(
        coordinator=args.coordinator,
        processes=args.processes,
        process_id=args.process_id,
        tell=_say,
    )
    try:
        console = Console("train", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
        return train_system(
            config, workdir, profile=profile, console=console, overwrite=args.overwrite
        )
    except CheckpointCorrupt as error:
        # Not a mistake by the caller, and worth a new start: a disk may have been unavailable.
        _say(
            f"ksdiff-jax train: {' '.join(str(error).split())}; start again, or name another "
            "--workdir"
        )
        if several():
            leave(1)
        return 1
    except BaseException as error:
        if several():
            exit_if_distributed(error, workdir)
        raise


def _profiled(text: str, config: Config) -> range:
    from ksdiff_jax.train.report.trace import parse_steps

    return parse_steps(text, steps=config.train.steps)


def _say(line: str) -> None:
    put_error(printable(line))


def exit_if_distributed(error: BaseException, workdir: Path) -> NoReturn:
    """End this process now if other processes wait for it; otherwise JAX would first wait for all
    to finish.
    """
    if isinstance(error, InputError):
        _say(f"ksdiff-jax train: {' '.join(str(error).split())}")
        leave(2)
    if (reason := lost_process(error)) is not None:
        _say(
            "ksdiff-jax train: another process of this run ended or cannot be reached "
            f"({reason}); start all of them again to resume from the last checkpoint in {workdir}"
        )
        leave(LOST_PROCESS_STATUS)
    traceback.print_exception(error)
    leave(1)


def _describe(config: Config, console: Console) -> None:
    """With `--verbose`, print the devices, and every field that is not the default."""
    import jax

    console.detail(
        "devices: "
        f"{', '.join(f'{device.platform} {device.device_kind}' for device in jax.devices())}"
    )
    defaults = flatten(to_dict(default_config(config.system)))
    for name, value in flatten(to_dict(config)).items():
        if defaults.get(name) != value:
            console.detail(f"{name} = {value}")


def validation_figures_of(system, params, data) -> dict[str, float]:
    """Return the figures of `ksdiff-jax evaluate` on the validation clips."""
    from ksdiff_jax.evaluate.validation import validation_figures

    if not data.clips:
        return {}
    return validation_figures(system, params, data.clips, features_of=data.features_of)


def _with_fixed_networks(config: Config):
    """Return the configuration with the networks that it names, its speech encoder, the one of them
    whose output is kept per clip, and the weights of a teacher that is distilled; None, and {}, for
    those that it does not have.
    """
    from ksdiff_jax.models.distilled import with_distillation
    from ksdiff_jax.models.fd2talk.frames.first_stage import with_first_stage
    from ksdiff_jax.models.speech_encoder import with_encoder
    from ksdiff_jax.models.student.teacher import with_teacher

    config, teaching = with_distillation(config)
    config, encoder = with_encoder(config)
    config, teacher = with_teacher(config)
    config, first_stage = with_first_stage(config)
    return config, encoder, encoder or teacher or first_stage, teaching


def train_system(
    config: Config,
    workdir: Path,
    *,
    console: Console,
    profile: range = range(0),
    evaluate: Callable[..., dict[str, float]] | None = validation_figures_of,
    overwrite: bool = False,
) -> int:
    """Train the system described by `config`, on the data that it names, in `workdir`; return 0, or
    128 + the signal that stopped the run.

    `evaluate` (`train.loop.Evaluate`) adds figures to the losses of a validation; None: nothing.
    """
    # Import what needs JAX only here, so that `--help` and a wrong option are fast.
    from ksdiff_jax.cli.device import keep_compilations
    from ksdiff_jax.files import cache_folder
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.speech_encoder import encoder_params
    from ksdiff_jax.train.loop import Watching, train
    from ksdiff_jax.train.report.progress import Progress
    from ksdiff_jax.train.report.step_flops import step_flops
    from ksdiff_jax.train.sources import open_training_data

    keep_compilations()
    # Only one of several processes prints. The null device stays open until the process ends.
    silent = console.quiet or not is_main_process()
    stream = Path(os.devnull).open("w", encoding="utf-8") if silent else None  # noqa: SIM115
    progress = Progress(config.train.steps, stream=stream)
    if is_main_process():
        _describe(config, console)
    config, encoder, kept, teaching = _with_fixed_networks(config)

    def open_data(system):
        return open_training_data(
            system,
            cache=cache_folder(),
            tell=progress.tell,
            encoder=kept,
            workdir=workdir,
        )

    outcome = train(
        config,
        workdir,
        build_system=build_system,
        open_data=open_data,
        evaluate=evaluate,
        progress=progress,
        given=encoder_params(encoder) | teaching,
        watching=Watching(step_flops=step_flops, draw_samples=_draw_samples, profile=profile),
        overwrite=overwrite,
    )
    if is_main_process():
        steps = {"step": int(outcome.state.step), "steps": config.train.steps}
        summary = {"workdir": str(workdir)} | steps
        console.result(summary | {"status": outcome.exit_status, "metrics": outcome.metrics})
    return outcome.exit_status


def _draw_samples(system, params, data, out: Path, step: int) -> None:
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.train.report.samples import write_samples

    if data.clips:
        engine = Engine(system, params, features_of=data.features_of)
        write_samples(engine, data.clips[: system.config.train.samples_clips], out=out, step=step)
