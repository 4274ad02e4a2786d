"""The results of an ablation study, from the runs that are finished: tables and learning curves."""

import math
from collections.abc import Sequence

from ksdiff_jax.cli.ablate_folder import Run, Study, entries_of, read_scores
from ksdiff_jax.files import replacing, write_json

SCHEMA = "ksdiff-ablation-table/1"


def write_tables(study: Study, runs: Sequence[Run]) -> str:
    """Write the tables of finished runs; return them as Markdown."""
    from ksdiff_jax.evaluate import ablation_table as tables
    from ksdiff_jax.evaluate.ablations import ablations_of

    table, reference = ablations_of(study.config), read_scores(study.beside)
    beside = {row: {0: figures} for row, figures in reference["rows"].items()}
    scores, entries = {}, _entries(study, runs)
    for run in _ordered(study, runs):
        found = read_scores(study.scores(run), clips_sha256=reference["clips_sha256"])
        scores.setdefault(run.row, {})[run.seed] = found["rows"][run.row]
    text = "\n".join(
        [
            f"# Ablations of {study.config.name}",
            "",
            f"{len(reference['clips'])} clips of the split {study.split}, samples of each: "
            f"{study.samples}; {study.config.train.steps} steps of "
            f"{study.config.data.batch_size} clips for every row.",
            "",
            tables.markdown(scores, table, beside=beside),
            *_learning(entries),
        ]
    )
    document = {"schema": SCHEMA, "config": study.config.name, "runs": [run.name for run in runs]}
    document |= tables.as_json(scores, table, beside=beside) | {"learning": _changes(entries)}
    write_json(study.folder / "table.json", document)
    contents = {"table.md": text, "table.csv": tables.csv_text(scores, table, beside=beside)}
    for name, content in contents.items():
        with replacing(study.folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return text


def write_curves(study: Study, runs: Sequence[Run]) -> None:
    """Write the learning curves of finished runs."""
    from ksdiff_jax.train.report.row_curves import draw_rows

    with replacing(study.folder / "curves.png") as temporary:
        temporary.write_bytes(draw_rows(_entries(study, runs)))


def _ordered(study: Study, runs: Sequence[Run]) -> list[Run]:
    """Return the runs in the order of the table, each row by its seeds."""
    from ksdiff_jax.evaluate.ablations import ablations_of

    rows = list(ablations_of(study.config).rows)
    return sorted(runs, key=lambda run: (rows.index(run.row), run.seed))


def _entries(study: Study, runs: Sequence[Run]) -> dict[str, list[list[dict]]]:
    entries = {}
    for run in _ordered(study, runs):
        entries.setdefault(run.row, []).append(entries_of(study.workdir(run)))
    return entries


def _changes(entries: dict[str, list[list[dict]]]) -> dict[str, dict[str, float]]:
    from ksdiff_jax.train.report.row_curves import last_changes

    return {row: last_changes(runs) for row, runs in entries.items()}


def _learning(entries: dict[str, list[list[dict]]]) -> list[str]:
    """Return the lines that show whether rows still improve."""
    lines = [
        "Whether rows still improve (curves.png): change of the training loss from the third to "
        "the last quarter of the steps, and of the validation loss between the last two "
        "validations.",
        "",
        "| | training loss | validation loss |",
        "|---|---|---|",
    ]
    for row, changes in _changes(entries).items():
        cells = [_percent(changes[name]) for name in ("train", "validation")]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return [*lines, ""]


def _percent(change: float) -> str:
    return f"{100 * change:+.1f} %" if math.isfinite(change) else "too few"
