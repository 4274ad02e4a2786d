"""The answers of participants, one JSON file each, as the page of a study saves them.

A file that cannot be read, of another study, or with scores that the page does not give, is an
`InputError`. Files that are sound but must not count are left out, each with its reason:

* of one session there are several copies, or one participant has several sessions: the most
  complete one counts, among equals the one that was begun first;
* not all trials of the participant are rated (kept on request).
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.ratings.page import Key
from ksdiff_jax.ratings.questions import CRITERIA, SCALE

SCHEMA = "ksdiff-ratings/1"
_NAMES = tuple(criterion.name for criterion in CRITERIA)
LARGEST_BYTES = 16_000_000


class Answers(NamedTuple):
    """One file: the scores of its trials by item and criterion, unplayable trials left out."""

    path: Path
    participant: str
    session: str
    started: str
    planned: int
    done: int  # trials that are rated, or could not be played
    trials: tuple[dict[str, dict[str, int]], ...]


class LeftOut(NamedTuple):
    """A file that does not count, and why."""

    path: Path
    reason: str


def read_answers(path: Path, key: Key) -> Answers:
    """Return the content of a file; raise `InputError` if it is not one of this study."""
    content = _content(path)
    if content["study"] != key.study:
        raise InputError(
            f"{path}: answers to another study ({content['study']}, not {key.study}); name the "
            "study that they belong to with --study"
        )
    found, done, shown = [], 0, set()
    for number, trial in enumerate(content["trials"], start=1):
        scores, where = trial["scores"], f"{path}: trial {number}"
        if sorted(trial["items"]) not in (allowed := [sorted(each) for each in key.trials]):
            raise InputError(f"{where} is none of the {len(allowed)} of this study; left as sent?")
        if tuple(sorted(trial["items"])) in shown:
            raise InputError(f"{where} shows what one before it showed; left as sent?")
        shown.add(tuple(sorted(trial["items"])))
        for item, by_criterion in scores.items():
            _check_scores(by_criterion, item=item, items=trial["items"], where=where)
        complete = all(scores.get(item, {}).keys() == set(_NAMES) for item in trial["items"])
        done += bool(complete or trial.get("unplayable"))
        found.append({item: dict(each) for item, each in scores.items()})
    texts = [str(content[name]) for name in ("participant", "session", "started")]
    return Answers(path, *texts, int(content["planned"]), done, tuple(found))


def _check_scores(by_criterion: dict, *, item: str, items: list[str], where: str) -> None:
    if item not in items:
        raise InputError(f"{where}: scores of {item!r}, which it did not show; left as sent?")
    for name, score in by_criterion.items():
        if name not in _NAMES:
            raise InputError(f"{where}: criterion {name!r}; need one of {', '.join(_NAMES)}")
        if type(score) is not int or not 1 <= score <= len(SCALE):
            raise InputError(f"{where}: {name} is {score!r}; need a whole number from 1 to 5")


def _content(path: Path) -> dict:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError("too large")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']!r}")
        texts = [content[name] for name in ("participant", "session", "started")]
        wrong = not all(isinstance(each, str) for each in texts)
        wrong = (
            wrong or not isinstance(content["trials"], list) or type(content["planned"]) is not int
        )
        wrong = wrong or not all(
            isinstance(trial["items"], list)
            and isinstance(trial["scores"], dict)
            and all(isinstance(each, dict) for each in trial["scores"].values())
            for trial in content["trials"]
        )
        if wrong:
            raise ValueError("its trials have another form")
        return {**content, "study": str(content["study"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        text = f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)[:80]
        raise InputError(
            f"{path}: not the answers of a participant ({text}); need a .json file that the page "
            "of the study saved"
        ) from error


def screened(
    given: Sequence[Answers], *, keep_unfinished: bool = False
) -> tuple[list[Answers], list[LeftOut]]:
    """Return the files that count, one a participant, and those that do not."""
    left_out, by_person = [], defaultdict(list)
    sessions: dict[str, str] = {}
    for each in given:
        # A session has one participant, whatever code a copy of its file was given.
        person = sessions.setdefault(each.session, each.participant)
        by_person[person].append(each)
    counted = []
    for person, files in by_person.items():
        best, *rest = sorted(files, key=lambda each: (-each.done, each.started))
        for other in rest:
            kind = "a copy of" if other.session == best.session else "a second session beside"
            reason = f"{kind} {best.path} (participant {person}; {_progress(other)})"
            left_out.append(LeftOut(other.path, reason))
        if best.done < best.planned and not keep_unfinished:
            left_out.append(LeftOut(best.path, f"half finished ({_progress(best)})"))
        elif not any(map(len, best.trials)):
            left_out.append(LeftOut(best.path, "without a score"))
        else:
            counted.append(best)
    return counted, left_out


def _progress(answers: Answers) -> str:
    return f"{answers.done} of {answers.planned} trials"
