"""`ksdiff-jax inspect PATH`: describes the contents of a file or folder that this package reads or
writes, and checks them.
"""

import argparse
import dataclasses
import json
import re
from pathlib import Path

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.errors import InputError

SUMMARY = (
    "contents of a motion file, data set, checkpoint, recording, video or face file; "
    "--verify checks it"
)
EXAMPLES = """examples:
  ksdiff-jax inspect out/speech.motion.npz
  ksdiff-jax inspect shards --verify --sheet clips.png
  ksdiff-jax inspect demo --json
  ksdiff-jax inspect interview.mp4
  ksdiff-jax inspect paper
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the path, and whether to read all of it."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "path",
        metavar="PATH",
        help="file, folder, or the name of a checkpoint (shipped, or org/name of the hub) or "
        "config",
    )
    parser.add_argument(
        "--verify", action="store_true", help="read everything and compare it with its checksums"
    )
    parser.add_argument(
        "--sheet", metavar="FILE.png", help="for a data set: draw a contact sheet of random clips"
    )
    parser.add_argument(
        "--space",
        default="",
        metavar="NAME",
        help="motion space of a file of an earlier version that does not "
        "record it: builtin, flame or bfm",
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Describe the path; raise `InputError` for invalid contents."""
    from ksdiff_jax.cli.inspect_data import length_bars
    from ksdiff_jax.outputs import check_output

    console = Console("inspect", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    if args.sheet:
        check_output(args.sheet, "sheet", overwrite=args.overwrite, inputs=[args.path])
    with console.without_library_warnings():
        facts = describe(args.path, verify=args.verify, space=args.space)
        if args.verify:
            facts["verified"] = True
        if args.sheet:
            facts["sheet"] = _sheet(
                args.sheet,
                args.path,
                kind=facts["kind"],
                overwrite=args.overwrite,
                space=args.space,
            )
    width = max(map(len, facts))
    for name, value in facts.items():
        lines = length_bars(value) if name == "clips_by_seconds" else [_as_text(value)]
        for number, line in enumerate(lines):
            console.say(f"{'' if number else name.replace('_', ' '):<{width}}  {line}")
    console.result(facts)
    return 0


def _sheet(sheet: str, path: str, *, kind: str, overwrite: bool, space: str) -> str:
    if kind != "data set":
        raise InputError(
            f"{path}: a {kind}; --sheet draws clips of a data set, a folder with a dataset.json"
        )
    from ksdiff_jax.cli.inspect_data import write_dataset_sheet

    write_dataset_sheet(sheet, path, overwrite=overwrite, space=space)
    return sheet


def describe(path: str | Path, *, verify: bool, space: str = "") -> dict:
    """Return facts about `path` by name; `space` is its motion space if the file does not record
    one.
    """
    from ksdiff_jax import hub
    from ksdiff_jax.cli.inspect_data import describe_dataset
    from ksdiff_jax.data.description import DESCRIPTION
    from ksdiff_jax.data.verify import verify_dataset
    from ksdiff_jax.models.pretrained import shipped_names
    from ksdiff_jax.overrides import find_config
    from ksdiff_jax.ownership import SYNCNET

    found = Path(path)
    if "://" in str(path) or (found.is_dir() and (found / DESCRIPTION).is_file()):
        facts = describe_dataset(path, space=space)
        if verify:
            verify_dataset(path)
        return facts
    if found.is_dir() and _is_encoder(found):
        return _encoder_folder(found)
    if found.is_dir() and SYNCNET.owns(found):
        return _syncnet_folder(found)
    if found.is_dir() or (not found.exists() and str(path) in shipped_names()):
        return _checkpoint(path, verify=verify, space=space)
    if not found.exists():
        if found.suffix != ".py" and find_config(path) is not None:
            return _config(path)
        # otherwise probably a mistyped file name
        if hub.find_name(path) is not None and not found.parent.is_dir():
            return _checkpoint(path, verify=verify, space=space)
        raise InputError(f"{found}: no such file or folder, nor a shipped checkpoint or config")
    if found.suffix == ".py":
        return _config(found)
    suffix = found.suffix.lower()
    if suffix == ".npz" and _is_motion(found):
        return _motion(found, space=space)
    return _face(found) if suffix in (".npz", ".pkl") else _recording(found)


def _checkpoint(path: str | Path, *, verify: bool, space: str) -> dict:
    from ksdiff_jax.cli.inspect_data import shown_space
    from ksdiff_jax.models.pretrained import (
        embeds_encoder,
        read_manifest,
        read_pretrained,
        read_whole,
    )

    def read(folder):  # always verified, which takes milliseconds
        return (
            read_manifest(folder),
            read_pretrained(folder),
            (folder / "weights.safetensors").stat().st_size,
        )

    manifest, pretrained, size = read_whole(path, read)
    facts = {"kind": "checkpoint", "schema": manifest["schema"], "path": str(pretrained.path)}
    facts["space"] = shown_space(pretrained.space.name, space, what=str(path))
    facts |= {"digest": pretrained.digest, "config": pretrained.config.name}
    if embeds_encoder(pretrained):
        facts |= _parameters(pretrained.params, pretrained.config)
    else:  # only the layout of the encoder that it refers to is available here
        facts |= _parameters(_shapes(pretrained.config, pretrained.space), pretrained.config)
    facts |= _encoder(pretrained.config, stored=embeds_encoder(pretrained))
    facts |= _sampling(pretrained.config)
    facts["megabytes"] = round(size / 1e6, 2)
    return facts | ({"extra": manifest["extra"]} if manifest.get("extra") else {})


def _sampling(config) -> dict:
    """Return the styles of a model and its own sampling options; empty for one without."""
    styles = getattr(getattr(config.model, "generator", None), "styles", ())
    facts = {"styles": list(styles)} if styles else {}
    if not hasattr(config, "sample"):
        return facts
    options = dataclasses.asdict(config.sample)
    options.pop("lip_dims", None)  # a list of numbers of motion dimensions
    return facts | ({"sampling": options} if options else {})


def _is_encoder(folder: Path) -> bool:
    from ksdiff_jax.speech.load import SCHEMA

    manifest = folder / "config.json"
    return manifest.is_file() and f'"{SCHEMA}"' in manifest.read_text(
        encoding="utf-8", errors="replace"
    )


def _encoder_folder(folder: Path) -> dict:
    from ksdiff_jax.speech.load import load_encoder
    from ksdiff_jax.tree import parameter_count

    encoder = load_encoder(folder)  # always verified
    layout = encoder.config
    facts = {
        "kind": "speech encoder",
        "architecture": layout.architecture,
        "source": encoder.source,
    }
    facts |= {
        "licence": json.loads((folder / "config.json").read_text(encoding="utf-8")).get(
            "licence", "not stated"
        )
    }
    facts |= {"digest": encoder.digest, "layers": layout.num_layers, "width": encoder.width}
    return facts | {"parameters": parameter_count(encoder.params)}


def _syncnet_folder(folder: Path) -> dict:
    from ksdiff_jax.models.syncnet.folder import load_syncnet
    from ksdiff_jax.speech.converted_network import schema_of

    found = load_syncnet(folder)  # always verified
    facts = {"kind": "SyncNet", "schema": schema_of(found.kind), "source": found.source}
    facts |= {"source_sha256": found.source_sha256, "digest": found.digest}
    return facts | {"parameters": found.parameters}


def _config(path: str | Path) -> dict:
    from ksdiff_jax.models.distilled import with_distillation
    from ksdiff_jax.overrides import load_config

    config, _ = with_distillation(load_config(path))  # a student has its teacher's network
    facts = (
        {"kind": "config", "name": config.name}
        | _parameters(_shapes(config), config)
        | _encoder(config)
    )
    return facts | {"steps": config.train.steps, "batch_size": config.data.batch_size}


def _shapes(config, space=None):
    """Return the parameters of a configuration as shapes; nothing is allocated."""
    import jax

    from ksdiff_jax.models import build_system
    from ksdiff_jax.motion.space import SPACES

    space = space or SPACES[build_system(config).needs.spaces[0]]
    return jax.eval_shape(build_system(config, space).init, jax.random.key(0))


def _parameters(params, config) -> dict:
    from ksdiff_jax.models.frozen import part
    from ksdiff_jax.tree import parameter_count

    parts = {name: parameter_count(inner) for name, inner in params.items()}
    facts = {"parameters": sum(parts.values())}
    trainable, frozen = part(params, config)
    if frozen:
        facts |= {"trainable": parameter_count(trainable), "frozen": parameter_count(frozen)}
    return facts | {"parameters_by_part": parts}


def _encoder(config, *, stored: bool = False) -> dict:
    """Return the facts of a configuration's pretrained encoder; empty for the built-in encoder."""
    encoder = getattr(config.model, "encoder", None)  # not of picture systems
    if encoder is None or encoder.kind != "pretrained":
        return {}
    facts = {
        "path": encoder.path,
        "layer": encoder.layer,
        "finetune": encoder.finetune,
        "stored_here": stored,
    }
    return {"encoder": facts | ({"digest": encoder.digest} if encoder.digest else {})}


def _is_motion(path: Path) -> bool:
    import zipfile

    return path.name.endswith(".motion.npz") or (
        zipfile.is_zipfile(path) and "meta.npy" in zipfile.ZipFile(path).namelist()
    )


def _motion(path: Path, *, space: str) -> dict:
    import numpy as np

    from ksdiff_jax.cli.inspect_data import shown_space
    from ksdiff_jax.motion.clip import MotionClip

    clip = MotionClip.load(path, space=space)
    facts = {"kind": "motion", "schema": clip.meta["schema"], "frames": len(clip), "fps": clip.fps}
    facts["space"] = shown_space(clip.space, space, what=str(path))
    facts["seconds"] = round(clip.duration_s, 3)
    facts["head_angle_std_deg"] = [
        round(float(value), 2) for value in np.degrees(clip.global_orient.std(axis=0))
    ]
    facts["jaw_opening_std_deg"] = round(float(np.degrees(clip.jaw_pose[:, 0].std())), 2)
    for path_name in ("expression", "head"):
        count = int(getattr(clip, f"keyframes_{path_name}").sum())
        facts[f"keyframes_{path_name}"] = f"{count} ({count / clip.duration_s:.2f} per second)"
    known = (
        "checkpoint_name",
        "checkpoint",
        "seed",
        "sample",
        "sampler",
        "spacing",
        "steps",
        "guidance",
        "audio_sha256",
    )
    if moved := clip.meta.get("retargeting"):
        facts["retargeted"] = f"from {moved['from']} to {moved['to']}"
        facts["retargeting_mean_error_mm"] = {
            name: error["mean"] for name, error in moved["error_mm"].items()
        }
    facts |= {name: clip.meta[name] for name in known if name in clip.meta}
    if clip.meta.get("causal"):
        facts["causal"] = True
        if (guidance := clip.meta.get("causal_guidance")) is not None:
            facts["guidance"] = guidance
    return facts


def _recording(path: Path) -> dict:
    """Return tracks and length of a recording or video, and whether `animate` can use its sound."""
    from ksdiff_jax.audio.container import read_tracks
    from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
    from ksdiff_jax.audio.waveform import read_recording

    tracks = read_tracks(path)
    facts = {"kind": "video" if tracks.pictures else "recording", "container": tracks.container}
    if pictures := tracks.pictures:
        facts["pictures"] = pictures._asdict() | {"fps": round(pictures.fps, 3)} | _as_shown(path)
    if not tracks.sounds:
        return facts | {"sound": "none"}
    recording = read_recording(path)
    track = recording.heard.track
    facts["sound"] = tracks.sounds[track - 1]._asdict()
    if len(tracks.sounds) > 1:
        facts["sound"] |= {"track": f"{track} of {len(tracks.sounds)}"}
    for layout, mix in recording.heard.mixes.items():
        if len(layout) > 1:
            facts["sound"]["mix"] = [round(float(weight), 3) for weight in mix.weights]
    if recording.start_s:
        facts["sound_starts_s"] = round(recording.start_s, 3)
    facts["seconds"] = round(len(recording.audio) / SAMPLE_RATE_HZ, 3)
    return facts | ({"repairs": list(recording.notes)} if recording.notes else {})


def _as_shown(path: Path) -> dict:
    """Return the displayed size, and how the stored pictures are converted to it, from the first
    picture.
    """
    from ksdiff_jax.data.tracking.video import frames

    try:
        frame = next(frames(path), None)
    except InputError:  # a codec that FFmpeg cannot decode
        frame = None
    if frame is None:
        return {"readable": False}
    display, size = frame.display, dict(zip(("width", "height"), frame.size, strict=True))
    stored = (frame.picture.width, frame.picture.height)
    facts = size | ({"stored": f"{stored[0]} x {stored[1]}"} if stored != frame.size else {})
    facts |= (
        {"rotation_deg": round(display.angle_deg) % 360} if round(display.angle_deg) % 360 else {}
    )
    facts |= {"mirrored": True} if display.mirrored else {}
    return facts | ({"interlaced": True} if frame.interlaced else {})


def _face(path: Path) -> dict:
    from ksdiff_jax.face import load_face

    face = load_face(path)
    facts = {
        "kind": "face",
        "name": face.name,
        "licence": face.licence,
        "vertices": len(face.template),
    }
    facts["space"] = face.space
    facts["triangles"] = len(face.faces)
    return facts | {"regions": {name: len(indices) for name, indices in face.regions.items()}}


def _as_text(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_as_text(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        words = [_as_text(item) for item in value]
        if len(words) > 1 and all(re.fullmatch("[0-9a-f]{64}", word) for word in words):
            words = [f"{len(words)} digests, {words[0][:12]} ... (all with --json)"]
        return " ".join(words)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
