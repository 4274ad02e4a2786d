"""Run in a separate process by `test_faults.py`: a toy run that saves often, on a disk that may be
full.

python -m tests.train.faulty_run WORKDIR none|saving|logging
"""

import resource
import sys
import time
from pathlib import Path

from ksdiff_jax.cli.main import main
from ksdiff_jax.train.loop import train
from tests.train.toy import ToyBatches, ToySystem, open_toy, toy_config

FIRST_SAVED = 10


def full_disk(limit_bytes):
    """From now on every file ends at this size, as on a disk without space."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))


class Batches(ToyBatches):
    def __next__(self):
        time.sleep(0.02)
        if (Path(workdir) / "checkpoints" / str(FIRST_SAVED)).exists():
            # The arrays of the toy take 18 kB; its log passes any size.
            full_disk({"saving": 16_000, "logging": 2_000}.get(full, resource.RLIM_INFINITY))
        return super().__next__()


class Command:
    """The loop as a command, so that its errors come out as the command line gives them."""

    @staticmethod
    def run(arguments):
        often = {"log_every": 1 if full == "logging" else 1000, "validate_every": 10**6}
        config = toy_config(
            steps=100_000, checkpoint_every=FIRST_SAVED if full != "none" else 1, **often
        )
        train(
            config,
            workdir,
            build_system=ToySystem,
            open_data=lambda s: open_toy(s)._replace(batches=Batches(8)),
        )


if __name__ == "__main__":
    workdir, full = sys.argv[1:]
    import ksdiff_jax.cli.train as command

    command.run = Command.run
    sys.exit(main(["train", "toy"]))
