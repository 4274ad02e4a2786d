"""One process of a toy run of several, on four fake devices each, for `test_together.py`.

python -m tests.train.together_run WORKDIR --coordinator HOST:PORT --processes N --process-id K [--devices 4]
    [--steps S] [--pace SECONDS per batch] [--slow-compiler SECONDS that the last process takes longer to trace]
"""

import argparse
import dataclasses
import os
import sys
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
    args = parser.parse_args()

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", args.devices)
    from ksdiff_jax.parallel.distributed import initialise

    count = initialise(
        coordinator=args.coordinator,
        processes=args.processes,
        process_id=args.process_id,
        timeout_s=30,
        heartbeat_s=10,
    )
    return run(args, count)


def run(args: argparse.Namespace, count: int) -> int:
    from ksdiff_jax.config import MeshConfig
    from ksdiff_jax.train.loop import train
    from ksdiff_jax.train.progress import Progress
    from tests.train.toy import ToyBatches, ToySystem, toy_config, toy_data

    me, slow_s = jax.process_index(), args.slow_compiler

    class ShareOfBatches(ToyBatches):
        """Part `me` of `count` equal ones of the batches that one process would read."""

        def __next__(self):
            time.sleep(args.pace)
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
        open_data=lambda config: toy_data(config)._replace(batches=ShareOfBatches(config.data.batch_size)),
        evaluate=evaluate,
        progress=progress,
    )
    print(me, "ended at", int(np.asarray(outcome.state.step)), outcome.metrics, flush=True)
    return outcome.exit_status


if __name__ == "__main__":
    sys.exit(main())
