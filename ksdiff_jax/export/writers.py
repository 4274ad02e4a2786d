"""The function that writes each format, by its name, and the rule for the file's place."""

from collections.abc import Callable, Iterable
from pathlib import Path

from ksdiff_jax.export.arkit_json import write_arkit
from ksdiff_jax.export.audio2face import write_audio2face_csv, write_audio2face_json
from ksdiff_jax.export.coefficient_archives import KEYS, coefficient_writer
from ksdiff_jax.export.gltf import write_glb, write_glb_exact
from ksdiff_jax.export.live_link import write_live_link
from ksdiff_jax.export.obj_sequence import sequence_kind, write_obj_sequence
from ksdiff_jax.export.rhubarb import write_rhubarb, write_rhubarb_tsv, write_rhubarb_xml
from ksdiff_jax.export.take import Take
from ksdiff_jax.export.text_grid import write_words
from ksdiff_jax.export.usd import write_usd
from ksdiff_jax.export.vrm import write_vrm_animation
from ksdiff_jax.export.web_avatars import (
    write_azure,
    write_lam,
    write_talkinghead,
    write_visemes,
)
from ksdiff_jax.outputs import check_output, check_output_folder, writing, writing_folder

WRITERS: dict[str, Callable[[Path, Take], None]] = {
    "livelink": write_live_link,
    "arkit": write_arkit,
    "a2f": write_audio2face_csv,
    "a2f-json": write_audio2face_json,
    "glb": write_glb,
    "glb-exact": write_glb_exact,
    "visemes": write_visemes,
    "talkinghead": write_talkinghead,
    "azure": write_azure,
    "lam": write_lam,
    "rhubarb": write_rhubarb,
    "rhubarb-tsv": write_rhubarb_tsv,
    "rhubarb-xml": write_rhubarb_xml,
    "vrm": write_vrm_animation,
    "obj": write_obj_sequence,
    "usd": write_usd,
    "words": write_words,
    **{kind: coefficient_writer(kind) for kind in KEYS},
}

FOLDERS = ("obj",)


def check_place(
    path: str | Path, kind: str, *, overwrite: bool, inputs: Iterable[str | Path]
) -> None:
    """Raise `InputError` if a format may not be written to `path`."""
    if kind in FOLDERS:
        folder = sequence_kind(Path(path), 0)
        check_output_folder(path, folder, overwrite=overwrite, inputs=inputs)
    else:
        check_output(path, kind, overwrite=overwrite, inputs=inputs)


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
    inputs = list(inputs)
    if kind in FOLDERS:
        folder_kind = sequence_kind(Path(path), len(take))
        with writing_folder(path, folder_kind, overwrite=overwrite, inputs=inputs) as temporary:
            WRITERS[kind](temporary, take)
        return Path(path)
    with writing(path, kind, overwrite=overwrite, inputs=inputs) as temporary:
        WRITERS[kind](temporary, take)
    return Path(path)
