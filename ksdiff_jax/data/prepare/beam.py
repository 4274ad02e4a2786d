"""Processes sources with Apache Beam, on this machine or on a cluster: one source per element,
outcomes in the work folder.

    Create(sources) -> Reshuffle -> finish(source) -> entries in the ledger

Only the ledger matters: a bundle that Beam runs twice writes the same file twice, and a stopped
pipeline resumes with the unfinished sources. On a cluster all machines must have access to the work
folder and the sources' paths (a shared disk). Arguments after `--` on the command line are passed
to Beam.
"""

from collections.abc import Iterator, Sequence

from ksdiff_jax.data.prepare.ledger import Entry, Ledger
from ksdiff_jax.data.prepare.pool import finish
from ksdiff_jax.data.prepare.run import Runner
from ksdiff_jax.data.prepare.source import Settings, Source
from ksdiff_jax.data.prepare.work import Work, work
from ksdiff_jax.errors import InputError

RUNNERS = {
    "direct": "DirectRunner",
    "dataflow": "DataflowRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
}


def beam_runner(
    name: str, *, processes: int | None = None, options: Sequence[str] = (), work: Work = work
) -> Runner:
    """Return a runner by its short name.

    `processes` is for the direct runner: the number of workers on this machine.
    """
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"--runner {name} needs Apache Beam, which is not installed; install ksdiff-jax[beam] "
            "in a separate environment, or leave --runner out"
        ) from error
    flags = [f"--runner={RUNNERS[name]}", "--default_sdk_harness_log_level=WARNING"]
    if name == "direct" and processes and processes > 1:
        flags += ["--direct_running_mode=multi_processing", f"--direct_num_workers={processes}"]

    def run(
        tasks: Sequence[tuple[str, Source]], settings: Settings, ledger: Ledger
    ) -> Iterator[Entry]:
        if tasks:
            _run_pipeline(tasks, settings, ledger, flags=[*flags, *options], work=work)
        for key, _ in tasks:
            if (entry := ledger.find(key)) is not None:
                yield entry

    return run


def _run_pipeline(
    tasks: Sequence[tuple[str, Source]],
    settings: Settings,
    ledger: Ledger,
    *,
    flags: list[str],
    work: Work,
) -> None:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    # `with` waits for the end of the pipeline and raises the error that stopped it.
    with beam.Pipeline(options=PipelineOptions(flags)) as pipeline:
        (
            pipeline
            | "sources" >> beam.Create(list(tasks))
            | "spread" >> beam.Reshuffle()
            | "clips" >> beam.Map(_finish, settings=settings, folder=ledger.folder, work=work)
        )


def _finish(
    task: tuple[str, Source], *, settings: Settings, folder: str, work: Work
) -> tuple[str, int]:
    """Process one element; the values that Beam passes on are small."""
    entry = finish(*task, settings, Ledger(folder), work=work)
    return task[0], len(entry.clip_seconds)
