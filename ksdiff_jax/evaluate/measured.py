"""Real clips with measured mouth openings, and who speaks in them.

A folder is read in one of two ways:

    DIR/lips/*.npz   `opening` (t,) over face height at 25 Hz and the name `speech` of a sound file
                     in DIR; optionally `person`, otherwise the file's own name is the person
    DIR/**           every video in it, tracked (`tracked_mouth`); its folder is the person, as in
                     `prepare`; a silent video takes the sound beside it (`clip_16k.wav`)

A file that occurs twice (by the digest of its bytes) is used once, with the person of its first
occurrence. People are the unit of every figure, so a clip without a person would distort them.
"""

import hashlib
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.prepare.layouts import VIDEOS, find_sources
from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.data.tracking.tracker import FaceTracker, Tracker, TrackerDied
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.evaluate.bilabials import Phones, bilabials_of
from ksdiff_jax.evaluate.tracked_mouth import tracked_mouth
from ksdiff_jax.typing import Float


class MeasuredClip(NamedTuple):
    """A real clip: its sound, and the opening of the speaker's mouth at 25 Hz."""

    name: str
    person: str
    sound: Path
    opening: Float[np.ndarray, "t"]  # over face height
    first_frame: int = 0  # frame 0 of the opening is at `first_frame / 25` s of the sound
    bilabials: Phones = ()  # times of the sound
    digests: tuple[str, ...] = ()  # SHA-256 of its files: sound, video
    video: Path | None = None

    @property
    def seconds(self) -> float:
        """Return the measured duration."""
        return len(self.opening) / MOTION_RATE_HZ


class Measured(NamedTuple):
    """What was found in the folders."""

    clips: list[MeasuredClip]
    unusable: list[str]  # one line per video that could not be measured


def measured_clips(
    folders: Sequence[str | Path],
    *,
    cache: Path,
    tracker: Callable[[], FaceTracker] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Return the clips of all folders, each file once.

    `tracker()` starts a tracker; by default the one of `make tracker`, and only if a video is not
    in `cache` yet. `progress(done, total)` counts videos. Raise `InputError` if a folder has no
    clip.
    """
    with _Started(tracker or Tracker) as start:
        found, unusable = [], []
        for folder in map(Path, folders):
            files = sorted((folder / "lips").glob("*.npz"))
            if files:
                found += [_of_archive(file, folder) for file in files]
            else:
                clips, refused = _of_videos(folder, cache=cache, start=start, progress=progress)
                found, unusable = found + clips, unusable + refused
    clips, seen = [], set()
    for clip in sorted(found, key=lambda clip: clip.person == clip.name):  # known people first
        if not seen & set(clip.digests):
            clips.append(clip)
        seen |= set(clip.digests)
    if not clips:
        where = ", ".join(map(str, folders))
        raise InputError(
            f"{where}: no clip could be measured here, such as {unusable[0]}; name other folders"
        )
    return Measured(sorted(clips, key=lambda clip: (clip.person, clip.name)), unusable)


def without_people_of(
    clips: Sequence[MeasuredClip], digests: Collection[str]
) -> tuple[list[MeasuredClip], list[str]]:
    """Return the clips of people of whom no file is among `digests`, and the names of the others.

    `digests` are the SHA-256 of the files that a checkpoint was trained on.
    """
    known = {clip.person for clip in clips if set(clip.digests) & set(digests)}
    return [clip for clip in clips if clip.person not in known], sorted(known)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_archive(file: Path, folder: Path) -> MeasuredClip:
    try:
        with np.load(file, allow_pickle=False) as archive:
            opening = archive["opening"].astype(np.float64)
            sound = folder / str(archive["speech"])
            person = str(archive["person"]) if "person" in archive.files else file.stem
            fps = float(archive["fps"]) if "fps" in archive.files else MOTION_RATE_HZ
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{file}: not a file of measured openings ({type(error).__name__}: "
            f"{first_line(error)}); need an npz with `opening` and `speech`, the name of its sound"
        ) from error
    if fps != MOTION_RATE_HZ:
        raise InputError(
            f"{file}: openings at {fps:g} Hz; need {MOTION_RATE_HZ:g} Hz, resample them"
        )
    if not sound.is_file():
        raise InputError(f"{file}: its sound {sound} does not exist")
    if opening.ndim != 1 or not len(opening) or not np.isfinite(opening).all():
        raise InputError(
            f"{file}: opening of shape {opening.shape}; need one finite number per frame at 25 Hz"
        )
    return MeasuredClip(file.stem, person, sound, opening, digests=(file_digest(sound),))


def _of_videos(folder: Path, *, cache: Path, start, progress):
    """Return the clips of a folder of videos, and a line per unusable one."""
    if not folder.is_dir() or not any(f.suffix.lower() in VIDEOS for f in folder.rglob("*")):
        raise InputError(
            f"{folder}: no measured mouth openings here; need a folder with lips/*.npz and their "
            "sound, or a folder of videos"
        )
    sources = [source for source in find_sources([folder]) if source.video]
    clips, unusable = [], []
    for number, source in enumerate(sources):
        video, sound = Path(source.video), Path(source.audio or source.video)
        digests = tuple(dict.fromkeys(file_digest(path) for path in (sound, video)))
        try:
            mouth = tracked_mouth(video, digest=digests[-1], cache=cache, tracker=start)
        except (Rejected, TrackerDied) as error:
            unusable.append(f"{source.source_id}: {error.args[-1]}")
            continue
        finally:
            progress(number + 1, len(sources))
        clips.append(
            MeasuredClip(
                source.source_id,
                source.speaker_id,
                sound,
                mouth.opening,
                mouth.first_frame,
                bilabials_of(video),
                digests,
                video,
            )
        )
    return clips, unusable


class _Started:
    """A tracker that starts at its first use and is closed at the end."""

    def __init__(self, make: Callable[[], FaceTracker]):
        self._make, self._tracker = make, None

    def __call__(self) -> FaceTracker:
        self._tracker = self._tracker or self._make()
        return self._tracker

    def __enter__(self) -> "_Started":
        return self

    def __exit__(self, *_error) -> None:
        if hasattr(self._tracker, "close"):
            self._tracker.close()
