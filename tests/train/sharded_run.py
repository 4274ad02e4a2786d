"""Run in a separate process: one toy training on eight fake devices, printed as JSON for
`test_sharding.py`.
"""

import json
import sys
import tempfile
from io import StringIO
from pathlib import Path

import jax

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)

import dataclasses  # noqa: E402

from ksdiff_jax.config import MeshConfig  # noqa: E402
from ksdiff_jax.train.loop import train  # noqa: E402
from ksdiff_jax.train.report.progress import Progress  # noqa: E402
from tests.train.toy import ToySystem, open_toy, toy_config  # noqa: E402


@jax.jit
def doubled(params):
    return 2 * params["second"]["kernel"]


def losses(shape: tuple[int, int, int], workdir: str, steps: int) -> dict:
    config = toy_config(steps=steps, log_every=1, validate_every=5, checkpoint_every=5)
    config = dataclasses.replace(config, mesh=MeshConfig(*shape))
    outcome = train(
        config,
        workdir,
        build_system=ToySystem,
        open_data=open_toy,
        evaluate=lambda system, params, data: {"devices": len(doubled(params).devices())},
        progress=Progress(steps, stream=StringIO()),
    )
    entries = [
        json.loads(line) for line in (Path(workdir) / "metrics.jsonl").read_text().splitlines()
    ]
    kernel = outcome.state.params["second"]["kernel"]
    moment = outcome.state.opt_state[1][0].mu["second"]["kernel"]
    return {
        "train": [e["loss"] for e in entries if e["split"] == "train"],
        "val": [e["loss"] for e in entries if e["split"] == "val"],
        "evaluated_on": [e["devices"] for e in entries if e["split"] == "val"],
        "shard": list(kernel.addressable_shards[0].data.shape),
        "moment_shard": list(moment.addressable_shards[0].data.shape),
    }


if __name__ == "__main__":
    eight = tempfile.mkdtemp()
    results = {
        "8x1x1": losses((8, 1, 1), eight, 5),
        "2x4x1": losses((2, 4, 1), tempfile.mkdtemp(), 5),
    }
    # A checkpoint of one mesh goes on on another.
    results["4x1x2"] = losses((4, 1, 2), eight, 8)
    json.dump(results, sys.stdout)
