"""Many recordings in bounded memory: the same motions, every recording once."""

import threading

import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.many import filled, in_batches, read_ahead
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.utterance import cut_utterance
from tests.animate.fake_system import FakeSystem, pretrained
from tests.animate.test_animator import tone


def test_items_are_read_ahead_in_order_by_a_bounded_number_and_errors_take_their_place():
    started, most = [], 0
    lock = threading.Lock()

    def read(item):
        with lock:
            started.append(item)
        if item % 5 == 3:
            raise InputError(f"{item}: bad")
        return 10 * item

    seen = []
    for item, found in read_ahead(iter(range(40)), read, threads=3):
        seen.append((item, str(found)))
        most = max(most, len(started) - len(seen))
    assert [item for item, _ in seen] == list(range(40))
    assert seen[3][1] == "3: bad" and seen[4][1] == "40"
    assert most <= 6


def test_another_exception_ends_the_iteration():
    def broken(item):
        raise RuntimeError("our own mistake")

    with pytest.raises(RuntimeError, match="our own mistake"):
        list(read_ahead([1, 2], broken, threads=2))


def test_batches_have_one_bucket_and_the_fullest_is_released_when_too_much_waits():
    items = [("a", 10), ("b", 90), ("a", 10), ("c", 5), ("b", 90), ("a", 10), ("c", 5)]
    batches = list(
        in_batches(
            items,
            bucket_of=lambda item: item[0],
            frames_of=lambda item: item[1],
            size=3,
            held_frames=150,
        )
    )
    assert sorted(item for batch in batches for item in batch) == sorted(items)
    assert all(len({name for name, _ in batch}) == 1 and len(batch) <= 3 for batch in batches)
    assert batches[0] == [("b", 90), ("b", 90)]  # 205 frames waited, and its bucket was not full
    assert [("a", 10)] * 3 in batches
    assert filled([1, 2, 3], 2) == [1, 2, 3, 3] and filled([1], 1) == [1]


@pytest.fixture(scope="module")
def parts_of_speech(tmp_path_factory):
    """An animator, its system, and a function that returns the first frames of one recording, by
    their number as text.
    """
    system = FakeSystem()
    folder = tmp_path_factory.mktemp("checkpoint")
    animator = Animator(pretrained(folder), system=system, buckets=(64, 96, 128))
    whole = animator.read(tone(5.5), sample_rate_hz=16_000)

    def read(frames):
        if not frames.isdigit():
            raise InputError(f"{frames}: no such file")
        return cut_utterance(whole, 0, int(frames))

    return animator, system, read


def test_200_random_durations_compile_one_program_per_bucket(parts_of_speech):
    animator, system, read = parts_of_speech
    durations = [str(n) for n in np.random.default_rng(0).integers(1, 129, size=200)]
    lengths = [len(motion) for _, motion in animator.each(durations, batch_size=4, read=read)]
    assert sorted(lengths) == sorted(map(int, durations))
    assert len(system.traces) == len(set(system.traces)) <= len(animator.engine.buckets)


def test_each_gives_the_motions_of_single_calls_and_the_errors_of_bad_recordings(parts_of_speech):
    animator, _, read = parts_of_speech
    names = ["50", "90", "none.wav", "7", "60", "20"]
    found = dict(animator.each(names, seed=9, batch_size=4, read=read))
    assert sorted(found) == sorted(names)
    assert isinstance(found.pop("none.wav"), InputError)
    for name, motion in found.items():
        (single,) = animator.animate([read(name)], seed=9)
        np.testing.assert_allclose(motion.coefficients, single.coefficients, atol=1e-6)
    with pytest.raises(InputError, match="batch_size 0"):
        animator.each(names, batch_size=0)
    with pytest.raises(InputError, match="guidence"):
        animator.each(names, guidence=2)
