"""A step that hangs ends the process with its own status and writes the stacks; one that continues
does not.
"""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from ksdiff_jax.train import watchdog as watchdog_module
from ksdiff_jax.train.watchdog import Watchdog
from tests.promised import ENDLESS_S

REPOSITORY = Path(__file__).parents[2]

SCRIPT = f"""
import sys, time
from ksdiff_jax.train.watchdog import Watchdog

def step_that_hangs():
    time.sleep({ENDLESS_S})

with Watchdog(sys.argv[1], hang_s=0.5) as watchdog:
    for _ in range(8):
        watchdog.alive()
    step_that_hangs()
"""


def test_a_hang_ends_with_status_75_and_the_stacks_in_the_workdir_and_on_standard_error(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=ENDLESS_S / 2, check=False
    )
    assert done.returncode == 75, done.stderr
    (path,) = tmp_path.glob("hang-*.txt")
    for text in (path.read_text(), done.stderr):
        assert "in step_that_hangs" in text and "after 8 steps" in text
    assert str(path) in done.stderr


class Hours:
    """The clock and the pauses of a watchdog: while it pauses, what happens at those seconds
    happens.
    """

    def __init__(self, monkeypatch, events):
        self.now_s, self.events, self.gave_up_s = 0.0, sorted(events.items()), []
        monkeypatch.setattr(watchdog_module, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(
            Watchdog, "_give_up", lambda watchdog: self.gave_up_s.append(self.now_s)
        )

    def wait(self, pause_s):
        """Until the next look; whether all is over."""
        self.now_s += pause_s
        while self.events and self.events[0][0] <= self.now_s:
            self.events.pop(0)[1]()
        return not self.events or bool(self.gave_up_s)


def watched(monkeypatch, events_of):
    """The seconds at which a watchdog with 300 s of patience gave up."""
    watchdog = Watchdog("nowhere", hang_s=300.0)
    watchdog._ended = hours = Hours(monkeypatch, events_of(watchdog))
    watchdog._watch()
    return hours.gave_up_s


def test_steps_that_go_on_are_left_alone_and_the_first_may_take_longer(monkeypatch):
    steps = [890, *range(1100, 20_000, 290)]
    assert watched(monkeypatch, lambda watchdog: dict.fromkeys(steps, watchdog.alive)) == []


def test_a_long_validation_is_left_alone_and_a_hang_after_it_is_not(monkeypatch):
    def events(watchdog):
        validation = watchdog.patient()
        return {
            100: watchdog.alive,
            200: validation.__enter__,
            1050: lambda: validation.__exit__(None, None, None),
            1340: watchdog.alive,
            9999: list,
        }

    (gave_up_s,) = watched(monkeypatch, events)
    assert 1640 <= gave_up_s <= 1650


def test_time_in_which_the_process_was_stopped_does_not_count(monkeypatch):
    def events(watchdog):
        def stopped():
            watchdog._ended.now_s += 8 * 3600

        return {100: watchdog.alive, 250: stopped, 250 + 8 * 3600 + 100: watchdog.alive}

    assert watched(monkeypatch, events) == []
