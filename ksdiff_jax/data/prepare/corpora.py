"""The layouts of HDTF and VoxCeleb, as published: the speaker, the part of a video to use, and the
held-out speakers.

HDTF (Zhang et al., CVPR 2021; folder HDTF_dataset of the authors' release), for each subset RD,
WDA, WRA:

    WDA_video_url.txt      AdamSchiff https://...                 one whole video
    WDA_annotion_time.txt  JoeNeguse.mp4 00:35-01:40 02:10-02:55  one face speaks: clips 0, 1
    WDA_crop_wh.txt, WDA_resolution.txt                           not needed: the face is tracked

Videos may be whole (`AdamSchiff.mp4`, `WDA_AdamSchiff.mp4`) or cut (`AdamSchiff_0.mp4`,
`WDA_AdamSchiff_000.mp4`). If both forms of a video are present, the cut ones are used. WDA and WRA
name the person, with a digit if there are several videos of one. RD (`Radio11`) does not, so each
of its videos counts as a speaker. Papers hold out different clips. Lists called `train.txt`,
`val.txt`, `test.txt` (also `hdtf_test.txt`, `test_list.txt`), with one name per line, determine the
splits.

VoxCeleb 1 and 2: `dev|test/mp4/id00012/<YouTube id>/00001.mp4`, a speaker per `id`, cut and cropped
at 25 fps; sound in `aac`, `m4a` or `wav` instead of `mp4`, for videos that are silent. `dev` and
`test` share no speaker. If the folders do not show the split, `vox2_meta.csv` and `vox1_meta.csv`
do. The `txt` files (bounding boxes) are not needed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.data.prepare.source import Source
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.encoding import read_text

SUBSETS = ("RD", "WDA", "WRA")
# One senator has two names and partly the same video, and would otherwise be a speaker of two
# splits.
SAME_SPEAKER = {"WhipJimClyburn": "JamesClyburn"}
SPLIT_LIST = re.compile(r"(?:hdtf_)?(train|val|test)(?:_list)?\.txt", re.IGNORECASE)
VOX_SPEAKER = re.compile(r"id\d{5}")
VOX_SOUND_FOLDERS = {"aac": ".m4a", "m4a": ".m4a", "wav": ".wav"}


class Layout(NamedTuple):
    """`sources` refines the sources of a general folder; `splits` returns the split in which a
    source is published.
    """

    sources: Callable[[list[Source], list[Path]], list[Source]]
    splits: Callable[[list[Source], list[Path]], dict[str, str]]


def hdtf_sources(sources: list[Source], roots: list[Path]) -> list[Source]:
    """Keep cut videos as they are, and divide whole ones into their annotated stretches."""
    times = hdtf_times(roots)
    cut = {_hdtf_name(source, times) for source in sources if not _is_whole(source, times)}
    result = []
    for source in sources:
        name = _hdtf_name(source, times)
        source = replace(source, speaker_id=hdtf_speaker(name))
        if not _is_whole(source, times):
            result.append(source)
        elif name not in cut:
            result += [
                replace(
                    source,
                    source_id=f"{source.source_id}_{number:03d}",
                    start_s=start_s,
                    end_s=end_s,
                )
                for number, (start_s, end_s) in enumerate(times[name])
            ]
    return result


def hdtf_times(roots: list[Path]) -> dict[str, list[tuple[float, float]]]:
    """Return (start, end) in seconds of the clips of every video, by the video's name; empty
    without the published files.
    """
    times = {}
    for folder in _metadata_folders(roots):
        for path in (folder / f"{subset}_annotion_time.txt" for subset in SUBSETS):
            if not path.is_file():
                continue
            for number, line in enumerate(read_text(path).splitlines(), start=1):
                name, *stretches = line.split() or [""]
                try:
                    times[name.removesuffix(".mp4")] = [
                        tuple(_seconds(moment) for moment in stretch.split("-", 1))
                        for stretch in stretches
                    ]
                except ValueError as error:
                    raise InputError(
                        f"{path}, line {number}: {line!r}; need name.mp4 00:05-01:35 ..."
                    ) from error
    times.pop("", None)
    return times


def hdtf_speaker(video: str) -> str:
    """Return the person of a video: `AmyKlobuchar1` and `AmyKlobuchar0` are one person; `Radio11`
    does not identify the person.
    """
    if re.fullmatch(r"Radio\d+", video):
        return video
    person = re.sub(r"\d+$", "", video) or video
    return SAME_SPEAKER.get(person, person)


def hdtf_splits(sources: list[Source], roots: list[Path]) -> dict[str, str]:
    """Return the split by source id, from published lists; empty if there is none."""
    listed = {}
    for folder in _metadata_folders(roots):
        for path in sorted(folder.glob("*.txt")):
            if match := SPLIT_LIST.fullmatch(path.name):
                names = (
                    Path(line.split()[0]).name
                    for line in read_text(path).splitlines()
                    if line.strip()
                )
                listed |= {_plain(name.removesuffix(".mp4")): match[1].lower() for name in names}
    found = {}
    for source in sources:
        name = _plain(Path(source.source_id).name)
        if split := listed.get(name) or listed.get(re.sub(r"_\d+$", "", name)):
            found[source.source_id] = split
    return found


def voxceleb_sources(sources: list[Source], roots: list[Path]) -> list[Source]:
    """Set speakers by their published number, and sound from the parallel folder if the video has
    none.
    """
    result = []
    for source in sources:
        path = Path(source.video or source.coefficients)
        speaker = next((part for part in reversed(path.parts) if VOX_SPEAKER.fullmatch(part)), None)
        if speaker is None:
            raise InputError(
                f"{path}: not VoxCeleb's layout (dev/mp4/id00012/<video>/00001.mp4); leave "
                "`voxceleb` out"
            )
        audio = source.audio or str(_vox_sound(path, video=source.video) or "")
        result.append(replace(source, speaker_id=speaker, audio=audio))
    return result


def voxceleb_splits(sources: list[Source], roots: list[Path]) -> dict[str, str]:
    """Return the splits: `dev` is train (some of its speakers go to val), `test` is test."""
    listed = {}
    for path in (
        folder / f"vox{n}_meta.csv"
        for root in roots
        for folder in (root, *root.parents[:2])
        for n in (1, 2)
    ):
        if path.is_file():
            rows = (re.split(r"\s*[,\t]\s*", line.strip()) for line in read_text(path).splitlines())
            listed |= {row[0]: row[-1] for row in rows if VOX_SPEAKER.fullmatch(row[0])}
    found = {}
    for source in sources:
        parts = Path(source.video or source.coefficients).parts
        folder = next((part for part in reversed(parts) if part in ("dev", "test")), None)
        if split := folder or listed.get(source.speaker_id):
            found[source.source_id] = {"dev": "train", "test": "test"}[split]
    return found


LAYOUTS = {
    "hdtf": Layout(hdtf_sources, hdtf_splits),
    "voxceleb": Layout(voxceleb_sources, voxceleb_splits),
}


def _metadata_folders(roots: Sequence[Path]) -> list[Path]:
    around = [folder for root in roots for folder in (root, root.parent)]
    return [
        folder
        for here in dict.fromkeys(around)
        for folder in (here, here / "HDTF_dataset")
        if folder.is_dir()
    ]


def _plain(name: str) -> str:
    """Return a clip's name without its subset prefix and with its number normalised:
    `WDA_AdamSchiff_000` is `AdamSchiff_0`.
    """
    name = re.sub(rf"^(?:{'|'.join(SUBSETS)})_", "", name)
    return re.sub(r"_(\d+)$", lambda match: f"_{int(match[1])}", name)


def _hdtf_name(source: Source, times: dict) -> str:
    """Return the name of the video that a file is, or is a part of."""
    name = _plain(Path(source.video or source.coefficients).stem)
    return name if name in times else re.sub(r"_\d+$", "", name)


def _is_whole(source: Source, times: dict) -> bool:
    return _plain(Path(source.video or source.coefficients).stem) in times


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def _vox_sound(path: Path, *, video: str) -> Path | None:
    places = [i for i, part in enumerate(path.parts) if part == "mp4"]
    if not places:
        return None
    for folder, ending in VOX_SOUND_FOLDERS.items():
        parts = [*path.parts]
        parts[places[-1]] = folder
        if (candidate := Path(*parts).with_suffix(ending)).is_file():
            from ksdiff_jax.data.tracking.video import has_sound

            return None if video and has_sound(video) else candidate
    return None
