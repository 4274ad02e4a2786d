"""Validation: losses of the same clips every time, without dropout, with the averaged weights.

    term = mean over clips of term_i,    loss = Σ over terms,    i every clip once

Batches are filled with copies of clips, up to a fixed number of rows and to a multiple of the batch
shards of the mesh. The rows of copies are removed before the mean, which is computed in float64 on
the host. The random numbers of a clip (diffusion step, noise) depend on the seed and its id. Two
passes therefore differ by the weights alone, on any mesh and in any set of clips. Every process
reads all clips, and computes those that its devices hold.
"""

import json
import zlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh

from ksdiff_jax.models.system import Terms
from ksdiff_jax.parallel.arrays import BATCH_AXES, batch_of_all, on_every_device, on_host
from ksdiff_jax.parallel.distributed import from_main_process, is_main_process
from ksdiff_jax.train.feed import ValidationBatch
from ksdiff_jax.train.steps import NumberedBatch
from ksdiff_jax.tree import rows_of
from ksdiff_jax.typing import PyTree

Answer = TypeVar("Answer")  # a JSON value


def validation_losses(
    validation_step: Callable[[PyTree, NumberedBatch], Terms],
    params: PyTree,
    batches: Sequence[ValidationBatch],
    mesh: Mesh,
) -> dict[str, float]:
    """Return the loss and its weighted terms, each the mean over all clips; {} without clips."""
    if not batches:
        return {}
    computed = [
        validation_step(params, batch_of_all(_numbered_rows(batch, mesh), mesh))
        for batch in batches
    ]
    clips = [len(batch.ids) for batch in batches]
    means = {}
    for name in computed[0]:
        rows = [np.asarray(terms[name], np.float64) for terms in jax.device_get(computed)]
        valid = [values[:count] for values, count in zip(rows, clips, strict=True)]
        means[name] = float(np.concatenate(valid).mean())
    return {"loss": sum(means.values()), **means}


def _numbered_rows(clips: ValidationBatch, mesh: Mesh) -> NumberedBatch:
    """Return the rows of a batch and the numbers of their clips, repeated until the row count is
    divisible by the batch shards.
    """
    shards = int(np.prod([mesh.shape[axis] for axis in BATCH_AXES]))
    rows = rows_of(clips.batch)
    numbers = [zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in clips.ids]
    chosen = np.arange(-(-rows // shards) * shards) % rows
    batch = jax.tree.map(lambda array: np.asarray(array)[chosen], clips.batch)
    return NumberedBatch(batch, np.resize(np.array(numbers, np.uint32), len(chosen)))


def on_one_device(compute: Callable[[PyTree], Answer], params: PyTree, mesh: Mesh) -> Answer:
    """Return, on every process, the result of `compute` for the parameters on the first device.

    Sampling a few clips is too little work to be divided. The other processes wait for the result,
    which must be a JSON value.
    """
    if mesh.size == 1:
        return compute(params)
    whole, answer = on_host(params), None
    if is_main_process():
        first = np.array(jax.local_devices()[:1]).reshape((1,) * len(mesh.axis_names))
        alone = Mesh(first, mesh.axis_names)
        with jax.set_mesh(alone):
            answer = compute(on_every_device(whole, alone))
    return json.loads(from_main_process(json.dumps(answer)))
