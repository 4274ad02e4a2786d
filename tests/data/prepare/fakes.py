"""Work functions that processes can import; the name of the source determines their behaviour."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from ksdiff_jax.data.prepare.source import Outcome, Rejected, Rejection, Settings, Source
from ksdiff_jax.errors import InputError
from tests.data.clips import make_clip


def fake_work(source: Source, settings: Settings) -> Outcome:
    """One clip per source, or what its name says; every call leaves its process beside the
    video.
    """
    if source.video:
        with Path(source.video).with_suffix(".calls").open("a") as calls:
            calls.write(f"{os.getpid()}\n")
    name = source.source_id
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "rejected" in name:
        raise Rejected("no_face", "nobody there")
    if "unreadable" in name:
        raise InputError("not a video")
    if "crash" in name:
        raise ZeroDivisionError("one over zero")
    if "slow" in name:
        time.sleep(0.5)
    if "forever" in name:
        time.sleep(600)
    clip = make_clip(len(name), clip_id=f"{name}@0", speaker_id=source.speaker_id)
    if "bfm" in name:
        clip = replace(clip, expression=clip.expression.repeat(2, axis=1)[:, :64], space="bfm")
    if "broken" in name:
        clip = replace(clip, audio=clip.audio[:100])
    return Outcome(
        (clip,), (Rejection(f"{name}@9", "too_short", "0.2 s"),) if "tail" in name else ()
    )


def callers(video: Path) -> list[int]:
    """The processes that worked on a source, one for each time."""
    path = video.with_suffix(".calls")
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def calls(video: Path) -> int:
    """How often a source was worked on."""
    return len(callers(video))
