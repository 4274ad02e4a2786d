"""KSDiff itself through the loop, on shards in the real format."""

import dataclasses
import io
import json

import jax
import numpy as np
import pytest

from ksdiff_jax.models import build_system
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.train.loop import train
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.report.progress import Progress
from ksdiff_jax.train.sources import open_training_data
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step
from ksdiff_jax.tree import leaf_digest, named_leaves
from tests.data.cuts import cuts
from tests.train.tiny_ksdiff import tiny_config, without_randomness


def run(config, workdir, *, validation=True):
    def open_data(system):
        data = open_training_data(system, cache=workdir, tell=lambda line: None)
        return data if validation else data._replace(validation=[])  # one program less to compile

    progress = Progress(config.train.steps, stream=io.StringIO())
    return train(config, workdir, build_system=build_system, open_data=open_data, progress=progress)


def digests(state):
    return {name: leaf_digest(jax.device_get(leaf)) for name, leaf in named_leaves(state).items()}


@pytest.mark.long
def test_twenty_steps_equal_ten_a_restart_and_ten_bit_for_bit(tmp_path, tiny_dataset):
    whole = run(tiny_config(tiny_dataset), tmp_path / "whole", validation=False)
    half = run(tiny_config(tiny_dataset, steps=10), tmp_path / "halves", validation=False)
    assert digests(half.state) != digests(whole.state)
    halves = run(tiny_config(tiny_dataset), tmp_path / "halves", validation=False)
    assert digests(halves.state) == digests(whole.state)


@pytest.fixture(scope="module")
def one_batch(tiny_dataset):
    config = without_randomness(
        tiny_config(tiny_dataset, steps=400, warmup_steps=10, learning_rate=5e-3)
    )
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, width=32))
    batches = cuts(config, tiny_dataset, seed=0)
    batch = next(batches)
    batches.close()
    return config, batch


@pytest.mark.slow
def test_a_single_batch_is_overfitted(one_batch, tiny_dataset):
    config, batch = one_batch
    data = open_training_data(build_system(config), cache=tiny_dataset, tell=lambda line: None)
    data.batches.close()
    system, optimizer, mesh = (
        build_system(config, data.space),
        make_optimizer(config.train),
        make_mesh(config.mesh),
    )
    abstract = abstract_state(system, optimizer, mesh)
    state = sharded_initial_state(system, optimizer, jax.random.key(0), abstract=abstract)
    step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
    losses = []
    for _ in range(config.train.steps):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    losses = np.array(jax.device_get(losses))
    assert np.isfinite(losses).all()
    # Each step draws another noise level, so single values scatter; means over many steps do not.
    assert losses[-50:].mean() < 0.35 * losses[:10].mean()


@pytest.mark.slow
def test_validation_and_every_term_of_the_loss_are_written(tmp_path, tiny_dataset):
    outcome = run(tiny_config(tiny_dataset, steps=2, validate_every=2, log_every=1), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    terms = {name for name in lines[0] if name not in {"step", "split", "steps_per_s", "data_wait"}}
    assert len(terms) > 4 and all(np.isfinite(lines[0][name]) for name in terms)
    assert np.isfinite(outcome.metrics["loss"])
