"""The origin of a file: every file that this package writes for a caller has a mark that names the
package and the purpose.

| purpose | file | written by | mark |
|---|---|---|---|
| motion | *.motion.npz | animate | `schema` in the JSON of its array `meta` |
| video | *.mp4, *.mov, *.webm | animate, render, train (samples/) | the tag `comment` |
| plot | *.png | animate, train (samples/) | the text `Software` |
| words | *.words.json | animate | the key `schema` |
| metrics | metrics.json | evaluate | the key `schema` |
| sampling, samplers | sampling.json, samplers.json | evaluate, its tables | the key `schema` |
| discrimination | discrimination.json | evaluate --discriminate | the key `schema` |
| comparison | comparison.md | evaluate | a comment in its first line |
| comparison | comparison.csv | evaluate | its first column, `schema` |
| comparison | distributions, courses, spectra (png) | evaluate | the text `Software` |
| openings | openings*.png | evaluate | the text `Software` |
| painted-strip | painted.png | evaluate, of painted frames | the text `Software` |
| rendered-portrait | FILE.png | corpus --portrait | the text `Software` |
| people-strip | strip_*.png | evaluate --metrics real | the text `Software` |
| sheet | FILE.png | inspect --sheet | the text `Software` |
| regions | regions.json, regions.png | regions | the key `schema`, the text `Software` |
| run-page | run.html | train | `<meta name="generator">` |
| clip | a data set folder | corpus, prepare | `schema` in dataset.json |
| blender-script | FILE.py | export --blender-script | a comment in its first line |
| names in export/endings.py | their files | export, animate | `schema`, or a text of the format |
| bench | FILE of bench device --out | `schema` in its first line |
| encoder | an encoder folder | convert | `schema` in config.json |
| syncnet | the folder of a converted SyncNet | convert | `schema` in config.json |
| picture-network | a converted autoencoder, LPIPS, Inception | convert | `schema` in config.json |
| checkpoint | a checkpoint folder | train (pretrained/) | `schema` in config.json |
| animations | manifest*.jsonl | animate of many recordings | `schema` in its first line |
| exported-model | the folder of export-model | export-model | `schema` in manifest.json |
| run | a --workdir | train | `schema` in versions.json |
| ablations | the folder of a study | ablate | `schema` in study.json |
| rating | the folder of a study | rate | `schema` in key.json |
| opinions | the folder of its results | rate --results | `schema` in opinions.json |

A schema is `ksdiff-PURPOSE/NUMBER`; a mark in a text is `ksdiff-jax: ` and a schema. Reading a mark
costs a millisecond or two and decodes nothing. A file that is empty, truncated or damaged has no
mark: all files are written completely or not at all, so it is not a file of this package. `outputs`
defines the rule for marked files.
"""

import json
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PROGRAM = "ksdiff-jax"
LARGEST_JSON_BYTES = 64_000_000
LARGEST_META_BYTES = 4_000_000
_HEAD_BYTES = 1024
_MOST_PNG_CHUNKS = 100
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COMMENT = re.compile(rb"(?:<\?xml [^>]*\?>\s*)?<!-- ([^>]*) -->")
_SCHEMA = re.compile(r"ksdiff-([a-z0-9-]+)/\d+")
_USD_DOC = re.compile(rb'doc = "([^"]*)"')
_GENERATOR = re.compile(rb'<meta name="generator" content="([^"]*)">')


def mark(purpose: str) -> str:
    """Return the mark of a picture, a video or a page of this purpose."""
    return f"{PROGRAM}: ksdiff-{purpose}/1"


def purpose_of(path: str | Path) -> str | None:
    """Return the purpose for which this package wrote the file at `path`; None if it did not write
    it, or if the file is incomplete.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        read = next((read for is_kind, read in _READERS if is_kind(head)), None)
        text = read(path) if read else None
    except Exception:
        # any error for a damaged or malicious file: not a file of this package
        return None
    found = _SCHEMA.fullmatch(text) if text else None
    return found[1] if found else None


class FolderKind(NamedTuple):
    """A folder that is written as a whole."""

    name: str  # with its article
    manifest: str  # the file in it that has the mark
    purpose: str
    files: tuple[str, ...]  # files that belong to it, in addition to those that its manifest names

    def owns(self, folder: Path) -> bool:
        """Return whether the folder is one of this kind that this package wrote."""
        return purpose_of(folder / self.manifest) == self.purpose

    def other_names(self, folder: Path) -> list[str]:
        """Return names in the folder that this package did not write."""
        manifest = (folder / self.manifest).read_text(encoding="utf-8") if self.owns(folder) else ""

        def named(name: str) -> bool:  # a program or a shard, an index by the name of its shard
            if name.endswith(".jaxexport"):
                return f'"{name}"' in manifest
            return (
                name.endswith((".tfrecord", ".index"))
                and f'"{name.rpartition(".")[0]}.tfrecord"' in manifest
            )

        names = {path.name for path in folder.iterdir()} - set(self.files)
        return sorted(name for name in names if not named(name))


DATA_SET = FolderKind(
    "a data set",
    "dataset.json",
    "clip",
    ("dataset.json", "dataset_info.json", "features.json", "report.json"),
)
ENCODER = FolderKind("an encoder", "config.json", "encoder", ("config.json", "weights.safetensors"))
SYNCNET = FolderKind(
    "a converted SyncNet", "config.json", "syncnet", ("config.json", "weights.safetensors")
)
PICTURE_NETWORK = FolderKind(
    "a converted picture network",
    "config.json",
    "picture-network",
    ("config.json", "weights.safetensors"),
)
CHECKPOINT = FolderKind(
    "a checkpoint", "config.json", "checkpoint", ("config.json", "weights.safetensors", "card.md")
)
EXPORTED_MODEL = FolderKind(
    "an exported model",
    "manifest.json",
    "exported-model",
    ("manifest.json", "weights.safetensors", "run.py", "prosody.py", "README.md", "example.npz"),
)


def _unmarked(text: object) -> str | None:
    """Return the schema in a mark; None for a text that is not exactly a mark."""
    return (
        text.removeprefix(f"{PROGRAM}: ")
        if isinstance(text, str) and text.startswith(f"{PROGRAM}: ")
        else None
    )


def _schema_in_json(path: Path) -> str | None:
    if path.stat().st_size > LARGEST_JSON_BYTES:
        return None
    text = path.read_text(encoding="utf-8")
    try:
        return _schema_of(json.loads(text))
    except json.JSONDecodeError:  # possibly one value per line
        first, *_ = [json.loads(line) for line in text.splitlines()]
        return _schema_of(first)


def _schema_of(content: object) -> str | None:
    schema = content.get("schema") if isinstance(content, dict) else None
    return schema if isinstance(schema, str) else None


def _schema_in_npz(path: Path) -> str | None:
    import numpy as np

    with zipfile.ZipFile(path) as archive:
        if archive.getinfo("meta.npy").file_size > LARGEST_META_BYTES:
            return None
    with np.load(path, allow_pickle=False) as archive:
        return _schema_of(json.loads(str(archive["meta"][()])))


def _schema_in_mp4(path: Path) -> str | None:
    import av

    with path.open("rb") as file, av.open(file, format="mp4") as container:
        return _unmarked(container.metadata.get("comment"))


def _schema_in_webm(path: Path) -> str | None:
    import av

    with path.open("rb") as file, av.open(file, format="matroska") as container:
        tags = {name.lower(): text for name, text in container.metadata.items()}
        return _unmarked(tags.get("comment"))


def _schema_in_png(path: Path) -> str | None:
    """Return the text `Software`, which comes before the picture: chunks are length, name, data and
    a checksum.
    """
    with path.open("rb") as file:
        file.seek(len(_PNG_SIGNATURE))
        for _ in range(_MOST_PNG_CHUNKS):
            header = file.read(8)
            if len(header) < 8 or header[4:] == b"IDAT":
                break
            length = int.from_bytes(header[:4], "big")
            if header[4:] == b"tEXt" and length < _HEAD_BYTES:
                key, _, text = file.read(length).partition(b"\0")
                if key == b"Software":
                    return _unmarked(text.decode("latin-1"))
                length = 0
            file.seek(length + 4, 1)
    return None


def _schema_in_html(path: Path) -> str | None:
    with path.open("rb") as file:
        found = _GENERATOR.search(file.read(_HEAD_BYTES))
    return _unmarked(found[1].decode("latin-1")) if found else None


def _schema_in_comment(path: Path) -> str | None:
    with path.open("rb") as file:
        found = _COMMENT.match(file.read(_HEAD_BYTES))
    return _unmarked(found[1].decode("latin-1")) if found else None


def _schema_in_script(path: Path) -> str | None:
    with path.open("rb") as file:
        return _unmarked(file.readline(_HEAD_BYTES).decode("latin-1").strip().removeprefix("# "))


def _schema_in_csv(path: Path) -> str | None:
    with path.open("rb") as file:
        _, *rest = file.read(_HEAD_BYTES).decode("utf-8", "replace").splitlines()
    return rest[0].partition(",")[0] if rest else None


def _schema_in_usda(path: Path) -> str | None:
    with path.open("rb") as file:
        found = _USD_DOC.search(file.read(_HEAD_BYTES))
    return _unmarked(found[1].decode("latin-1")) if found else None


def _schema_in_glb(path: Path) -> str | None:
    """Return the generator in the JSON chunk, which follows 12 bytes of header and 8 of its own."""
    with path.open("rb") as file:
        head = file.read(20)
        length = int.from_bytes(head[12:16], "little")
        if int.from_bytes(head[8:12], "little") != path.stat().st_size:
            return None
        document = json.loads(file.read(length)) if length <= LARGEST_JSON_BYTES else {}
    return _unmarked(document.get("asset", {}).get("generator"))


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[Path], str | None]], ...] = (
    (lambda head: head.startswith(b"PK"), _schema_in_npz),
    (lambda head: head.startswith(_PNG_SIGNATURE), _schema_in_png),
    (lambda head: head.startswith(b"glTF"), _schema_in_glb),
    (lambda head: head.startswith(b"#usda"), _schema_in_usda),
    (lambda head: head[4:8] == b"ftyp", _schema_in_mp4),
    (lambda head: head.startswith(b"\x1aE\xdf\xa3"), _schema_in_webm),
    (lambda head: head.lstrip().startswith(b"{"), _schema_in_json),
    (lambda head: head.lower().startswith(b"<!doctype html"), _schema_in_html),
    (lambda head: head.startswith((b"<!-- ", b"<?xml ")), _schema_in_comment),
    (lambda head: head.startswith(b"# ksdiff-jax: "), _schema_in_script),
    (lambda head: head.startswith(b"schema,"), _schema_in_csv),
)
