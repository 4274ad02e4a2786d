"""Writes a pretrained encoder in this package's format, so that it needs no further conversion:
`config.json` and `weights.safetensors`.

    config.json          schema "ksdiff-encoder/1", the layout, a digest over layout and weights,
                         source and licence
    weights.safetensors  every parameter of the encoder by its path in the tree, float32

The digest is verified whenever the folder is loaded. The licence is the one declared in the front
matter of the model's README. The rights to the weights stay with their authors.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.config import to_dict
from ksdiff_jax.outputs import check_output_folder, writing_folder
from ksdiff_jax.ownership import ENCODER
from ksdiff_jax.speech.config import EncoderLayout
from ksdiff_jax.speech.encoder_checkpoint import encoder_checkpoint, read_encoder_checkpoint
from ksdiff_jax.speech.hugging_face import convert_weights
from ksdiff_jax.speech.load import SCHEMA, WEIGHTS_FILE, encoder_digest, find_folder
from ksdiff_jax.speech.original import read_original
from ksdiff_jax.tree import named_leaves, nested

UNKNOWN_LICENCE = "unknown: see the source"
_LICENCE = re.compile(r"\A---\s*\n(?:.*\n)*?license:[ \t]*[\"']?([\w.+ -]+)", re.MULTILINE)


class Conversion(NamedTuple):
    """The result of a conversion."""

    config: EncoderLayout
    digest: str
    parameters: int
    licence: str
    ignored: tuple[str, ...]  # keys of the source that are not the encoder's: heads, quantisers


def convert_encoder(source: str | Path, out: str | Path, *, overwrite: bool = False) -> Conversion:
    """Convert a Hugging Face folder, a model of its hub, or the run of a student into the folder
    `out`; the result is complete or absent.

    An encoder of ours at `out` is replaced, other content only with `overwrite`, and the source
    never. Raises `InputError` if the source is not a speech encoder, or its weights do not match
    its configuration.
    """
    out = Path(out)
    check_output_folder(out, ENCODER, overwrite=overwrite, inputs=[source])
    folder = find_folder(source)
    # a name on the hub: its downloaded folder
    check_output_folder(out, ENCODER, overwrite=overwrite, inputs=[folder])
    if (checkpoint := encoder_checkpoint(folder)) is not None:
        config, params = read_encoder_checkpoint(checkpoint)
        leaves, ignored = named_leaves(params), ()
    else:
        config, weights = read_original(folder)
        leaves, ignored = convert_weights(weights, config, source=str(source))
    conversion = Conversion(
        config=config,
        digest=encoder_digest(nested(leaves), config),
        parameters=sum(leaf.size for leaf in leaves.values()),
        licence=declared_licence(folder),
        ignored=ignored,
    )
    write_encoder(out, leaves, conversion, source=str(source), overwrite=overwrite)
    return conversion


def write_encoder(
    out: Path,
    leaves: Mapping[str, np.ndarray],
    conversion: Conversion,
    *,
    source: str,
    overwrite: bool = False,
) -> None:
    """Write the folder of a converted encoder."""
    from safetensors.numpy import save_file

    manifest = {
        "schema": SCHEMA,
        "encoder": to_dict(conversion.config),
        "digest": conversion.digest,
        "source": source,
        "licence": conversion.licence,
        "parameters": conversion.parameters,
        "layers": conversion.config.num_layers,
    }
    with writing_folder(out, ENCODER, overwrite=overwrite) as temporary:
        save_file(dict(leaves), temporary / WEIGHTS_FILE)
        (temporary / "config.json").write_text(
            json.dumps(manifest, indent=1) + "\n", encoding="utf-8"
        )


def declared_licence(folder: Path) -> str:
    """Return the licence in the front matter of the model's README."""
    readme = folder / "README.md"
    if not readme.is_file():
        return UNKNOWN_LICENCE
    found = _LICENCE.match(readme.read_text(encoding="utf-8", errors="replace"))
    return found[1].strip() if found else UNKNOWN_LICENCE
