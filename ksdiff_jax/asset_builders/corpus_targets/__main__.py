"""`python -m ksdiff_jax.asset_builders.corpus_targets FACES OUT.json`: see the package."""

import sys
from collections.abc import Callable, Sequence

import numpy as np

from ksdiff_jax.asset_builders.corpus_targets.filmed import FilmedMouth, filmed_mouths
from ksdiff_jax.asset_builders.corpus_targets.fit import fitted_targets, openings_by
from ksdiff_jax.data.corpus.targets import PHONETIC, PHONETIC_NAME, json_of_targets
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate import yardstick
from ksdiff_jax.evaluate.intervals import Interval
from ksdiff_jax.evaluate.measured import measured_clips
from ksdiff_jax.evaluate.people_folds import people_folds
from ksdiff_jax.evaluate.yardstick import Scored, score_openings
from ksdiff_jax.files import cache_folder
from ksdiff_jax.outputs import check_output, write_document

FITTED_NAME = "fitted"
Tell = Callable[[str], None]


def main(faces: str, out: str, *, tell: Tell = print) -> None:
    """Fit to the people of `faces`, print the figures of held-out people, and write `out`.

    Raise `InputError` before any work for an output that cannot be written, and for faces without
    word times.
    """
    check_output(out, "targets", inputs=[faces])
    never = people_folds().never
    clips = measured_clips([faces], cache=cache_folder()).clips
    mouths = filmed_mouths([clip for clip in clips if clip.person not in never])
    people = sorted({mouth.clip.person for mouth in mouths})
    tell(f"{faces}: {len(mouths)} clips of {len(people)} people with phones")
    figures = held_out_figures(mouths, tell=tell)
    targets = fitted_targets(mouths, progress=lambda k, n: tell(f"all: step {k} of {n}"))
    about = {"people": people, "clips": len(mouths), "held_out": figures}
    write_document(out, json_of_targets(targets) | {"fitted_to": about}, inputs=[faces])
    tell(f"{out}: written")


def held_out_figures(mouths: Sequence[FilmedMouth], *, tell: Tell) -> dict[str, dict]:
    """Print and return the figures of people by fits to the other groups, beside the phonetic
    table's; none if there is one group.
    """
    groups: dict[str, list[FilmedMouth]] = {}
    for mouth in mouths:
        groups.setdefault(people_folds().group(mouth.clip.person), []).append(mouth)
    if len(groups) < 2:
        tell("one group of people: nobody is held out")
        return {}
    order, shown = [], {PHONETIC_NAME: [], FITTED_NAME: []}
    for name, held in groups.items():
        others = [mouth for mouth in mouths if mouth not in held]
        own = fitted_targets(
            others, progress=lambda k, n, name=name: tell(f"without {name}: step {k} of {n}")
        )
        order += [mouth.clip for mouth in held]
        for table, targets in ((PHONETIC_NAME, PHONETIC), (FITTED_NAME, own)):
            shown[table] += openings_by(held, targets)
    scored = {table: score_openings([each], order) for table, each in shown.items()}
    for table, each in scored.items():
        tell(f"{table}: {_row(each)}")
    difference = yardstick.difference_interval(scored[FITTED_NAME], scored[PHONETIC_NAME])
    tell(f"r, {FITTED_NAME} - {PHONETIC_NAME}, paired by person: {_interval(difference)}")
    return {table: _figures(each) for table, each in scored.items()}


def _measures(scored: Scored) -> dict[str, Interval]:
    ratios = {name: yardstick.movement_ratio(scored, name) for name in yardstick.MOVEMENTS[:3]}
    return {
        "r": yardstick.correlation_interval(scored),
        "closed /p b m/": yardstick.closure_interval(scored),
        "precision": yardstick.precision_interval(scored),
        **{name.replace("_", " "): each for name, each in ratios.items()},
    }


def _row(scored: Scored) -> str:
    lag = np.median([score.lag for score in scored.scores[0]])
    cells = [f"{name} {_interval(each)}" for name, each in _measures(scored).items()]
    people = scored.of_people(lambda score: score.correlation)[:, 0]
    each = ", ".join(f"{n} {r:.2f}" for n, r in zip(scored.people, people, strict=True))
    return f"{', '.join(cells)}, lag {lag:+.0f}; r of each: {each}"


def _figures(scored: Scored) -> dict[str, list[float]]:
    return {
        name: [round(float(number), 4) for number in each[:3]]
        for name, each in _measures(scored).items()
    }


def _interval(each: Interval) -> str:
    return f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]"


if __name__ == "__main__":
    try:
        if len(sys.argv) != 3:
            raise InputError(
                f"got {len(sys.argv) - 1} arguments, need two: the folder of videos with .align "
                "files, and the file to write"
            )
        main(*sys.argv[1:], tell=lambda line: print(line, flush=True))
    except InputError as error:
        print(f"corpus_targets: {error}", file=sys.stderr)
        sys.exit(2)
