"""Processes one source: the function that every process runs, here or on another machine.

It is pure except that it reads the source's files, and it never raises. Every error becomes a
rejection with a reason, so that one bad file in a million costs one line in the report.
"""

import hashlib
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from etils import epath

from ksdiff_jax.data.prepare.source import Outcome, Rejected, Rejection, Settings, Source
from ksdiff_jax.errors import InputError, Notice

Work = Callable[[Source, Settings], Outcome]


def work(source: Source, settings: Settings) -> Outcome:
    """Read the coefficients of a source, or track its video. This may raise; `outcome_of`
    does not.
    """
    if source.coefficients:
        from ksdiff_jax.data.importing.clip import clip_of_coefficients

        return clip_of_coefficients(source, settings)
    from ksdiff_jax.data.prepare.track import clips_of_video

    return clips_of_video(source, settings)


def outcome_of(source: Source, settings: Settings, *, work: Work = work) -> Outcome:
    """Return `work(source, settings)`, with every exception as a rejection of the whole source, and
    its notices as notes.
    """
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always", Notice)
        outcome = _outcome(source, settings, work)
    notes = (
        " ".join(str(warning.message).split())
        for warning in given
        if isinstance(warning.message, Notice)
    )
    return outcome._replace(
        notes=tuple(dict.fromkeys((*outcome.notes, *notes))), digests=_digests(source)
    )


def _digests(source: Source) -> tuple[str, ...]:
    """Return the SHA-256 of the files of a source that exist."""
    digests = []
    for path in filter(None, (source.video, source.audio, source.coefficients)):
        with suppress(OSError, ValueError), epath.Path(path).open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return tuple(digests)


def _outcome(source: Source, settings: Settings, work: Work) -> Outcome:
    try:
        return work(source, settings)
    except Rejected as rejected:
        return refused(source, rejected.reason, rejected.detail)
    except InputError as error:
        return refused(source, "unreadable", str(error))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = traceback.format_exception_only(error)[-1].strip()
        return refused(
            source, "failed", f"{message} ({Path(place.filename).name}, line {place.lineno})"
        )


def refused(source: Source, reason: str, detail: str) -> Outcome:
    """Return the outcome of a source without any clip."""
    return Outcome((), (Rejection(source.source_id, reason, " ".join(detail.split())),))
