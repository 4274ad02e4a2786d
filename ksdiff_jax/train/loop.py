"""A training run, in the order of its steps.

    checks -> system -> data -> folder -> state -> restore
           -> { validate, save, next batch, step, log } -> save -> report

The loop contains nothing specific to a model or a file format: it trains a `System` on the batches
of a `TrainingData`. A run that is stopped and started again computes the same as an uninterrupted
one: the state, the data position and the metrics file return to the last checkpoint, and all random
numbers depend on the seed and the step. After every `train.validate_every` steps and at its end, a
run is validated and exported, and then saved if a checkpoint is due, before the next batch is read.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
from jax.sharding import Mesh

from ksdiff_jax.config import Config, TrainConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.frozen import join, part
from ksdiff_jax.models.system import System
from ksdiff_jax.parallel.arrays import check_batch_size, on_every_device
from ksdiff_jax.parallel.distributed import any_process, is_main_process, wait_for_all
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
from ksdiff_jax.train.report.utilisation import Utilisation
from ksdiff_jax.train.run_space import check_run_space, keep_run_space
from ksdiff_jax.train.state import TrainState, abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step, make_validation_step
from ksdiff_jax.train.surgery import check_surgery, starting_weights, write_report
from ksdiff_jax.train.validation import on_one_device, validation_losses
from ksdiff_jax.train.validation_clips import write_validation_clips
from ksdiff_jax.train.watchdog import Watchdog
from ksdiff_jax.train.workdir import check_workdir, open_workdir
from ksdiff_jax.tree import parameter_count
from ksdiff_jax.typing import PyTree

# Returns metrics of a system with these parameters on the validation clips of the data.
Evaluate = Callable[[System, PyTree, TrainingData], dict[str, float]]
DrawSamples = Callable[[System, PyTree, TrainingData, Path, int], None]  # into a folder, at a step

# Steps that may be queued on the device. Two keep it busy; more would only delay the reaction to
# SIGTERM.
_RUN_AHEAD = 2

# Consecutive steps without a finite loss and gradient after which a run raises `InputError`.
_SKIPPED_IN_A_ROW = 100


class Outcome(NamedTuple):
    """The result of a run."""

    state: TrainState
    exit_status: int  # 0, or 128 + the signal that stopped it
    metrics: dict[str, float]  # of the last validation


class Watching(NamedTuple):
    """Optional measurements and samples of a run."""

    # FLOPs of a training step on a batch, for TFLOP/s and MFU
    step_flops: Callable[[System, PyTree], float] | None = None
    # draws samples of the averaged parameters, every train.samples_every steps
    draw_samples: DrawSamples | None = None
    profile: range = range(0)  # steps to profile


_NOTHING_ELSE = Watching()


def train(
    config: Config,
    workdir: str | Path,
    *,
    build_system: Callable[[Config], System],
    open_data: Callable[[System], TrainingData],
    evaluate: Evaluate | None = None,
    progress: Progress | None = None,
    given: PyTree | None = None,
    watching: Watching = _NOTHING_ELSE,
    overwrite: bool = False,
) -> Outcome:
    """Train from the last checkpoint in `workdir`, or from the start, to `config.train.steps`.

    `evaluate` returns metrics of the averaged parameters at each validation, in addition to the
    loss. `given` contains parameters with start values, such as those of a pretrained encoder; the
    frozen ones among them never change. A signal ends the run after the current step, with a
    checkpoint.

    Raise `InputError` for a configuration that cannot run here, for a refused folder, for
    unsuitable data, and after `_SKIPPED_IN_A_ROW` skipped steps. Raise the reader's error after a
    checkpoint.
    """
    settings, goodput = config.train, Goodput()
    progress = progress or Progress(settings.steps)
    mesh = make_mesh(config.mesh)
    check_batch_size(config.data.batch_size, mesh, accumulate_steps=settings.accumulate_steps)
    check_workdir(workdir, config, overwrite=overwrite)
    system = build_system(config)
    check_surgery(config, system, workdir)
    data = open_data(system)
    system = replace(system, space=data.space)
    check_run_space(config, workdir, data.space.name)
    optimizer = make_optimizer(settings)
    with ExitStack() as stack:
        opened = open_workdir(workdir, config, overwrite=overwrite, tell=progress.tell)
        workdir = stack.enter_context(opened)
        if is_main_process():
            write_validation_clips(workdir, data.clips)
            keep_run_space(workdir, data.space)
        watchdog = stack.enter_context(Watchdog(workdir, hang_s=settings.hang_s))
        # Tracing needs both: they resolve the layers' activation constraints.
        stack.enter_context(jax.set_mesh(mesh))
        stack.enter_context(nn.logical_axis_rules(RULES))

        abstract = abstract_state(system, optimizer, mesh)
        checkpoints = stack.enter_context(
            Checkpoints(workdir / "checkpoints", kept=settings.checkpoints_kept)
        )
        restored = checkpoints.restore(abstract, tell=progress.tell)
        if restored is None:
            start = _begin(config, system, workdir, given, progress)
            key = jax.random.key(settings.seed)
            state = sharded_initial_state(system, optimizer, key, abstract=abstract, given=start)
        else:
            state = _resume(restored, config, workdir, data, progress)
        first = int(state.step)
        goodput.resume(workdir, step=first)
        frozen = on_every_device(part(given or {}, config).frozen, mesh)
        progress.tell(_headline(state, frozen, data, mesh))

        log = stack.enter_context(MetricsLog(workdir, from_step=first))
        common = {"abstract": abstract, "mesh": mesh}
        trace = stack.enter_context(Trace(watching.profile, workdir / "profile"))
        train_step = make_train_step(system, optimizer, frozen=frozen, **common)
        train_step = trace.of(train_step, first=first, tell=progress.tell)
        validation_step = make_validation_step(system, frozen=frozen, **common)
        count = partial(watching.step_flops, system) if watching.step_flops else None
        sizes = {"dtype": config.model.compute_dtype, "clip_frames": config.data.clip_frames}
        utilisation = Utilisation(count, mesh, **sizes)
        stop = stack.enter_context(stop_request(mesh))
        stack.callback(progress.close)
        in_flight = InFlight(goodput.count_step, watchdog.alive)
        hopeless = Hopeless()

        # `position` is the data position after the batch of `step`; both are saved together.
        step = saved = first
        position, metrics = None, {}

        def tell(entry: Entry | None) -> None:
            """Report an entry of the log; raise `InputError` if too many steps were skipped."""
            if entry:
                progress.update(entry)
                hopeless.check(entry)

        def save_state() -> None:
            nonlocal saved
            if step > saved:
                checkpoints.save(state, position, step=step)
                saved = step
            goodput.saved(step)

        def save(*, wait: bool = False) -> None:
            """Save the state if it is not saved yet, in the background unless `wait` is set."""
            # Write the log lines up to this step first: a kill after the save would lose them.
            tell(log.flush())
            with goodput.spent("checkpoint"):
                save_state()
                if wait:
                    checkpoints.wait()
            goodput.write(workdir)

        def save_aside() -> None:
            """Save and close the goodput record, in another thread while this one compiles."""
            log.flush()
            save_state()
            checkpoints.wait()
            goodput.write(workdir, ended=True)

        def draw(params: PyTree) -> None:
            watching.draw_samples(system, params, data, workdir / "samples", step)

        def measure(params: PyTree) -> dict[str, float]:
            return evaluate(system, params, data)

        goodput.begin()
        feed = _open_feed(data, mesh, goodput)
        try:
            # A resumed run first repeats a validation that a signal interrupted.
            validates = _validates_at(step, settings) and _lacks_validation(log, step)
            draws = validates and _draws_at(step, settings)
            while True:
                # Validate the averaged weights, on the same clips every time.
                if validates or draws:
                    with (
                        goodput.spent("validation"),
                        watchdog.patient(),
                        stop.interruptible(save_aside),
                    ):
                        weights = join(state.ema, frozen)
                        if draws and watching.draw_samples:
                            on_one_device(draw, weights, mesh)
                        if validates:
                            batches = data.validation
                            found = validation_losses(validation_step, state.ema, batches, mesh)
                            if evaluate:
                                found |= on_one_device(measure, weights, mesh)
                            export_average(
                                workdir, state, config=config, data=data, step=step, metrics=found
                            )
                            log.write(step, "val", found)  # last, so that the export exists
                            progress.tell(_validation_line(step, found))
                            metrics = found

                # Save before the next batch is read.
                if step > saved and step % settings.checkpoint_every == 0:
                    save()
                if step >= settings.steps or stop.asked:
                    break

                # Next batch.
                try:
                    with stop.interruptible(), goodput.spent("data"):
                        fed = next(feed)
                except Interrupted:
                    raise
                except Exception:
                    if jax.process_count() == 1:  # several processes agree earlier (agreement.py)
                        save(wait=True)
                    raise
                utilisation.see(fed.batch)

                # Step. After the first one, processes that compile faster wait for the others.
                if step > first:
                    state, step_metrics = train_step(state, fed.batch)
                else:
                    with goodput.spent("compile"):
                        with stop.compiling():
                            state, step_metrics = train_step(state, fed.batch)
                        wait_for_all("first step")
                step, position = step + 1, fed.position
                stop.after_step(feed.failure)

                # Log.
                log.add(step_metrics)
                in_flight.add(step_metrics)
                validates, draws = _validates_at(step, settings), _draws_at(step, settings)
                # Settle queued steps first, so that their time is not counted as that of a save.
                waits = validates or draws or step % settings.checkpoint_every == 0
                in_flight.settle(ahead=0 if waits else _RUN_AHEAD)
                if step % settings.log_every == 0:
                    timing = goodput.lap()
                    goodput.write(workdir)
                    if (speed := timing.get("steps_per_s")) is not None:
                        timing |= utilisation.figures(speed)
                    tell(log.close_interval(step, timing))
        except Interrupted:
            pass  # raised between steps only, so state and position are consistent
        finally:
            feed.close()

        save(wait=True)
        if stop.data_failure is not None:
            raise feed.failure or stop.data_failure
        goodput.write(workdir, ended=True)
        _report(_ending(workdir, step, first, stop), workdir, progress)
        return Outcome(state=state, exit_status=stop.exit_status, metrics=metrics)


def _open_feed(data: TrainingData, mesh: Mesh, goodput: Goodput) -> BatchFeed:
    """Return the feed of training batches.

    With several processes, it reads far enough ahead for all to stop before a batch is missing.
    """
    if jax.process_count() == 1:
        return BatchFeed(data.batches, mesh)
    feed = BatchFeed(data.batches, mesh, certain=BATCHES_CERTAIN)
    with goodput.spent("data"):
        feed.look_ahead(BATCHES_CERTAIN)
    bad = any_process(isinstance(feed.failure, InputError))
    if bad or any_process(feed.failure is not None):
        feed.close()
        raise feed.failure or data_failure(bad=bad)
    return feed


class Hopeless:
    """Raises `InputError` once `_SKIPPED_IN_A_ROW` consecutive steps in the log were skipped."""

    def __init__(self):
        self._step, self._skipped, self._in_a_row = 0, 0, 0

    def check(self, entry: Entry) -> None:
        steps, skipped = entry["step"] - self._step, entry["skipped"] - self._skipped
        self._in_a_row = self._in_a_row + steps if skipped >= steps else 0
        self._step, self._skipped = entry["step"], entry["skipped"]
        if self._in_a_row >= _SKIPPED_IN_A_ROW:
            raise InputError(
                f"training stopped at step {entry['step']:.0f}: the last {self._in_a_row:.0f} "
                "steps had no finite loss and gradient and were skipped; lower "
                "train.learning_rate or check the data"
            )


def _begin(
    config: Config, system: System, workdir: Path, given: PyTree | None, progress: Progress
) -> PyTree:
    """Return the parameters with start values: those given and those of `train.init_from`."""
    start = starting_weights(config, system)
    if start is None:
        return given or {}
    if is_main_process():
        write_report(start, workdir, tell=progress.tell)
    return join(given or {}, start.params)


def _resume(
    restored: Restored, config: Config, workdir: Path, data: TrainingData, progress: Progress
) -> TrainState:
    """Set the data position and return the state of a checkpoint."""
    step = int(restored.state.step)
    if config.train.steps < step:
        raise InputError(
            f"train.steps {config.train.steps}: the run in {workdir} is already at step {step}; "
            "request more steps or name another --workdir"
        )
    data.batches.set_state(restored.position)
    progress.tell(f"resuming {workdir} at step {step}")
    return restored.state


def _validates_at(step: int, settings: TrainConfig) -> bool:
    """Return whether the averaged weights are validated after this number of steps."""
    return step > 0 and (step % settings.validate_every == 0 or step == settings.steps)


def _draws_at(step: int, settings: TrainConfig) -> bool:
    """Return whether samples are drawn after this number of steps."""
    return settings.samples_every > 0 and step % settings.samples_every == 0


def _lacks_validation(log: MetricsLog, step: int) -> bool:
    """Return whether the log has no validation of `step`; all processes must call this."""
    return any_process(is_main_process() and not log.has(step, "val"))


def _validation_line(step: int, metrics: dict[str, float]) -> str:
    figures = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    return f"step {step} validation  {figures}"


def _headline(state: TrainState, frozen: PyTree, data: TrainingData, mesh: Mesh) -> str:
    grid = " × ".join(f"{name} {size}" for name, size in mesh.shape.items())
    kind = mesh.devices.flat[0].device_kind
    beside = f" and {parameter_count(frozen):,} frozen ones" if frozen else ""
    return (
        f"{parameter_count(state.params):,} parameters{beside}; {data.description}; mesh "
        f"{grid} of {kind}"
    )


def _ending(workdir: Path, step: int, first: int, stop: StopRequest) -> str:
    if stop.signal is not None:
        return (
            f"stopped by {stop.signal.name} at step {step}, saved; the same command resumes it "
            f"from {workdir}"
        )
    if step == first:
        return f"nothing to do: {workdir} is already at step {step}; increase --train.steps"
    return f"done at step {step}; weights for inference are in {workdir / 'pretrained'}"


def _report(ending: str, workdir: Path, progress: Progress) -> None:
    """Report the last line of a run, also after a signal, and write the page of the run."""
    progress.tell(ending)
    if is_main_process():
        try:
            progress.tell(f"the run on one page: {write_run_page(workdir, ending=ending)}")
        except InputError as error:  # such as a full disk; the checkpoint is already saved
            progress.tell(str(error))
