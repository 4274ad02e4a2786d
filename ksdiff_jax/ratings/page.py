"""A rating study: a folder with the page for participants and the key that names its videos.

    STUDY/key.json            which system and clip each item is; stays with the experimenter
    STUDY/page/index.html     for participants: no server, no network, no other file but
    STUDY/page/media/         the videos, under names that do not show their system

A trial shows one video, or two of the same clip. The order of the trials, and the sides of a pair,
are random for every participant and depend on the participant's code alone. Equal videos and
settings give the same study, whose identity the answers carry.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import write_json
from ksdiff_jax.outputs import writing_folder
from ksdiff_jax.ownership import FolderKind, mark
from ksdiff_jax.ratings.questions import CRITERIA, SCALE

KEY, SCHEMA = "key.json", "ksdiff-rating/1"
STUDY_FOLDER = FolderKind("a rating study", KEY, "rating", (KEY, "page"))


class Item(NamedTuple):
    """A video: its system, its clip, and its name in the page."""

    system: str
    clip: str
    file: str


class Key(NamedTuple):
    """What the experimenter knows of a study: `items` by name, `trials` as tuples of names."""

    study: str
    systems: tuple[str, ...]
    items: dict[str, Item]
    trials: tuple[tuple[str, ...], ...]
    per_participant: int


def plan(
    videos: dict[str, dict[str, Path]], *, pairs: bool = False, per_participant: int | None = None
) -> Key:
    """Return the study of these videos, by system and stem.

    With `pairs`, every trial shows the first system beside another one. A participant gets
    `per_participant` trials, None is all of them.
    """
    first, *others = videos
    digests = {
        (system, clip): _digest(path)
        for system, paths in videos.items()
        for clip, path in paths.items()
    }
    settings = [pairs, per_participant, [c._asdict() for c in CRITERIA], SCALE]
    content = json.dumps([sorted((*key, value) for key, value in digests.items()), settings])
    study = hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    items, names = {}, {}
    for (system, clip), digest in digests.items():
        text = "/".join((study, system, clip, digest)).encode("utf-8", "backslashreplace")
        name = hashlib.sha256(text).hexdigest()[:12]
        items[name] = Item(system, clip, f"{name}{videos[system][clip].suffix.lower()}")
        names[system, clip] = name
    if pairs:
        trials = [(names[first, c], names[other, c]) for other in others for c in videos[first]]
    else:
        trials = [(name,) for name in items]
    count = len(trials) if per_participant is None else per_participant
    if not 1 <= count <= len(trials):
        raise InputError(f"--trials {count}: need 1 to {len(trials)}, the trials that there are")
    return Key(study, tuple(videos), items, tuple(trials), count)


def write_study(
    folder: Path,
    key: Key,
    videos: dict[str, dict[str, Path]],
    *,
    inputs: Iterable[Path],
    overwrite: bool = False,
) -> None:
    """Write the folder of a study, completely or not at all."""
    with writing_folder(folder, STUDY_FOLDER, overwrite=overwrite, inputs=inputs) as temporary:
        media = temporary / "page" / "media"
        media.mkdir(parents=True)
        for item in key.items.values():
            shutil.copyfile(videos[item.system][item.clip], media / item.file)
        (temporary / "page" / "index.html").write_text(page_of(key), encoding="utf-8")
        content = {"schema": SCHEMA, "study": key.study, "systems": key.systems}
        content |= {"items": {name: item._asdict() for name, item in key.items.items()}}
        content |= {"trials": key.trials, "per_participant": key.per_participant}
        write_json(temporary / KEY, content)


def page_of(key: Key) -> str:
    """Return the page, which knows nothing of systems and clips."""
    # Sorted by name, so that their order does not show the systems.
    trials: Sequence = sorted(sorted(trial) for trial in key.trials)
    content = {
        "id": key.study,
        "show": "pairs" if len(key.trials[0]) > 1 else "clips",
        "scale": SCALE,
        "criteria": [criterion._asdict() for criterion in CRITERIA],
        "trials": trials,
        "per_participant": key.per_participant,
        "media": {name: f"media/{key.items[name].file}" for name in sorted(key.items)},
    }
    template = resources.files("ksdiff_jax") / "assets" / "rating" / "page.html"
    text = template.read_text(encoding="utf-8").replace("{{MARK}}", mark("rating-page"))
    return text.replace("{{STUDY}}", json.dumps(content))


def read_key(folder: Path) -> Key:
    """Return the key of a study; raise `InputError` if the folder has none that can be read."""
    path = folder / KEY if folder.is_dir() else folder
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']!r}")
        items = {name: Item(**item) for name, item in content["items"].items()}
        trials = tuple(map(tuple, content["trials"]))
        systems = tuple(content["systems"])
        return Key(content["study"], systems, items, trials, int(content["per_participant"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not the key of a rating study ({_short(error)}); need the folder that "
            "`ksdiff-jax rate SYSTEM=FOLDER ... --out STUDY` made"
        ) from error


def _short(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"no {error.args[0]}" if isinstance(error, KeyError) else text[:80]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
