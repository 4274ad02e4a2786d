"""The process in which `train_apart.py` runs torch's steps.

python -m ksdiff_jax.bench.train_torch_side WORK.pickle THREADS        answers `done`
"""

import pickle
import sys
from pathlib import Path

from ksdiff_jax.bench.train_step import torch_model, torch_step


def main(work: str, threads: str) -> None:
    """Take steps on request, until the other side closes the pipe."""
    config, params, batch, space = pickle.loads(Path(work).read_bytes())
    step = torch_step(torch_model(config, params, space), batch, threads=int(threads))
    for _ in sys.stdin:
        step()
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
