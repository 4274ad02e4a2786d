"""`evaluate --metrics real`: a system against real people, and the table of its figures.

    measured = measured_clips([folder], cache=cache_folder())
    found = measure_people([Judged(engine, params, clips)], seeds=(0, 1, 2))
    print(people_table(found))

Checkpoints that were trained on different people (folds) are measured together: each has the clips
of the people that it did not see, and the figures are over all people.

Baselines are the smoothed level of speech, predictions for other people's clips (chance), and
ridges on log-mel and on the features of the system's own encoder (`lip_ridge`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.evaluate import yardstick
from ksdiff_jax.evaluate.face_points import (
    builtin_landmark_model,
    builtin_points,
    moving_points,
)
from ksdiff_jax.evaluate.head_and_lids import (
    LONG_CLIP_S,
    blink_figures,
    blinks_of,
    head_figures,
    head_score,
)
from ksdiff_jax.evaluate.intervals import FEWEST_CLIPS, Interval, bounded, crossed_interval
from ksdiff_jax.evaluate.lip_ridge import ridge_openings
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.evaluate.people_folds import people_folds
from ksdiff_jax.evaluate.speech_rows import encoder_rows, level, mel_rows
from ksdiff_jax.evaluate.tracked_mouth import FACE_HEIGHT, INNER_LIPS, opening_of_points
from ksdiff_jax.evaluate.yardstick import Openings, Scored, score_openings
from ksdiff_jax.speech.utterance import Utterance
from ksdiff_jax.typing import Float, PyTree

Progress = Callable[[str, int, int], None]  # stage, done, total
SYSTEM, LEVEL, MEL, ENCODER = "system", "level", "ridge_mel", "ridge_encoder"
LAG_TOLERANCE_FRAMES = 1


class Judged(NamedTuple):
    """A checkpoint, and the clips of people whom its training did not see."""

    engine: Engine
    params: PyTree
    clips: Sequence[MeasuredClip]


class PeopleFigures(NamedTuple):
    """Everything measured on real people."""

    clips: Sequence[MeasuredClip]
    scored: dict[str, Scored]  # by predictor; the system and its baselines
    chance: Float[np.ndarray, "people 1"]
    openings: Openings  # of the system's first seed, for plots
    motions: Sequence[Float[np.ndarray, "_ 59"]]  # of the same seed
    motion: dict[str, float]  # figures of head and blinks


def measure_people(
    judged: Sequence[Judged],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    progress: Progress = lambda stage, done, total: None,
) -> PeopleFigures:
    """Sample the clips of every checkpoint with every seed, and score the system and the baselines
    on all clips. The ridge on an encoder reads that of the first checkpoint.
    """
    clips = [clip for each in judged for clip in each.clips]
    utterances, motions = [], [[] for _ in seeds]
    for number, each in enumerate(judged):
        of = f" of checkpoint {number + 1} of {len(judged)}" if len(judged) > 1 else ""
        read = []
        for clip in each.clips:
            read.append(each.engine.read(clip.sound))
            progress("reading speech", len(utterances) + len(read), len(clips))
        for k, seed in enumerate(seeds):
            stage = f"seed {k + 1} of {len(seeds)}{of}"
            samples = each.engine.sample(
                read, seed=seed, progress=lambda d, t, stage=stage: progress(stage, d, t)
            )
            motions[k] += [np.asarray(sample.motion, np.float32) for sample in samples]
        utterances += read
    predicted = {SYSTEM: [openings_of(motion) for motion in motions]}
    engine, params, _ = judged[0]
    for name, openings in baselines(engine, utterances, clips, params=params).items():
        predicted[name] = [openings]
        progress("baselines", len(predicted), 4)
    scored = {name: score_openings(each, clips) for name, each in predicted.items()}
    chance = yardstick.chance_correlations(predicted[SYSTEM][0], clips)
    motion = motion_figures([each for seed in motions for each in seed])
    return PeopleFigures(clips, scored, chance, predicted[SYSTEM][0], motions[0], motion)


def openings_of(motions: Sequence[Float[np.ndarray, "_ 59"]]) -> Openings:
    """Return the mouth opening over face height of motions of the built-in head, by the measure of
    the real clips: the same landmarks, as seen from the front.

    It is 3 to 15 % less than the opening of the mesh over `face_height`, the more the further the
    jaw opens: the chin moves away from the forehead, and the lower lip moves back as well as down.
    """
    model = builtin_landmark_model((*INNER_LIPS, *FACE_HEIGHT))
    seen = [moving_points(model, motion)[..., :2].astype(np.float64) for motion in motions]
    return [opening_of_points(*np.moveaxis(points, 1, 0)) for points in seen]


def baselines(
    engine: Engine,
    utterances: Sequence[Utterance],
    clips: Sequence[MeasuredClip],
    *,
    params: PyTree,
) -> dict[str, Openings]:
    """Return the openings of each baseline by its name; a ridge that has nobody else to learn from
    is left out.
    """
    folds = people_folds()
    groups = [folds.group(clip.person) for clip in clips]
    trains = [clip.person not in folds.never for clip in clips]
    rows = {MEL: [mel_rows(utterance) for utterance in utterances]}
    config = engine.system.config
    if "encoder" in params and hasattr(config.model, "encoder"):
        rows[ENCODER] = [encoder_rows(u, config=config, params=params) for u in utterances]
    found = {LEVEL: [level(utterance) for utterance in utterances]}
    for name, features in rows.items():
        openings = ridge_openings(features, clips, groups=groups, trains=trains)
        if openings is not None:
            found[name] = openings
    return found


def motion_figures(motions: Sequence[Float[np.ndarray, "_ 59"]]) -> dict[str, float]:
    """Return the figures of head and blinks of all motions."""
    points = builtin_points()
    long = [motion for motion in motions if len(motion) / 25 >= LONG_CLIP_S]
    blinks = [blinks_of(motion, points) for motion in motions]
    return blink_figures(blinks) | head_figures([head_score(motion) for motion in long])


def people_figures(found: PeopleFigures) -> dict[str, float]:
    """Return the flat figures; names are stable, and bounds end in `_low` and `_high`."""
    system = found.scored[SYSTEM]
    figures = {
        "real_people": float(len(system.people)),
        "real_seconds": float(sum(clip.seconds for clip in found.clips)),
        "real_speech_correlation": system.by_seconds(lambda score: score.correlation),
        "real_correlation_chance": float(found.chance.mean()),
    }
    for name, scored in found.scored.items():
        suffix = "" if name == SYSTEM else f"_{name}"
        at_zero = scored.of_people(lambda score: score.correlation_at_zero)
        figures |= bounded(
            f"real_correlation{suffix}",
            yardstick.correlation_interval(scored),
            low=-1.0,
            high=1.0,
        )
        figures |= bounded(
            f"real_correlation_lag0{suffix}", crossed_interval(at_zero), low=-1.0, high=1.0
        )
        lags = [score.lag for seed in scored.scores for score in seed]
        figures[f"real_lag_frames{suffix}"] = float(np.median(lags))
        if name != LEVEL:  # the level is not an opening
            figures |= bounded(f"real_closure{suffix}", yardstick.closure_interval(scored))
            figures |= bounded(f"real_precision{suffix}", yardstick.precision_interval(scored))
            for each in yardstick.MOVEMENTS:
                ratio = yardstick.movement_ratio(scored, each)
                figures |= bounded(f"real_{each}_ratio{suffix}", ratio)
        if name in (MEL, ENCODER):
            difference = yardstick.difference_interval(system, scored)
            figures |= bounded(f"real_correlation_minus_{name}", difference)
    if reference := reference_of(found):
        near = np.abs(yardstick.lags_from(system, reference)) <= LAG_TOLERANCE_FRAMES
        figures["real_lag_near_ridge"] = float(near.mean())
        figures |= bounded("real_closure_truth", yardstick.real_closure_interval(reference))
    return figures | _of_each_person(system) | found.motion


def reference_of(found: PeopleFigures) -> Scored | None:
    """Return the ridge whose lags stand for the offsets of the clips: the better one."""
    ridges = [found.scored[name] for name in (MEL, ENCODER) if name in found.scored]
    return max(ridges, key=lambda each: yardstick.correlation_interval(each).mean, default=None)


def _of_each_person(system: Scored) -> dict[str, float]:
    of_people = system.of_people(lambda score: score.correlation)
    return {
        f"real_correlation/{person}": float(values.mean())
        for person, values in zip(system.people, of_people, strict=True)
    }


def people_table(found: PeopleFigures) -> str:
    """Return Markdown: a line per predictor with its intervals, then chance and the real lips."""
    lines = [
        "| | r (best lag) | r (lag 0) | lag | /p b m/ closed | precision "
        "| closed | std | speed | 50 % / 90 % Hz |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, scored in found.scored.items():
        at_zero = crossed_interval(scored.of_people(lambda score: score.correlation_at_zero))
        lag = np.median([score.lag for seed in scored.scores for score in seed])
        cells = [_cell(yardstick.correlation_interval(scored)), _cell(at_zero), f"{lag:+.0f}"]
        if name == LEVEL:
            cells += [""] * 6
        else:
            cells += [
                _cell(yardstick.closure_interval(scored)),
                _cell(yardstick.precision_interval(scored)),
                *(_cell(yardstick.movement_ratio(scored, m)) for m in ("closed_share", "std")),
                _cell(yardstick.movement_ratio(scored, "speed")),
                _band(yardstick.movements(scored)),
            ]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    chance = float(found.chance.mean())  # undefined of one person
    shown = f"{chance:.3f}" if np.isfinite(chance) else "-"
    lines.append(f"| another clip's (chance) | {shown} |" + " |" * 8)
    reference = reference_of(found)
    closure = _cell(yardstick.real_closure_interval(reference)) if reference else ""
    band = _band(yardstick.real_movements(found.clips))
    lines.append(f"| real lips | | | | {closure} | | 1 | 1 | 1 | {band} |")
    return "\n".join(lines)


def _cell(interval: Interval) -> str:
    if not np.isfinite(interval.mean):
        return ""
    if not np.isfinite(interval.low) or interval.count < FEWEST_CLIPS:
        return f"{interval.mean:.2f}"
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _band(moving) -> str:
    return f"{moving.half_hz:.1f} / {moving.most_hz:.1f}"
