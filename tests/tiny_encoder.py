"""A Wav2Vec 2.0 of two layers with random weights, in the folder format of `ksdiff-jax convert
encoder`.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

from ksdiff_jax.config import to_dict
from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.load import SCHEMA, WEIGHTS_FILE, encoder_digest
from ksdiff_jax.speech.pretrained import PretrainedEncoder
from ksdiff_jax.tree import named_leaves

LAYOUT = PretrainedEncoderConfig(
    hidden_size=16,
    num_layers=2,
    num_heads=2,
    intermediate_size=32,
    conv_dims=(8,) * 7,
    position_kernel=8,
    position_groups=2,
)


def write_tiny_encoder(folder: Path, *, seed: int) -> Path:
    """Weights drawn from the seed: another seed, another digest."""
    initialise = jax.jit(PretrainedEncoder(LAYOUT).init)
    params = jax.tree.map(
        np.asarray, initialise(jax.random.key(seed), jnp.zeros((1, 1600)))["params"]
    )
    folder.mkdir(parents=True)
    save_file(named_leaves(params), folder / WEIGHTS_FILE)
    digest = encoder_digest(params, LAYOUT)
    manifest = {
        "schema": SCHEMA,
        "encoder": to_dict(LAYOUT),
        "digest": digest,
        "source": f"tests, seed {seed}",
    }
    (folder / "config.json").write_text(json.dumps(manifest))
    return folder
