"""A checkpoint as one small folder: its weights and those of its speech encoder, or of the
autoencoder of a frames stage, as float16.

    save_self_contained("runs/mine", "mine", encoder="encoders/whisper-tiny")

A training run stores float32 weights and refers to its encoder or autoencoder by path and digest.
The folder that this module writes needs nothing else on another machine.
"""

from pathlib import Path

import jax

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.fd2talk.frames.first_stage import HELD, first_stage_of, with_autoencoder_at
from ksdiff_jax.models.pretrained import load_pretrained, read_manifest, save_pretrained
from ksdiff_jax.outputs import check_output_folder
from ksdiff_jax.ownership import CHECKPOINT


def save_self_contained(
    source: str | Path,
    out: str | Path,
    *,
    encoder: str | Path | None = None,
    autoencoder: str | Path | None = None,
    card: str = "",
    overwrite: bool = False,
) -> Path:
    """Write the checkpoint `source` with its encoder to `out`, and return that folder.

    `encoder` and `autoencoder` are their locations here, if they have moved. `card` is Markdown;
    without it the checkpoint's own card is copied. Raise `InputError` if the checkpoint or its
    encoder is damaged or missing, if `out` is one of them, or if a weight exceeds the range of
    float16.
    """
    pretrained = load_pretrained(source, encoder=encoder)
    pretrained = with_autoencoder_at(pretrained, autoencoder)
    model, params = pretrained.config.model, pretrained.params
    if stage := first_stage_of(pretrained.config, params):
        params = params | {HELD: jax.device_get(stage.params)}
    own_encoder = getattr(model, "encoder", None)  # None of picture systems
    where = encoder or (own_encoder.path if own_encoder else "")
    read = [where, getattr(model, "autoencoder_path", "")]
    read = [pretrained.path, *(name for name in read if name and Path(name).exists())]
    check_output_folder(out, CHECKPOINT, overwrite=overwrite, inputs=read)
    own = pretrained.path / "card.md"
    if not card and own.is_file():
        card = own.read_text(encoding="utf-8").replace(", not stored here.", ", stored here.")
    try:
        return save_pretrained(
            out,
            config=pretrained.config,
            params=params,
            space=pretrained.space,
            card=card,
            extra=read_manifest(pretrained.path).get("extra", {}),
            float16=True,
            embed_encoder=True,
            overwrite=overwrite,
        )
    except ValueError as error:
        raise InputError(f"{source}: {error}") from error
