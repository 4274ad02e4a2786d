"""The data-set part of `ksdiff-jax inspect`: counts, hours, lengths, statistics, faults, and a
sheet of clips.
"""

from pathlib import Path

from ksdiff_jax.data.description import DatasetInfo, PathLike
from ksdiff_jax.errors import InputError

SHEET_CLIPS = 8
SHEET_SECONDS = 10
SHEET_SEED = 0
PICTURE_PIXELS = 256
BAR_CHARACTERS = 32
UNSPOKEN = "voices none"  # in the command of a corpus without speech, whose languages say nothing


def shown_space(found: str, given: str, *, what: str) -> str:
    """Return the space as `inspect` shows it; if it is not recorded, a sentence that explains what
    to do.
    """
    from ksdiff_jax.motion.earlier import stated_space

    if not (found or given):
        return "not recorded by this file of an earlier version; commands that need it take --space"
    return stated_space(found, given, what=what)


def describe_dataset(folder: PathLike, *, space: str = "") -> dict:
    """Return facts by name, from `dataset.json` alone except for the space of an earlier
    version.
    """
    from ksdiff_jax.data.earlier_space import found_space
    from ksdiff_jax.data.shards import dataset_info

    info = dataset_info(folder)
    shown = shown_space(found_space(folder), space, what=str(folder))
    facts = {"kind": "data set", "schema": info.schema, "space": shown, "fps": info.fps}
    facts |= {"licence": info.licence, "made_by": info.made_by}
    if info.encoder_digest:
        facts["speech_features_of"] = info.encoder_digest
    if info.pictures:
        facts["pictures_pixels"] = info.pictures
    for name, split in info.splits.items():
        facts[name] = {
            "clips": split.clips,
            "hours": round(split.hours, 3),
            "shards": len(split.shards),
        }
        if split.speakers is not None:
            facts[name]["speakers"] = split.speakers
    languages: dict[str, float] = {}
    lengths: dict[int, int] = {}
    for split in info.splits.values():
        for language, hours in split.language_hours.items():
            languages[language] = languages.get(language, 0.0) + hours
        for edge, clips in split.lengths.items():
            lengths[edge] = lengths.get(edge, 0) + clips
    if languages and UNSPOKEN not in info.made_by.split(" --"):
        facts["hours_by_language"] = {
            name: round(hours, 3) for name, hours in sorted(languages.items())
        }
    if lengths:
        facts["clips_by_seconds"] = dict(sorted(lengths.items()))
    return facts | {"statistics": _statistics(info)}


def _statistics(info: DatasetInfo) -> dict:
    """Return the statistics that are meaningful to a reader; the last nine dimensions are rotation,
    jaw and camera.
    """
    import numpy as np

    head_deg, jaw_deg = np.degrees(info.std[-9:-6]), np.degrees([info.mean[-6], info.std[-6]])
    # a dimension that never moves has a standard deviation of 1
    still = [deviation == 1.0 for deviation in info.std]
    names = ("pitch", "yaw", "roll")
    moving = {
        name: round(float(deg), 2)
        for name, deg, rests in zip(names, head_deg, still[-9:-6], strict=True)
        if not rests
    }
    facts: dict = {"head_std_deg": moving or "still"}
    facts["jaw_deg"] = {
        "mean": round(float(jaw_deg[0]), 2),
        "std": 0.0 if still[-6] else round(float(jaw_deg[1]), 2),
    }
    if info.keyframes_per_s:
        facts["keyframes_per_s"] = {
            name: round(rate, 2) for name, rate in info.keyframes_per_s.items()
        }
    return facts


def length_bars(lengths: dict[int, int]) -> list[str]:
    """Return the histogram of clip lengths as lines of text; `lengths` counts clips by the lower
    edge of their bin.
    """
    from ksdiff_jax.data.tally import LENGTH_BINS_S

    upper = dict(zip(LENGTH_BINS_S, [*map(str, LENGTH_BINS_S[1:]), ""], strict=True))
    most = max(lengths.values())
    shown = [edge for edge in LENGTH_BINS_S if min(lengths) <= edge <= max(lengths)]
    return [
        f"{edge:>4}-{upper.get(edge, ''):<3} s  "
        f"{'█' * -(-BAR_CHARACTERS * lengths.get(edge, 0) // most)} {lengths.get(edge, 0):,}"
        for edge in shown
    ]


def write_dataset_sheet(
    path: str | Path, folder: PathLike, *, overwrite: bool = False, space: str = ""
) -> int:
    """Draw a contact sheet of random clips of all splits, the same ones each time; return their
    number.
    """
    import numpy as np

    from ksdiff_jax.data.earlier_space import found_space
    from ksdiff_jax.data.shards import ShardReader, dataset_info
    from ksdiff_jax.export.sheet import write_sheet

    info = dataset_info(folder)
    places = [
        (split, number) for split, part in info.splits.items() for number in range(part.clips)
    ]
    if not places:
        raise InputError(f"{folder}: contains no clips; there is nothing to draw")
    count = min(SHEET_CLIPS, len(places))
    chosen = np.random.default_rng(SHEET_SEED).choice(len(places), count, replace=False)
    readers = {
        split: ShardReader(folder, split, space=space or found_space(folder))
        for split in {places[place][0] for place in chosen}
    }
    entries = [
        _entry(readers[split][number], split=split)
        for split, number in (places[place] for place in chosen)
    ]
    write_sheet(
        path,
        entries,
        title=f"{count} of {len(places):,} clips: {info.made_by}",
        overwrite=overwrite,
    )
    return count


def _entry(clip, *, split: str):
    """Return the sheet entry of a clip: its beginning, and the face at the widest opening in it."""
    import numpy as np

    from ksdiff_jax.audio.waveform import from_int16
    from ksdiff_jax.export.raster import Surface, framed_on, render_frames
    from ksdiff_jax.export.sheet import SheetEntry
    from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening

    frames = min(clip.frames, round(SHEET_SECONDS * clip.fps))
    audio = from_int16(clip.audio[: round(frames / clip.fps * 16000)])
    who = " · ".join(
        filter(
            None, (split, clip.clip_id, clip.speaker_id, clip.language, f"{clip.duration_s:.1f} s")
        )
    )
    if clip.space != builtin_face().space:
        curves = clip.expression[:frames, :3].astype(np.float32)
        return SheetEntry(who, audio, curves, clip.fps, "expression 1-3")
    face = builtin_face()
    # The compiled face is called once per clip, padded to one length: one compilation for the
    # sheet.
    padding = ((0, round(SHEET_SECONDS * clip.fps) - frames), (0, 0))
    expression, rotation, jaw = (
        np.pad(values[:frames], padding) for values in (clip.expression, clip.rotation, clip.jaw)
    )
    vertices = np.asarray(
        face_vertices(face, expression, shape=clip.shape, global_orient=rotation, jaw_pose=jaw)
    )
    opening = np.asarray(mouth_opening(face, vertices))[:frames] / face_height(face)
    widest = int(opening.argmax())
    (picture,) = render_frames(
        vertices[widest : widest + 1],
        Surface(face.faces, face.colours, face.gloss),
        camera=framed_on(np.asarray(face.template)),
        size=PICTURE_PIXELS,
    )
    curves = opening[:, None].astype(np.float32)
    return SheetEntry(who, audio, curves, clip.fps, "mouth / face", picture, widest)
