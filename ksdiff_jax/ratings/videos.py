"""The videos of a study: one folder for each system, with the same names in all of them."""

from collections.abc import Sequence
from pathlib import Path

from ksdiff_jax.errors import InputError

ENDINGS = (".mp4", ".webm")
# What browsers play in these files.
CODECS = ("h264", "vp8", "vp9", "av1", "hevc")
System = tuple[str, dict[str, Path]]  # its name, its videos by stem


def system_folders(given: Sequence[str]) -> dict[str, Path]:
    """Return the folder of each system; `NAME=FOLDER`, or a folder that has the system's name."""
    folders: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        folder = Path(folder if equals else text)
        name = name if equals else folder.name
        if not name:
            raise InputError(f"{text}: a system without a name; need NAME=FOLDER")
        if name in folders:
            raise InputError(
                f"{text}: a second system named {name}; give each its own with NAME=FOLDER"
            )
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; need the folder of the videos of {name}")
        folders[name] = folder
    if len(folders) < 2:
        raise InputError(
            f"got {len(folders)} system; need the folders of two or more, such as ours=OUT "
            "truth=RECORDINGS"
        )
    return folders


def videos_of(folders: dict[str, Path]) -> dict[str, dict[str, Path]]:
    """Return the videos of each system by stem; raise `InputError` unless all systems have the
    same stems.
    """
    found = {name: _videos_in(folder) for name, folder in folders.items()}
    stems = {stem for videos in found.values() for stem in videos}
    for name, videos in found.items():
        if missing := sorted(stems - videos.keys()):
            owner = next(other for other in found if missing[0] in found[other])
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise InputError(
                f"{folders[name]}: no video {missing[0]}{more}, which {owner} has; all systems "
                "need videos of the same names"
            )
    for name, videos in found.items():
        for path in videos.values():
            _check(path, name)
    return {name: dict(sorted(videos.items())) for name, videos in found.items()}


def _videos_in(folder: Path) -> dict[str, Path]:
    videos: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in ENDINGS or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem in videos:
            raise InputError(f"{path}: {videos[path.stem].name} is there too; keep one of them")
        videos[path.stem] = path
    if not videos:
        raise InputError(f"{folder}: no video ({' '.join(ENDINGS)}) is in this folder")
    return videos


def _check(path: Path, system: str) -> None:
    """Raise `InputError` for a file that a browser would not play, or that is silent."""
    import av

    try:
        with path.open("rb") as file, av.open(file) as container:
            codecs = [stream.codec_context.name for stream in container.streams.video]
            silent = not container.streams.audio
    except (OSError, av.error.FFmpegError) as error:
        raise InputError(f"{path}: not a video that can be opened ({error})") from error
    if not codecs:
        raise InputError(f"{path}: has no picture; need a video of {system}")
    if not codecs[0].removeprefix("lib").startswith((*CODECS, "dav1d")):
        raise InputError(
            f"{path}: its pictures are {codecs[0]}, which browsers do not play; convert it to "
            "H.264 (ffmpeg -i in.mp4 -c:v libx264 -pix_fmt yuv420p out.mp4)"
        )
    if silent:
        raise InputError(f"{path}: has no sound, without which lip sync cannot be rated; add it")
