"""The life of a training run, in the order of events.

    checks -> system -> data -> folder -> state -> restore -> { batch, step, log, validate, checkpoint } -> export

The loop knows no model and no file format: it drives a `System` on the batches of a `TrainingData`.
A run that is stopped and started again continues as if nothing had happened: the state, the data
position and the metrics file go back to the last checkpoint, and all randomness follows from the
seed and the step.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
from jax.sharding import Mesh

from ksdiff_jax.config import Config, TrainConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.frozen import join, part
from ksdiff_jax.models.system import Batch, System
from ksdiff_jax.parallel.arrays import check_batch_size, on_every_device
from ksdiff_jax.parallel.distributed import leads, true_of_any, wait_for_all
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.parallel.rules import RULES
from ksdiff_jax.train.agreement import BATCHES_CERTAIN, data_failure, stop_request
from ksdiff_jax.train.checkpoint import Checkpoints, Restored
from ksdiff_jax.train.exported import export_average
from ksdiff_jax.train.feed import BatchFeed, TrainingData
from ksdiff_jax.train.in_flight import InFlight
from ksdiff_jax.train.interrupt import Interrupted, StopRequest
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.report.goodput import Goodput
from ksdiff_jax.train.report.metrics_log import Entry, MetricsLog
from ksdiff_jax.train.report.progress import Progress
from ksdiff_jax.train.report.run_page import write_run_page
from ksdiff_jax.train.report.trace import Trace
from ksdiff_jax.train.report.utilisation import StepFlops, Utilisation
from ksdiff_jax.train.state import TrainState, abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import Metrics, make_train_step, make_validation_step
from ksdiff_jax.train.surgery import check_surgery, starting_weights, write_report
from ksdiff_jax.train.validation import DrawSamples, Evaluate, Validation
from ksdiff_jax.train.watchdog import Watchdog
from ksdiff_jax.train.workdir import check_workdir, open_workdir
from ksdiff_jax.tree import parameter_count
from ksdiff_jax.typing import PyTree

# Steps that may be queued on the device. Two keep it busy; more would only delay the answer to
# SIGTERM.
_RUN_AHEAD = 2

# Consecutive steps without a finite loss and gradient after which a run gives up.
_SKIPPED_IN_A_ROW = 100


class Outcome(NamedTuple):
    """How a run ended."""

    state: TrainState
    exit_status: int  # 0, or 128 + the signal that stopped it
    metrics: dict[str, float]  # of the last validation


class Watching(NamedTuple):
    """What else a run shows."""

    # the work of a training step on a batch, for TFLOP/s and MFU
    step_flops: StepFlops | None = None
    # what the averaged parameters say, every train.samples_every steps
    draw_samples: DrawSamples | None = None
    profile: range = range(0)  # steps to record


_NOTHING_ELSE = Watching()


class Run(NamedTuple):
    """The parts of a run that stay the same while its state changes."""

    config: Config
    workdir: Path
    mesh: Mesh
    data: TrainingData
    train_step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
    validation: Validation
    checkpoints: Checkpoints
    log: MetricsLog
    progress: Progress
    stop: StopRequest
    goodput: Goodput
    utilisation: Utilisation
    watchdog: Watchdog


def train(
    config: Config,
    workdir: str | Path,
    *,
    build_system: Callable[[Config], System],
    open_data: Callable[[Config], TrainingData],
    evaluate: Evaluate | None = None,
    progress: Progress | None = None,
    given: PyTree | None = None,
    watching: Watching = _NOTHING_ELSE,
    overwrite: bool = False,
) -> Outcome:
    """Train from the last checkpoint in `workdir`, or from scratch, to `config.train.steps`.

    `evaluate` measures the averaged parameters at each validation, beyond the loss. `given` are
    parameters that do not start at random, as those of a pretrained encoder; the frozen ones among
    them stay as they are. Raises `InputError` for a configuration that cannot run here and for a
    folder that `open_workdir` refuses.
    """
    goodput, progress = Goodput(), progress or Progress(config.train.steps)
    mesh = make_mesh(config.mesh)
    check_batch_size(config.data.batch_size, mesh, accumulate_steps=config.train.accumulate_steps)
    check_workdir(workdir, config, overwrite=overwrite)
    system = build_system(config)
    check_surgery(config, system, workdir)
    data = open_data(config)
    optimizer = make_optimizer(config.train)
    with ExitStack() as stack:
        workdir = stack.enter_context(
            open_workdir(workdir, config, overwrite=overwrite, tell=progress.tell)
        )
        watchdog = stack.enter_context(Watchdog(workdir, hang_s=config.train.hang_s))
        # Both are needed around tracing: they give the layers' activation constraints their
        # meaning.
        stack.enter_context(jax.set_mesh(mesh))
        stack.enter_context(nn.logical_axis_rules(RULES))

        abstract = abstract_state(system, optimizer, mesh)
        checkpoints = stack.enter_context(
            Checkpoints(workdir / "checkpoints", kept=config.train.checkpoints_kept)
        )
        restored = checkpoints.restore(abstract, tell=progress.tell)
        if restored is None:
            key, chosen = (
                jax.random.key(config.train.seed),
                _begin(config, system, workdir, given, progress),
            )
            state = sharded_initial_state(system, optimizer, key, abstract=abstract, given=chosen)
        else:
            state = _resume(restored, config, workdir, data, progress)
        first = int(state.step)
        goodput.resume(workdir, step=first)
        frozen = on_every_device(part(given or {}, config).frozen, mesh)
        progress.tell(_headline(state, frozen, data, mesh))

        log = stack.enter_context(MetricsLog(workdir, from_step=first))
        common = {
            "statistics": data.statistics,
            "abstract": abstract,
            "mesh": mesh,
            "frozen": frozen,
        }
        trace = stack.enter_context(Trace(watching.profile, workdir / "profile"))
        step_function = make_train_step(system, optimizer, config, **common)
        train_step = trace.of(step_function, first=first, tell=progress.tell)
        validation_step = make_validation_step(system, config, **common)
        shown = (evaluate, watching.draw_samples, workdir / "samples")
        validation = Validation(validation_step, system, frozen, data, mesh, *shown)
        used = Utilisation(watching.step_flops, mesh, dtype=config.model.compute_dtype)
        stop = stack.enter_context(stop_request(mesh))
        stack.callback(progress.close)
        parts = (train_step, validation, checkpoints, log, progress, stop, goodput, used, watchdog)
        return drive(Run(config, workdir, mesh, data, *parts), state, first)


def drive(run: Run, state: TrainState, first: int) -> Outcome:
    """Take the steps `first` to `config.train.steps`, unless a signal comes first; save; export."""
    settings, goodput = run.config.train, run.goodput
    course, metrics = Course(run, state, first), {}
    in_flight = InFlight(goodput.count_step, run.watchdog.alive)
    goodput.begin()
    feed = open_feed(run)
    try:
        if _owes_validation(run, first):
            metrics = course.show()
        while course.step < settings.steps and not run.stop.asked:
            step_metrics = course.take_step(feed)
            step = course.step
            run.stop.after_step(feed.failure)
            run.log.add(step_metrics)
            in_flight.add(step_metrics)
            shown, saves = _is_shown(step, settings), step % settings.checkpoint_every == 0
            # What waits for the state waits for the steps before it, whose time is theirs.
            in_flight.settle(ahead=0 if shown or saves else _RUN_AHEAD)

            if step % settings.log_every == 0:
                course.tell(_close_interval(run, step))
            if shown:
                metrics = course.show() or metrics
            if saves:
                course.save()
    except Interrupted:
        pass  # between steps, so state and position belong together
    finally:
        feed.close()

    course.save(finish=True)
    if run.stop.data_failure is not None:
        raise feed.failure or run.stop.data_failure
    _report(run, _ending(run, course.step, first))
    return Outcome(state=course.state, exit_status=run.stop.exit_status, metrics=metrics)


def open_feed(run: Run) -> BatchFeed:
    """The batches to come.

    Several processes look as far ahead as it takes to stop together before one is missing.
    """
    if jax.process_count() == 1:
        return BatchFeed(run.data.batches, run.mesh)
    feed = BatchFeed(run.data.batches, run.mesh, certain=BATCHES_CERTAIN)
    with run.goodput.spent("data"):
        feed.look_ahead(BATCHES_CERTAIN)
    bad = true_of_any(isinstance(feed.failure, InputError))
    if bad or true_of_any(feed.failure is not None):
        feed.close()
        raise feed.failure or data_failure(bad=bad)
    return feed


class Course:
    """A run on its way: its state after `step` steps, the position in the data that goes with it,
    what is saved.
    """

    def __init__(self, run: Run, state: TrainState, step: int):
        self.run, self.state, self.step = run, state, step
        self._first, self._saved, self._position = step, step, None
        self._hopeless = Hopeless()

    def take_step(self, feed: BatchFeed) -> Metrics:
        """One more step; what was reached is saved before an error of the data ends the run."""
        try:
            with self.run.stop.interruptible(), self.run.goodput.spent("data"):
                fed = next(feed)
        except Interrupted:
            raise
        except Exception:
            if jax.process_count() == 1:  # several agree after a step before (agreement.py)
                self.save(finish=True)
            raise
        self.run.utilisation.see(fed.batch)
        self.state, metrics = _step(
            self.run, self.state, fed.batch, compiles=self.step == self._first
        )
        self.step, self._position = self.step + 1, fed.position
        return metrics

    def show(self) -> dict[str, float]:
        """Let the averaged weights speak; the figures measured."""
        run = self.run
        with (
            run.goodput.spent("validation"),
            run.watchdog.patient(),
            run.stop.interruptible(self._save_aside),
        ):
            return _show(run, self.state, self.step)

    def tell(self, entry: Entry | None) -> None:
        """Show an entry of the log; raises `InputError` if it says that training is hopeless."""
        if entry:
            self.run.progress.update(entry)
            self._hopeless.check(entry)

    def save(self, *, finish: bool = False) -> None:
        """Save what is not saved yet; in the background, unless it is to `finish`."""
        # The lines of the steps up to here: a kill after this would leave a gap where they are.
        self.tell(self.run.log.flush())
        with self.run.goodput.spent("checkpoint"):
            self._save_state()
            if finish:
                self.run.checkpoints.wait()
        self.run.goodput.write(self.run.workdir)

    def _save_state(self) -> None:
        if self.step > self._saved:
            self.run.checkpoints.save(self.state, self._position, step=self.step)
            self._saved = self.step
        self.run.goodput.saved(self.step)

    def _save_aside(self) -> None:
        """Called by another thread while this one is inside a compilation."""
        self.run.log.flush()
        self._save_state()
        self.run.checkpoints.wait()
        self.run.goodput.write(self.run.workdir, ended=True)


def _owes_validation(run: Run, step: int) -> bool:
    """Whether the validation that is due at `step`, where this process begins, was cut short by a
    signal.
    """
    due = step > 0 and _is_validated(step, run.config.train)
    return due and true_of_any(leads() and not run.log.has(step, "val"))


def _step(
    run: Run, state: TrainState, batch: Batch, *, compiles: bool
) -> tuple[TrainState, Metrics]:
    """A training step. In the first one, those who compile faster wait for the others."""
    if not compiles:
        return run.train_step(state, batch)
    with run.goodput.spent("compile"):
        with run.stop.compiling():
            result = run.train_step(state, batch)
        wait_for_all("first step")
    return result


def _close_interval(run: Run, step: int) -> Entry | None:
    """End a log interval at `step` with its speed and shares of time; the entry of the interval
    before, if any.
    """
    timing = run.goodput.lap()
    run.goodput.write(run.workdir)
    speed = timing.get("steps_per_s")
    return run.log.close_interval(
        step, timing if speed is None else timing | run.utilisation.figures(speed)
    )


class Hopeless:
    """Raises `InputError` once `_SKIPPED_IN_A_ROW` steps in a row, seen through the log, changed
    nothing.
    """

    def __init__(self):
        self._step, self._skipped, self._in_a_row = 0, 0, 0

    def check(self, entry: Entry) -> None:
        steps, skipped = entry["step"] - self._step, entry["skipped"] - self._skipped
        self._in_a_row = self._in_a_row + steps if skipped >= steps else 0
        self._step, self._skipped = entry["step"], entry["skipped"]
        if self._in_a_row >= _SKIPPED_IN_A_ROW:
            raise InputError(
                f"training gave up at step {entry['step']:.0f}: the last {self._in_a_row:.0f} "
                "steps had no finite "
                "loss and gradient and were skipped; lower train.learning_rate or look at the data"
            )


def _begin(
    config: Config, system: System, workdir: Path, given: PyTree | None, progress: Progress
) -> PyTree:
    """The parameters that a new run does not start at random: those given and those of
    `train.init_from`.
    """
    start = starting_weights(config, system)
    if start is None:
        return given or {}
    if leads():
        write_report(start, workdir, tell=progress.tell)
    return join(given or {}, start.params)


def _resume(
    restored: Restored, config: Config, workdir: Path, data: TrainingData, progress: Progress
) -> TrainState:
    step = int(restored.state.step)
    if config.train.steps < step:
        raise InputError(
            f"train.steps {config.train.steps}: the run in {workdir} is already at step {step}; "
            "ask for more steps or name another --workdir"
        )
    data.batches.set_state(restored.position)
    progress.tell(f"resuming {workdir} at step {step}")
    return restored.state


def _is_shown(step: int, settings: TrainConfig) -> bool:
    """Whether the averaged weights are measured or shown after so many steps."""
    return _is_validated(step, settings) or (
        settings.samples_every > 0 and step % settings.samples_every == 0
    )


def _is_validated(step: int, settings: TrainConfig) -> bool:
    return step % settings.validate_every == 0 or step == settings.steps


def _show(run: Run, state: TrainState, step: int) -> dict[str, float]:
    """Let the averaged weights speak, and measure and export them, each where it is due; the
    figures measured.
    """
    settings = run.config.train
    if settings.samples_every and step % settings.samples_every == 0:
        run.validation.draw(state.ema, step)
    return _validate(run, state, step) if _is_validated(step, settings) else {}


def _report(run: Run, ending: str) -> None:
    """The last word of a run, also one that a signal ends: to the terminal, and as a page."""
    run.goodput.write(run.workdir, ended=True)
    run.progress.tell(ending)
    if leads():
        try:
            run.progress.tell(f"the run on one page: {write_run_page(run.workdir, ending=ending)}")
        except InputError as error:  # the disk is full, perhaps; what matters is saved
            run.progress.tell(str(error))


def _validate(run: Run, state: TrainState, step: int) -> dict[str, float]:
    """Measure the averaged weights, write the numbers down, and export the weights."""
    metrics = run.validation.measure(state.ema)
    export_average(run.workdir, state, config=run.config, data=run.data, step=step, metrics=metrics)
    run.log.write(step, "val", metrics)  # last: it says that the export is there too
    run.progress.tell(
        f"step {step} validation  "
        + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    )
    return metrics


def _headline(state: TrainState, frozen: PyTree, data: TrainingData, mesh: Mesh) -> str:
    grid = " × ".join(f"{name} {size}" for name, size in mesh.shape.items())
    kind = mesh.devices.flat[0].device_kind
    beside = f" and {parameter_count(frozen):,} frozen ones" if frozen else ""
    return (
        f"{parameter_count(state.params):,} parameters{beside}; {data.description}; mesh "
        f"{grid} of {kind}"
    )


def _ending(run: Run, step: int, first: int) -> str:
    if run.stop.signal is not None:
        return (
            f"stopped by {run.stop.signal.name} at step {step}, saved; the same command "
            f"resumes it from {run.workdir}"
        )
    if step == first:
        return (
            f"nothing to do: {run.workdir} is already at step {step}; raise --train.steps to go on"
        )
    return f"done at step {step}; weights for inference are in {run.workdir / 'pretrained'}"
