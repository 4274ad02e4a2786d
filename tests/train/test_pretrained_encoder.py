"""KSDiff on a pretrained encoder, from its folder to a motion: frozen, heard once, and
found again.
"""

import io

import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.pretrained import load_pretrained, read_pretrained
from ksdiff_jax.models.speech_encoder import encoder_params, with_encoder
from ksdiff_jax.overrides import override
from ksdiff_jax.train.loop import train
from ksdiff_jax.train.report.progress import Progress
from ksdiff_jax.train.sources import open_training_data
from ksdiff_jax.tree import leaf_digest, named_leaves
from tests.train.tiny_ksdiff import tiny_config

SMALLEST = {
    "model.keyframes.enabled": "false",
    "model.generator.dual_path": "false",
    "model.transcript.enabled": "false",
    "data.augment": None,
    "train.steps": 2,
    "train.validate_every": 2,
    "train.checkpoint_every": 2,
    "train.log_every": 1,
}


def run(data, encoder, workdir, **changes):
    """Train as the command line does; the outcome, what was said, and the encoder's parameters
    after it.
    """
    values = {"model.encoder.kind": "pretrained", "model.encoder.path": str(encoder)}
    config, found = with_encoder(override(tiny_config(data), SMALLEST | values | changes))
    said = io.StringIO()
    progress = Progress(config.train.steps, stream=said)

    def open_data(system):
        opened = open_training_data(
            system, cache=workdir / "cache", tell=progress.tell, encoder=found
        )
        return opened._replace(validation=[])  # one program less to compile

    given = encoder_params(found)
    outcome = train(
        config,
        workdir,
        build_system=build_system,
        open_data=open_data,
        progress=progress,
        given=given,
    )
    return outcome, said.getvalue(), digests(given)


def digests(tree):
    return {name: leaf_digest(leaf) for name, leaf in named_leaves(tree).items()}


@pytest.mark.slow
def test_a_tiny_encoder_goes_from_its_folder_through_training_to_a_motion(
    tmp_path, tiny_dataset, tiny_encoder, other_encoder
):
    outcome, said, after = run(tiny_dataset, tiny_encoder, tmp_path)
    assert "frozen ones" in said and "speech features of 6 train clips" in said
    before = digests(encoder_params(with_encoder(read_pretrained(tmp_path).config)[1]))
    # The frozen weights are as they were, and no array of the state (averages, moments) is one of
    # them.
    assert after == before
    assert outcome.state.step == 2 and not [
        name for name in named_leaves(outcome.state) if "backbone" in name
    ]
    # The checkpoint names the encoder; read back, it is whole.
    assert "encoder" not in read_pretrained(tmp_path).params
    assert digests({"encoder": load_pretrained(tmp_path).params["encoder"]}) == before

    time_s = np.arange(32_000) / 16_000
    sound = (0.2 * np.sin(900 * time_s)).astype(np.float32)
    motion = Animator.from_pretrained(tmp_path)(sound, sample_rate_hz=16_000, steps=2)
    assert len(motion) == 50
    assert np.isfinite(motion.exp).all() and np.isfinite(motion.global_orient).all()

    # Another encoder where that one was is another run.
    with pytest.raises(
        InputError, match=r"contains a run with another config \(.*model.encoder.digest"
    ):
        run(tiny_dataset, other_encoder, tmp_path)


@pytest.mark.slow
def test_a_finetuned_encoder_starts_from_its_weights_moves_and_is_stored(
    tmp_path, tiny_dataset, tiny_encoder
):
    outcome, said, before = run(
        tiny_dataset, tiny_encoder, tmp_path, **{"model.encoder.finetune": "true"}
    )
    assert "runs in every training step: model.encoder.finetune" in said
    after = digests({"encoder": read_pretrained(tmp_path).params["encoder"]})
    assert after.keys() == before.keys() and all(after[name] != before[name] for name in after)
    moved = named_leaves(outcome.state.params)
    start = named_leaves(encoder_params(with_encoder(load_pretrained(tmp_path).config)[1]))
    for name, leaf in start.items():
        np.testing.assert_allclose(moved[name], leaf, atol=0.05)
