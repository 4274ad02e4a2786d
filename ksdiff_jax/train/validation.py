"""The validation pass: the loss on the same clips every time, without dropout, with the averaged
weights.

Terms are means over clips: each batch counts by its number of clips. Random numbers (noise levels,
noise) come from a stream that does not know the training step, so two passes differ only by the
weights. Every process reads all the clips, and computes those that its devices hold.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from ksdiff_jax.models.frozen import join
from ksdiff_jax.models.system import Batch, System
from ksdiff_jax.parallel.arrays import BATCH_AXES, batch_of_all, on_host
from ksdiff_jax.parallel.distributed import from_main_process, is_main_process
from ksdiff_jax.train.feed import TrainingData
from ksdiff_jax.train.steps import Metrics
from ksdiff_jax.typing import PyTree

Evaluate = Callable[[System, PyTree, TrainingData], dict[str, float]]
DrawSamples = Callable[[System, PyTree, TrainingData, Path, int], None]  # into a folder, at a step


class Validation(NamedTuple):
    """How the averaged parameters of a run are measured and shown; `evaluate` and `draw_samples`
    may be left out.
    """

    step: Callable[[PyTree, Batch], Metrics]
    system: System
    frozen: PyTree
    data: TrainingData
    mesh: Mesh
    evaluate: Evaluate | None
    draw_samples: DrawSamples | None
    samples: Path  # the folder that samples go to

    def measure(self, params: PyTree) -> dict[str, float]:
        """The losses on the validation clips, and what `evaluate` finds."""
        losses = validation_losses(self.step, params, self.data.validation, self.mesh)
        return losses | self._by_one(self.evaluate, params)

    def draw(self, params: PyTree, step: int) -> None:
        """Samples of the parameters after `step` steps."""

        def drawn(system: System, params: PyTree, data: TrainingData) -> dict[str, float]:
            self.draw_samples(system, params, data, self.samples, step)
            return {}

        self._by_one(self.draw_samples and drawn, params)

    def _by_one(self, evaluate: Evaluate | None, params: PyTree) -> dict[str, float]:
        return measured_by_one(
            evaluate, self.system, join(params, self.frozen), self.data, self.mesh
        )


def validation_losses(
    validation_step: Callable[[PyTree, Batch], Metrics],
    params: PyTree,
    batches: Sequence[Batch],
    mesh: Mesh,
) -> dict[str, float]:
    """The loss and every term, averaged over the clips of `batches` (NumPy)."""
    if not batches:
        return {}
    results, clips = [], []
    for batch in batches:
        clips.append(batch.motion.shape[0])
        results.append(validation_step(params, batch_of_all(whole_shards(batch, mesh), mesh)))
    fetched = jax.device_get(results)
    weights = np.array(clips, np.float64) / sum(clips)
    return {
        name: float(sum(w * r[name] for w, r in zip(weights, fetched, strict=True)))
        for name in fetched[0]
    }


def whole_shards(batch: Batch, mesh: Mesh) -> Batch:
    """The batch with its first clips repeated until the mesh divides it."""
    shards = int(np.prod([mesh.shape[axis] for axis in BATCH_AXES]))
    clips = batch.motion.shape[0]
    wanted = -(-clips // shards) * shards
    return (
        batch
        if wanted == clips
        else jax.tree.map(lambda array: np.resize(array, (wanted, *array.shape[1:])), batch)
    )


def measured_by_one(
    evaluate: Evaluate | None, system: System, params: PyTree, data: TrainingData, mesh: Mesh
) -> dict[str, float]:
    """What `evaluate` finds, if there is any; of several devices it runs on the first alone.

    Sampling some clips is little work, too little to be divided; other processes wait for the
    figures.
    """
    if evaluate is None:
        return {}
    if mesh.size == 1:
        return evaluate(system, params, data)
    whole = on_host(params)
    figures: dict[str, float] = {}
    if is_main_process():
        alone = Mesh(
            np.array(jax.local_devices()[:1]).reshape((1,) * len(mesh.axis_names)), mesh.axis_names
        )
        with jax.set_mesh(alone):
            figures = evaluate(system, whole, data)
    return json.loads(from_main_process(json.dumps(figures)))
