"""Reading with worker processes: the same batches as without, and no hang when one is killed."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from ksdiff_jax.config import AugmentConfig, DataConfig
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.models.ksdiff.config import Config
from tests.data.clips import make_clip
from tests.data.cuts import cuts
from tests.promised import BOUND_S
from tests.started import Started, needs_proc, outlasting, runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "set"
    clips = (make_clip(i, frames=40 + 7 * i) for i in range(10))
    write_dataset(path, {"train": clips}, licence="", made_by="", clips_per_shard=4)
    return path


def config(*, workers):
    return Config(
        data=DataConfig(batch_size=4, clip_frames=48, augment=AugmentConfig(), workers=workers)
    )


def digests(iterator, count):
    leaves = [jax.tree.leaves(next(iterator)) for _ in range(count)]
    return [
        hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in batch)).hexdigest()
        for batch in leaves
    ]


def rows(iterator, count):
    """The rows of some batches as bytes, one after the other."""
    batches = [next(iterator) for _ in range(count)]
    return [row.tobytes() for batch in batches for row in np.asarray(batch.speech.audio)]


@pytest.mark.slow
def test_two_workers_give_and_resume_the_batches_of_one_process(folder):
    alone = cuts(config(workers=0), folder, seed=3)
    expected = digests(alone, 8)
    alone.close()
    iterator = cuts(config(workers=2), folder, seed=3)
    assert digests(iterator, 3) == expected[:3]  # in the middle of the second epoch: 12 of 10 clips
    state = iterator.get_state()
    iterator.close()
    resumed = cuts(config(workers=2), folder, seed=3)
    resumed.set_state(state)
    assert digests(resumed, 5) == expected[3:]
    resumed.close()


@pytest.mark.slow
def test_a_position_of_two_hosts_with_workers_continues_on_one_with_another_number_of_them(folder):
    whole = rows(cuts(config(workers=0), folder, seed=3), 6)
    pair = [cuts(config(workers=2), folder, seed=3, host=host, hosts=2) for host in range(2)]
    halves = [rows(iterator, 3) for iterator in pair]
    # three batches of four rows
    assert [halves[n % 4 // 2][n // 4 * 2 + n % 2] for n in range(12)] == whole[:12]
    first, second = (iterator.get_state() for iterator in pair)
    assert first == second
    for iterator in pair:
        iterator.close()
    one = cuts(config(workers=3), folder, seed=3)
    one.set_state(first)
    assert rows(one, 3) == whole[12:]
    one.close()


@pytest.mark.slow
def test_a_killed_worker_is_an_error_and_no_hang(folder):
    from ksdiff_jax.parallel.mesh import make_mesh
    from ksdiff_jax.train.feed import BatchFeed

    two = config(workers=2)
    others = set(multiprocessing.active_children())
    feed = BatchFeed(cuts(two, folder, seed=0), make_mesh(two.mesh), patience_s=5.0)
    next(feed)
    workers = [child for child in multiprocessing.active_children() if child not in others]
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(Exception, match=r"data\.workers 0|worker|process"):
        for _ in range(1000):
            next(feed)
    assert time.monotonic() - started < BOUND_S
    feed.close()


READER = """
import multiprocessing, sys, time
from tests.data.test_workers import config
from tests.data.cuts import cuts

if __name__ == "__main__":
    iterator = cuts(config(workers=2), sys.argv[1], seed=0)
    next(iterator)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@needs_proc
def test_workers_do_not_outlive_a_process_that_is_killed(folder, tmp_path):
    script = tmp_path / "reader.py"
    script.write_text(READER)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with Started(
        [sys.executable, script, folder],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
    ) as reader:
        workers = [int(pid) for pid in reader.stdout.readline().split()]
        assert len(workers) == 2 and all(map(runs, workers))
        reader.kill()
        reader.wait()
    left = outlasting(workers, patience_s=BOUND_S)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
