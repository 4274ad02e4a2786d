"""Reading with worker processes: the same batches as without, and no hang when one is killed."""

import hashlib
import multiprocessing
import os
import signal
import time

import jax
import numpy as np
import pytest

from ksdiff_jax.config import AugmentConfig, Config, DataConfig
from ksdiff_jax.data.loader import training_batches
from ksdiff_jax.data.shards import write_dataset
from tests.data.clips import make_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "set"
    clips = (make_clip(i, frames=40 + 7 * i) for i in range(10))
    write_dataset(path, {"train": clips}, licence="", made_by="", clips_per_shard=4)
    return path


def config(*, workers):
    return Config(data=DataConfig(batch_size=4, clip_frames=48, augment=AugmentConfig(), workers=workers))


def digests(iterator, count):
    leaves = [jax.tree.leaves(next(iterator)) for _ in range(count)]
    return [hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in batch)).hexdigest() for batch in leaves]


@pytest.mark.slow
def test_two_workers_give_and_resume_the_batches_of_one_process(folder):
    alone = training_batches(config(workers=0), folder, seed=3)
    expected = digests(alone, 8)
    alone.close()
    iterator = training_batches(config(workers=2), folder, seed=3)
    assert digests(iterator, 3) == expected[:3]  # in the middle of the second epoch: 12 of 10 clips
    state = iterator.get_state()
    iterator.close()
    resumed = training_batches(config(workers=2), folder, seed=3)
    resumed.set_state(state)
    assert digests(resumed, 5) == expected[3:]
    resumed.close()


@pytest.mark.slow
def test_a_killed_worker_is_an_error_and_no_hang(folder):
    from ksdiff_jax.parallel.mesh import make_mesh
    from ksdiff_jax.train.feed import BatchFeed

    two = config(workers=2)
    others = set(multiprocessing.active_children())
    feed = BatchFeed(training_batches(two, folder, seed=0), make_mesh(two.mesh), patience_s=5.0)
    next(feed)
    workers = [child for child in multiprocessing.active_children() if child not in others]
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(Exception, match=r"data\.workers 0|worker|process"):
        for _ in range(1000):
            next(feed)
    assert time.monotonic() - started < 30
    feed.close()
