"""One source to its outcome: the function that every process, here or on another machine, runs.

It is pure but for reading the source's files, and it never raises: what goes wrong is a rejection
with its reason, so that one bad file out of a million costs one line in the report.
"""

import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.data.prepare.source import Outcome, Rejected, Rejection, Settings, Source
from ksdiff_jax.errors import InputError, Notice

Work = Callable[[Source, Settings], Outcome]


def work(source: Source, settings: Settings) -> Outcome:
    """Read the coefficients of a source, or track its video. May raise; `outcome_of` does not."""
    if source.coefficients:
        from ksdiff_jax.data.importing.clip import clip_of_coefficients

        return clip_of_coefficients(source, settings)
    from ksdiff_jax.data.prepare.track import clips_of_video

    return clips_of_video(source, settings)


def outcome_of(source: Source, settings: Settings, *, work: Work = work) -> Outcome:
    """`work(source, settings)` with every exception as a rejection of the whole source, and its
    notices as notes.
    """
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always", Notice)
        outcome = _outcome(source, settings, work)
    notes = (
        " ".join(str(warning.message).split())
        for warning in given
        if isinstance(warning.message, Notice)
    )
    return outcome._replace(notes=tuple(dict.fromkeys((*outcome.notes, *notes))))


def _outcome(source: Source, settings: Settings, work: Work) -> Outcome:
    try:
        return work(source, settings)
    except Rejected as rejected:
        return refused(source, rejected.reason, rejected.detail)
    except InputError as error:
        return refused(source, "unreadable", str(error))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = traceback.format_exception_only(error)[-1].strip()
        return refused(
            source, "failed", f"{told} ({Path(place.filename).name}, line {place.lineno})"
        )


def refused(source: Source, reason: str, detail: str) -> Outcome:
    """The outcome of a source that gives nothing."""
    return Outcome((), (Rejection(source.source_id, reason, " ".join(detail.split())),))
