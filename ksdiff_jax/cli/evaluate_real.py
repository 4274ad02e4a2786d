"""The part of `ksdiff-jax evaluate` on real people: clips, baselines, progress, curves."""

import functools
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import cache_folder

PEOPLE_SHOWN = 3
PROGRESS_EVERY_S = 20.0


def measure_real(folders: Sequence[str], checkpoints, *, seeds: Sequence[int], console):
    """Return the figures on real people, what was measured (`PeopleFigures`), and a description for
    `metrics.json`. The table is printed.

    `checkpoints` are pairs (engine, pretrained). Each person is measured by the first one whose
    training saw no file of them.
    """
    from ksdiff_jax.evaluate.measured import measured_clips
    from ksdiff_jax.evaluate.real_people import measure_people, people_figures, people_table

    step = Steps(console)
    measured = measured_clips(
        folders, cache=cache_folder(), progress=functools.partial(step, "tracking mouths")
    )
    for line in measured.unusable:
        console.warn(f"not measured: {line}")
    judged, seen = _divided(measured.clips, checkpoints)
    recorded = all(pretrained.sources is not None for _, pretrained in checkpoints)
    clips = [clip for each in judged for clip in each.clips]
    _say_who(console, clips, seen, recorded=recorded)
    if not clips:
        who = "the checkpoint was" if len(checkpoints) == 1 else "each checkpoint was"
        raise InputError(
            f"{', '.join(map(str, folders))}: {who} trained on clips of everybody here "
            f"({', '.join(seen)}); name clips of other people"
        )
    found = measure_people(judged, seeds=seeds, progress=step)
    table = people_table(found)
    for line in ("", *table.splitlines(), ""):
        console.say(line)
    about = {
        "seeds": list(seeds),
        "people": sorted({clip.person for clip in clips}),
        "people_of_checkpoints": [sorted({c.person for c in each.clips}) for each in judged],
        "people_seen_in_training": seen,
        "sources_recorded": recorded,
        "not_measured": measured.unusable,
        "table": table,
        "clips": _each_clip(found),
    }
    return people_figures(found), found, about


def _divided(clips, checkpoints):
    """Return the checkpoints with clips of their own, and the people that every one has seen."""
    from ksdiff_jax.evaluate.measured import without_people_of
    from ksdiff_jax.evaluate.real_people import Judged

    judged = []
    for engine, pretrained in checkpoints:
        own, _ = without_people_of(clips, pretrained.sources or ())
        people = {clip.person for clip in own}
        clips = [clip for clip in clips if clip.person not in people]
        if own:
            judged.append(Judged(engine, pretrained.params, own))
    return judged, sorted({clip.person for clip in clips})


class Steps:
    """Prints how far a stage is, at its begin, at its end and every 20 seconds."""

    def __init__(self, console: Console):
        self._console, self._stage, self._said_s = console, "", 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage or done == total or now - self._said_s > PROGRESS_EVERY_S:
            self._console.say(f"{stage}: {done} of {total}")
            self._stage, self._said_s = stage, now


def _say_who(console: Console, clips, seen: list[str], *, recorded: bool) -> None:
    people = list(dict.fromkeys(clip.person for clip in clips))
    seconds = sum(clip.seconds for clip in clips)
    console.say(f"{len(people)} people, {len(clips)} clips, {seconds:.0f} s: {', '.join(people)}")
    if seen:
        console.say(f"left out, training saw their clips: {', '.join(seen)}")
    if not recorded:
        console.say("a checkpoint does not record its training files: nobody is left out for it")


def _each_clip(found) -> list[dict]:
    """Return the scores of every clip, person and seed."""
    rows = []
    for name, scored in found.scored.items():
        for seed, scores in enumerate(scored.scores):
            for clip, score in zip(scored.clips, scores, strict=True):
                values = score._replace(movement=None)._asdict() | score.movement._asdict()
                del values["movement"]
                finite = {k: v if np.isfinite(v) else None for k, v in values.items()}
                who = {"predictor": name, "sample": seed, "clip": clip.name, "person": clip.person}
                rows.append(who | finite)
    return rows


def curves_of_people(found) -> list:
    """Return the curves of the people that `_shown` chooses, one clip each, of the first seed."""
    from ksdiff_jax.evaluate.real_people import SYSTEM
    from ksdiff_jax.evaluate.report import Curves

    curves = []
    for k in _shown(found):
        clip, score = found.clips[k], found.scored[SYSTEM].scores[0][k]
        title = f"{clip.name}: r = {score.correlation:.2f} at lag {score.lag:+.0f}"
        curves.append(Curves(title, found.openings[k][clip.first_frame :], clip.opening))
    return curves


def write_strips(found, out: Path, *, overwrite: bool, console: Console) -> None:
    """Write `strip_1.png` ...: the filmed and the animated face of the clips of `_shown` that are
    videos; without a tracker a warning is printed.
    """
    from ksdiff_jax.data.prepare.source import Rejected
    from ksdiff_jax.data.tracking.tracker import Tracker, TrackerDied
    from ksdiff_jax.evaluate.people_strip import people_strip, write_people_strip

    filmed = [(n, k) for n, k in enumerate(_shown(found), 1) if found.clips[k].video is not None]
    if not filmed:
        return
    try:
        with Tracker() as tracker:
            for number, k in filmed:
                strip = people_strip(found.clips[k], found.motions[k], tracker)
                write_people_strip(out / f"strip_{number}.png", strip, overwrite=overwrite)
    except (InputError, Rejected, TrackerDied) as error:
        console.warn(f"no strip of filmed and animated faces: {error.args[-1]}")


def _shown(found) -> list[int]:
    """Return the first clip of the people with the lowest, the middle and the highest correlation
    of the system.
    """
    from ksdiff_jax.evaluate.real_people import SYSTEM

    system = found.scored[SYSTEM]
    of_people = system.of_people(lambda score: score.correlation).mean(axis=1)
    order = [system.people[k] for k in np.argsort(of_people)]
    shown = dict.fromkeys((order[0], order[len(order) // 2], order[-1]))
    return [
        next(k for k, clip in enumerate(found.clips) if clip.person == person)
        for person in list(shown)[:PEOPLE_SHOWN]
    ]
