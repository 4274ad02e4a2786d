"""The feed of batches never waits for ever."""

import threading
import time

import numpy as np
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.train.feed import BatchFeed
from tests.promised import BOUND_S, ENDLESS_S


class SilentAfter:
    """An iterator that gives some batches and then nothing, as one whose worker died with the lock
    of its queue.
    """

    def __init__(self, batches):
        self.left, self.silent, self.released = batches, threading.Event(), threading.Event()

    def __next__(self):
        if not self.left:
            self.silent.set()
            self.released.wait(ENDLESS_S)
            raise StopIteration
        self.left -= 1
        rows = np.zeros((8, 4), np.float32)
        speech = Speech(
            audio=np.zeros((8, 2560), np.float32),
            prosody=np.zeros((8, 8, 2), np.float32),
            mask=rows > -1,
            tokens=rows.astype(np.int32),
            token_mask=rows > -1,
        )
        return Batch(speech=speech, motion=np.zeros((8, 4, MOTION_DIMS), np.float32))

    def get_state(self):
        return {}

    def set_state(self, state):
        pass

    def close(self):
        pytest.fail("a reader that hangs cannot be closed")


def test_a_reader_that_says_nothing_more_is_an_error_that_says_what_to_do():
    reader = SilentAfter(2)
    feed = BatchFeed(reader, make_mesh(MeshConfig()), patience_s=0.3, first_patience_s=BOUND_S)
    assert reader.silent.wait(BOUND_S)  # what it gave before is there, however busy the machine is
    next(feed), next(feed)
    started = time.monotonic()
    with pytest.raises(
        RuntimeError,
        match=r"no training batch in 0 s.*start the same command again.*data\.workers 0",
    ):
        next(feed)
    feed.close()  # does not wait for the reader either
    assert time.monotonic() - started < BOUND_S
    reader.released.set()
