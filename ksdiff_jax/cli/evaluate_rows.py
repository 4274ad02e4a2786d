"""What the tables of `ksdiff-jax evaluate` share: an engine with one length, the samples of a row,
and the rows that an earlier call has stored.
"""

import argparse
import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError
from ksdiff_jax.ownership import purpose_of

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.models.pretrained import Pretrained
    from ksdiff_jax.models.system import Sample, System
    from ksdiff_jax.speech.utterance import Utterance


def refuse_test_split(args: argparse.Namespace, what: str) -> None:
    """Raise `InputError` if a table would choose on the test split; `what` are its rows."""
    if args.split == "test" and not args.choose_on_test:
        raise InputError(
            f"--split test: {what} chosen on the test split would make its figures too good; "
            "use --split val, or add --choose-on-test"
        )


def table_engine(system: "System", pretrained: "Pretrained", clips: "Sequence[Clip]") -> "Engine":
    """Return an engine with one padded length for all clips, so that a row compiles the sampler
    once.
    """
    from ksdiff_jax.animate.engine import BUCKETS, Engine

    fitting = [bucket for bucket in BUCKETS if bucket >= max(clip.frames for clip in clips)]
    return Engine(system, pretrained.params, buckets=fitting[:1] or BUCKETS)


def about_sources(args: argparse.Namespace, pretrained: "Pretrained") -> dict:
    """Return the checkpoint and the data of a table, for its document."""
    return {
        "checkpoint": {"name": args.checkpoint, "digest": pretrained.digest},
        "data": args.data or "built-in corpus",
    }


def what_is_measured(
    args: argparse.Namespace, engine: "Engine", clips: "list[Clip]", *, without: tuple[str, ...]
) -> dict:
    """Return what rows must share to stand in one table; they differ in the options `without`."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(clip.clip_id.encode("utf-8", "backslashreplace"))
        digest.update(clip.audio.tobytes())
    sample = dataclasses.asdict(engine.system.config.sample)
    others = {n: v for n, v in sample.items() if n not in without}
    return {
        "split": args.split,
        "clips": len(clips),
        "clips_sha256": digest.hexdigest(),
        "samples": args.samples,
        "seed": args.seed,
        "options": others,
    }


def sample_row(
    args: argparse.Namespace,
    engine: "Engine",
    utterances: "Sequence[Utterance]",
    *,
    label: str,
    console: Console,
) -> "tuple[list[list[Sample]], float]":
    """Return the `args.samples` samples of every utterance, and the seconds that they took."""
    started, samples = time.perf_counter(), args.samples
    with console.progress(label, unit="frames") as update:
        found = engine.sample(
            [utterance for utterance in utterances for _ in range(samples)],
            seed=args.seed,
            numbers=[*range(samples)] * len(utterances),
            progress=update,
        )
    each = [found[i : i + samples] for i in range(0, len(found), samples)]
    return each, time.perf_counter() - started


def stored_table(file: Path | None, purpose: str, about: dict, console: Console) -> dict | None:
    """Return the document of an earlier call that measured the same; None without one."""
    if file is None or purpose_of(file) != purpose:
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    if content.get("about") != json.loads(json.dumps(about)):
        console.say(f"{file}: of another checkpoint, data or seed; it is replaced")
        return None
    console.say(f"{file}: continues with its {len(content['rows'])} finished rows")
    return content


def show_table(document: dict, file: Path | None, console: Console, *, choice: str = "") -> int:
    """Print a finished table, its rule and the line `choice`; return the exit status."""
    for line in ("", *document["table"].splitlines(), "", f"rule: {document['rule']}"):
        console.say(line)
    if choice:
        console.say(choice)
    if file:
        console.say(f"{file} contains the table and the figures of every row")
    console.result(document)
    return 0
