"""Run in a separate process by `test_interrupt.py`: a toy run whose steps are slow enough to be hit
by a signal.

python -m tests.train.stoppable_run WORKDIR steps|data|validation|deaf|compile
"""

import contextlib
import sys
import time

from ksdiff_jax.train.interrupt import Interrupted
from ksdiff_jax.train.loop import train
from tests.promised import ENDLESS_S
from tests.train.toy import ToyBatches, ToySystem, toy_config, toy_data


class SlowBatches(ToyBatches):
    def __next__(self):
        # "data": from the fifth batch on, the reader hangs.
        time.sleep(ENDLESS_S if slow == "data" and self.number >= 5 else 0.02)
        return super().__next__()


def open_data(system):
    config = system.config
    return toy_data(config)._replace(batches=SlowBatches(config.data.batch_size))


def evaluate(system, params, data):
    print("validating", flush=True)
    # as code that catches every exception, or a compilation, which hears of none
    while slow == "deaf":
        with contextlib.suppress(Interrupted):
            time.sleep(ENDLESS_S)
    time.sleep(ENDLESS_S if slow == "validation" else 0)
    return {}


class SlowToCompile(ToySystem):
    def loss(self, *arguments, **options):
        print("compiling", flush=True)
        time.sleep(ENDLESS_S)
        return super().loss(*arguments, **options)


if __name__ == "__main__":
    workdir, slow = sys.argv[1:]
    config = toy_config(
        steps=100_000, log_every=1, validate_every=5 if slow in ("validation", "deaf") else 100_000
    )
    system = SlowToCompile if slow == "compile" else ToySystem
    outcome = train(config, workdir, build_system=system, open_data=open_data, evaluate=evaluate)
    sys.exit(outcome.exit_status)
