"""Several processes and one folder."""

import threading
import time

from ksdiff_jax.files import one_at_a_time


def test_one_after_the_other_is_let_through_also_after_an_error(tmp_path):
    inside, most = [], []

    def work():
        with one_at_a_time(tmp_path / "cache"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    try:
        with one_at_a_time(tmp_path / "cache"):
            raise KeyError
    except KeyError:
        pass
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5  # a lock is the opened file's, so threads are let through like processes
