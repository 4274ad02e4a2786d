"""The function that writes each format, by its name, and the rule for the file's place."""

from collections.abc import Callable, Iterable
from pathlib import Path

from ksdiff_jax.export.arkit_json import write_arkit
from ksdiff_jax.export.audio2face import write_audio2face_csv, write_audio2face_json
from ksdiff_jax.export.gltf import write_glb, write_glb_exact
from ksdiff_jax.export.live_link import write_live_link
from ksdiff_jax.export.take import Take
from ksdiff_jax.outputs import writing

WRITERS: dict[str, Callable[[Path, Take], None]] = {
    "livelink": write_live_link,
    "arkit": write_arkit,
    "a2f": write_audio2face_csv,
    "a2f-json": write_audio2face_json,
    "glb": write_glb,
    "glb-exact": write_glb_exact,
}


def write_take(
    path: str | Path,
    take: Take,
    kind: str,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> Path:
    """Write a take in a format, complete or not at all, and return the path.

    A file of ours is replaced if its format has room for our mark. CSV and TSV have none: they are
    replaced only with `overwrite`.
    """
    with writing(path, kind, overwrite=overwrite, inputs=inputs) as temporary:
        WRITERS[kind](temporary, take)
    return Path(path)
