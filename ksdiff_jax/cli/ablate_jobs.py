"""Runs of an ablation study in processes of their own, several at once.

A slot is what one process gets at a time: some of the CPU's cores, or one GPU. A process that
crashes loses one run; the others go on. SIGINT and SIGTERM are passed on, so that every run saves a
checkpoint before it ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.cli.ablate_folder import Run, Study, entries_of
from ksdiff_jax.cli.device import PLATFORMS
from ksdiff_jax.train.report.progress import clock

PACKAGE_ROOT = Path(__file__).parents[2]
REPORT_S = 60.0  # between two lines about a run
_PROBE = "import jax; d = jax.local_devices(); print(d[0].platform, len(d))"
_LOOK_S = 0.2


class Slot(NamedTuple):
    """What one process gets."""

    cores: tuple[int, ...] = ()  # empty: all
    environment: tuple[tuple[str, str], ...] = ()


class Ended(NamedTuple):
    """A process that has ended."""

    run: Run
    status: int  # negative: the signal that ended it
    seconds: float
    last_line: str


def find_slots(device: str | None, jobs: int | None, *, runs: int) -> list[Slot]:
    """Return the slots of this machine: by default one for each core, or for each GPU, and no more
    than there are runs.
    """
    platform, devices = _devices(device)
    if platform == "cpu":
        return cpu_slots(_cores(), min(jobs or len(_cores()), runs))
    if platform in ("gpu", "cuda"):
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        names = visible.split(",") if visible else [str(number) for number in range(devices)]
        return gpu_slots(names, min(jobs or len(names), runs))
    return [Slot()]  # one process has all TPU cores of a host


def cpu_slots(cores: Sequence[int], jobs: int) -> list[Slot]:
    """Divide the cores among `jobs` processes; each gets one at least."""
    if not cores or jobs < 2:
        return [Slot() for _ in range(jobs)]
    return [Slot(tuple(cores[k % len(cores) :: jobs])) for k in range(jobs)]


def gpu_slots(names: Sequence[str], jobs: int) -> list[Slot]:
    """Give each of `jobs` processes one GPU; those that share one do not reserve its memory."""
    shared = (("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),) if jobs > len(names) else ()
    return [
        Slot((), (("CUDA_VISIBLE_DEVICES", names[k % len(names)]), *shared)) for k in range(jobs)
    ]


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _devices(device: str | None) -> tuple[str, int]:
    """Return platform and number of the devices that a new process finds; this process must not
    take their memory.
    """
    wanted = PLATFORMS[device] if device else os.environ.get("JAX_PLATFORMS", "")
    if wanted == "cpu":
        return "cpu", 1
    environment = os.environ | ({"JAX_PLATFORMS": wanted} if wanted else {})
    found = subprocess.run(
        [sys.executable, "-c", _PROBE], env=environment, capture_output=True, text=True, check=False
    )
    platform, _, count = found.stdout.strip().rpartition("\n")[2].partition(" ")
    return (platform, int(count)) if count.isdigit() else ("cpu", 1)


def command(study: Study, run: Run, slot: Slot, device: str | None) -> list[str]:
    """Return the command of the process of a run."""
    # Only Linux can bind a process to cores.
    bound = slot.cores and hasattr(os, "sched_setaffinity")
    cores = ["--cores", ",".join(map(str, slot.cores))] if bound else []
    return [
        *(sys.executable, "-m", "ksdiff_jax.cli.ablate_run"),
        *(str(study.folder), run.row, str(run.seed), *cores),
        *(["--device", device] if device else []),
    ]


class Processes:
    """The processes of the runs of a study."""

    def __init__(self, study: Study, *, device: str | None, lock: int | None = None):
        self._study, self._device, self._lock = study, device, lock
        self._running: dict[int, tuple[Run, subprocess.Popen, float, float]] = {}

    def start(self, place: int, run: Run, slot: Slot) -> None:
        """Start the process of a run in the place of a slot."""
        path = os.pathsep.join(filter(None, (str(PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
        log = self._study.log(run)
        with log.open("ab") as file:
            process = subprocess.Popen(
                command(self._study, run, slot, self._device),
                env=os.environ | {"PYTHONPATH": path} | dict(slot.environment),
                stdin=subprocess.PIPE,  # closes when this process ends: the run stops
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on
                pass_fds=() if self._lock is None else (self._lock,),
            )
        now = time.monotonic()
        self._running[place] = (run, process, now, now)

    def ended(self) -> Iterator[tuple[int, Ended]]:
        """Yield each process that has ended, with its place."""
        for place, (run, process, since, _) in list(self._running.items()):
            if (status := process.poll()) is not None:
                process.stdin.close()
                del self._running[place]
                last = last_line(self._study.log(run))
                yield place, Ended(run, status, time.monotonic() - since, last)

    def report(self, tell: Callable[[str], None]) -> None:
        """Tell of each run that has not been told of for a while."""
        now = time.monotonic()
        for place, (run, process, since, told) in self._running.items():
            if now - told > REPORT_S:
                self._running[place] = (run, process, since, now)
                tell(f"{run.label}: {progress(self._study, run)} ({clock(now - since)})")

    def stop(self, asked_again: Callable[[], bool]) -> None:
        """Let all processes save and end, and wait for them; end them at once if asked again."""
        running = [process for _, process, _, _ in self._running.values()]
        for process in running:
            process.terminate()
        while any(process.poll() is None for process in running):
            if asked_again():
                for process in running:
                    process.kill()
            time.sleep(_LOOK_S)

    def __len__(self) -> int:
        return len(self._running)


def progress(study: Study, run: Run) -> str:
    """Return how far a run is."""
    entries = [e for e in entries_of(study.workdir(run)) if e.get("split") == "train"]
    steps = study.config.train.steps
    if not entries:
        return "compiling"
    step = entries[-1]["step"]
    if step >= steps:
        return "trained; scoring"
    return f"step {step} of {steps}, loss {entries[-1]['loss'] or float('nan'):.3g}"


def run_all(
    processes: Processes,
    wanted: Sequence[Run],
    slots: Sequence[Slot],
    *,
    tell: Callable[[str], None],
    finished: Callable[[Ended], None],
) -> None:
    """Make all runs, as many at once as there are slots, and call `finished` after each one.

    Raise `Stopped` after SIGINT or SIGTERM, when all processes have ended; a second one ends them
    without a checkpoint.
    """
    waiting, free = list(wanted), list(range(len(slots)))
    with _signals() as received:
        try:
            while waiting or len(processes):
                if received:
                    raise Stopped(received[0])
                while waiting and free:
                    run, place = waiting.pop(0), free.pop(0)
                    processes.start(place, run, slots[place])
                    tell(f"{run.label}: started")
                for place, ended in processes.ended():
                    free.append(place)
                    finished(ended)
                processes.report(tell)
                time.sleep(_LOOK_S)
        finally:  # none is left at an orderly end
            processes.stop(lambda: len(received) > 1)


class Stopped(Exception):
    """The study was stopped by a signal; `number` is the signal's."""

    def __init__(self, number: int):
        super().__init__(f"signal {number}")
        self.number = number


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of ending at once."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda n, _: received.append(n)) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def last_line(path: Path) -> str:
    """Return the last line of a log that is not empty."""
    with contextlib.suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""
