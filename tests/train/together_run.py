"""One process of a toy run of several, on four fake devices each, for `test_together.py`.

python -m tests.train.together_run WORKDIR --coordinator HOST:PORT --processes N --process-id K
    [--devices 4] [--steps S] [--pace SECONDS per batch]
    [--slow-compiler SECONDS that the last process takes longer to trace]
    [--unreadable STEP:FILES that the last process finds empty]
    [--bad-batch NUMBER that it cannot read] [--crash instead of saying that the data are bad]
"""

import argparse
import dataclasses
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("workdir")
    parser.add_argument("--coordinator")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--process-id", type=int)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--slow-compiler", type=float, default=0.0)
    parser.add_argument("--unreadable")
    parser.add_argument("--bad-batch", type=int)
    parser.add_argument("--crash", action="store_true")
    args = parser.parse_args()

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", args.devices)
    from ksdiff_jax.cli.train import exit_if_distributed
    from ksdiff_jax.parallel.distributed import initialise

    count = initialise(
        coordinator=args.coordinator,
        processes=args.processes,
        process_id=args.process_id,
        timeout_s=30,
        heartbeat_s=10,
    )
    if args.unreadable and args.process_id == count - 1:
        see_damage(*args.unreadable.split(":"))
    try:
        return run(args, count)
    except BaseException as error:  # as the command does
        exit_if_distributed(error, Path(args.workdir))


def see_damage(step: str, pattern: str) -> None:
    """From now on this process finds files of that checkpoint empty, as on a disk that does not
    answer one host.
    """
    from ksdiff_jax.train.checkpoint import ocp

    def from_damaged_copy(read):
        def read_copy(folder, *arguments):
            if folder.name != step:
                return read(folder, *arguments)
            with tempfile.TemporaryDirectory() as other:
                copy = Path(shutil.copytree(folder, Path(other) / step))
                for path in (path for path in copy.rglob(pattern) if path.is_file()):
                    path.write_bytes(b"")
                return read(copy, *arguments)

        return read_copy

    for function in ("checkpointables_metadata", "load_checkpointables"):
        setattr(ocp, function, from_damaged_copy(getattr(ocp, function)))


def run(args: argparse.Namespace, count: int) -> int:
    from ksdiff_jax.config import MeshConfig
    from ksdiff_jax.errors import InputError
    from ksdiff_jax.train.loop import train
    from ksdiff_jax.train.report.progress import Progress
    from tests.train.toy import ToyBatches, ToySystem, open_toy, toy_config

    me, slow_s = jax.process_index(), args.slow_compiler

    class ShareOfBatches(ToyBatches):
        """Part `me` of `count` equal ones of the batches that one process would read."""

        def __next__(self):
            time.sleep(args.pace)
            if self.number == args.bad_batch and me == count - 1:
                raise (OSError if args.crash else InputError)(
                    f"batch {self.number}: its checksum differs"
                )
            return jax.tree.map(lambda array: np.split(array, count)[me], super().__next__())

    class SlowlyTraced(ToySystem):
        def loss(self, *args, train, **options):
            time.sleep(slow_s if train and me == count - 1 else 0.0)
            return super().loss(*args, train=train, **options)

    def evaluate(system, params, data):
        # What a system computes here stays on one device, and only process 0 is asked.
        norm = jax.numpy.sqrt(sum(jax.numpy.sum(leaf**2) for leaf in jax.tree.leaves(params)))
        return {"norm": float(norm), "asked": float(me + 1)}

    config = toy_config(steps=args.steps, log_every=1, validate_every=10, checkpoint_every=5)
    fsdp = 2 if args.devices * count > 1 else 1
    config = dataclasses.replace(config, mesh=MeshConfig(data=-1, fsdp=fsdp))
    progress = Progress(args.steps, stream=sys.stderr if me == 0 else Path(os.devnull).open("w"))  # noqa: SIM115
    outcome = train(
        config,
        args.workdir,
        build_system=SlowlyTraced,
        open_data=lambda system: open_toy(system)._replace(
            batches=ShareOfBatches(config.data.batch_size)
        ),
        evaluate=evaluate,
        progress=progress,
    )
    print(me, "ended at", int(np.asarray(outcome.state.step)), outcome.metrics, flush=True)
    return outcome.exit_status


if __name__ == "__main__":
    sys.exit(main())
