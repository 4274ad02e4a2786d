"""Uploads a checkpoint to the Hugging Face hub, from which `Animator.from_pretrained("org/name")`
downloads it.

    push_to_hub("runs/demo", "org/name")  ->  a commit: config.json, weights.safetensors, README.md

README.md is the checkpoint's card after a block of metadata: library, kind of task, tags, and a
licence if the caller names one. config.json is uploaded unchanged, with the paths that its
configuration contains. This module is tested against a local server that implements the hub's
interface; it has never been run against the hub itself.
"""

import shutil
import tempfile
from pathlib import Path

from ksdiff_jax import hub
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.models.fd2talk.frames.first_stage import HELD
from ksdiff_jax.models.pretrained import (
    Pretrained,
    embeds_encoder,
    read_pretrained,
    read_whole,
    shipped_names,
)
from ksdiff_jax.ownership import CHECKPOINT
from ksdiff_jax.plain_text import printable

LIBRARY = "ksdiff_jax"
TASK = "other"  # the hub has no task for motion from speech
TAGS = ("audio-driven-animation", "talking-head-generation", "jax", "flax")


def push_to_hub(
    folder_or_name: str | Path,
    repo: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    message: str = "Checkpoint of ksdiff-jax",
    licence: str | None = None,
    digest: str | None = None,
    overwrite: bool = False,
) -> str:
    """Verify a checkpoint, create the repository `org/name` if it does not exist, upload the files,
    and return the URL of the repository.

    `token` None uses the token of `hf auth login`. `licence` is an identifier of the hub, such as
    "apache-2.0". With `digest`, a checkpoint with another digest is refused. With `overwrite`,
    other files of the same names in the repository are replaced. A checkpoint of ours is always
    replaced; its older versions remain in the repository's history.

    Raise `InputError` if the checkpoint is damaged, if it needs a speech encoder or an autoencoder
    that exists only on this machine, if the repository contains other files of these names and
    `overwrite` is not set, and if the hub refuses.
    """
    name = hub.find_name(repo)
    if name is None or name.revision is not None:
        raise InputError(f"{repo!r}: not the name of a repository on the hub; need owner/name")
    with tempfile.TemporaryDirectory(prefix="ksdiff-push.") as temporary:
        folder = Path(temporary)
        read_whole(folder_or_name, lambda source: _copy(source, folder))
        pretrained = read_pretrained(folder)  # verify the copy that is uploaded
        if digest is not None and pretrained.digest != digest:
            raise InputError(f"{folder_or_name}: has changed since it was loaded; load it again")
        _check_complete(pretrained, folder_or_name, token=token)
        files = {name: folder / name for name in ("config.json", "weights.safetensors")}
        files |= {"README.md": _card(folder, pretrained, licence=licence).encode("utf-8")}
        # this request has a timeout, which the upload does not have
        there = hub.existing(repo, list(files), token=token)
        if not overwrite:
            _check_ours(repo, there)
        return hub.upload(repo, files, private=private, token=token, message=message)


def _copy(source: Path, folder: Path) -> None:
    for name in CHECKPOINT.files:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _check_complete(pretrained: Pretrained, source: str | Path, *, token: str | None) -> None:
    """Raise `InputError` if the speech encoder is neither in the checkpoint nor on the hub, or the
    autoencoder of a frames stage not in it.
    """
    place = getattr(pretrained.config.model, "autoencoder_path", "")
    if place and HELD not in pretrained.params:
        raise InputError(
            f"{source}: refers to its autoencoder as {place!r}, a folder that others do not have; "
            "publish the folder that `ksdiff-jax convert checkpoint` makes of it"
        )
    if embeds_encoder(pretrained):
        return
    encoder = pretrained.config.model.encoder
    if encoder.path in shipped_names():  # in every installation
        return
    name = None if Path(encoder.path).exists() else hub.find_name(encoder.path)
    # a local path may have the form of such a name
    if name is not None and hub.existing(name.repo, ["config.json"], token=token):
        return
    raise InputError(
        f"{source}: refers to its speech encoder as {encoder.path!r}, a folder that others do not "
        "have; train with the "
        "encoder's name on the hub, or save with embed_encoder=True (ksdiff_jax.models.pretrained)"
    )


def _check_ours(repo: str, there: dict[str, Path]) -> None:
    if there and not ("config.json" in there and CHECKPOINT.owns(there["config.json"].parent)):
        raise InputError(
            f"{repo}: holds {min(there)} and no checkpoint of ksdiff-jax; name another one, or "
            "give overwrite=True"
        )


def _card(folder: Path, pretrained: Pretrained, *, licence: str | None) -> str:
    """Return the card with the hub's metadata before it; metadata in the caller's own card are
    kept.
    """
    from huggingface_hub import ModelCard, ModelCardData

    path = folder / "card.md"
    text = (
        path.read_text(encoding="utf-8")
        if path.is_file()
        else f"# {printable(pretrained.config.name)}\n"
    )
    ours = {"library_name": LIBRARY, "pipeline_tag": TASK, "tags": list(TAGS), "license": licence}
    ours = {key: value for key, value in ours.items() if value is not None}
    if not text.startswith("---\n"):
        return f"---\n{ModelCardData(**ours).to_yaml()}\n---\n\n{text}"
    try:
        card = ModelCard(text)
    except Exception as error:  # any exception of its YAML parser
        raise InputError(
            f"{path.name}: invalid metadata ({first_line(error)}); correct the block at the top"
        ) from error
    for key, value in ours.items():
        if not getattr(card.data, key, None):
            setattr(card.data, key, value)
    return str(card)
