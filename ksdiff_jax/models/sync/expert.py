"""A trained lip-sync model applied to other motion: a loss, and the probability of each window.

    L_i = −(1 / w) Σ_k log p_k,    p_k = (1 + cos(k, k)) / 2       k: the valid windows of clip i

This is Eq. 10 of DisentTalk with y = 1, and Eq. 11 of FD2Talk with (1 + cos) / 2 for the cosine. It
is a loss of whole clips: speech and motion are normalised over the input clip, so a window cut out
of a clip has another result than the same window in the clip. Weights and speech get no gradient;
the motion does. Windows of silence count like any other; the model gives them a probability of
about one half, and almost no gradient.

    expert = load_expert("sync", space="builtin")
    loss = sync_loss(expert.params, speech, motion, mask, system=expert.system)

The motion is raw coefficients of the space that the model was trained on.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.clip_mean import clip_mean
from ksdiff_jax.models.pretrained import Pretrained, load_pretrained
from ksdiff_jax.models.sync.network import Network, cosines, mouth_of, valid_windows
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.models.sync.training import probability
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Bool, Float, PyTree


class Expert(NamedTuple):
    """A lip-sync model and its weights; `digest` is that of its checkpoint, or "" without one, and
    `recorded` what the checkpoint reports of itself.
    """

    system: Sync
    params: PyTree
    digest: str = ""
    recorded: Mapping[str, float] = MappingProxyType({})


class WindowVectors(NamedTuple):
    """The outputs of both encoders for every window of one second, and which windows are valid."""

    speech: Float[Array, "b w e"]
    motion: Float[Array, "b w e"]
    valid: Bool[Array, "b w"]


def load_expert(folder_or_name: str | Path, *, space: str, encoder: str | None = None) -> Expert:
    """Return the lip-sync model of a checkpoint, for motion of the space `space`.

    Raise `InputError` if the checkpoint is of another system or another space.
    """
    found = load_pretrained(folder_or_name, encoder=encoder)
    if found.config.system != "sync":
        raise InputError(
            f"{folder_or_name}: a checkpoint of the system {found.config.system}; need a lip-sync "
            "model, as `ksdiff-jax train sync_demo` makes one"
        )
    if found.space.name != space:
        raise InputError(
            f"{folder_or_name}: a lip-sync model of the {found.space.name} space, the motion is of "
            f"the {space} space; name a lip-sync model that was trained on it"
        )
    return expert_of(found)


def expert_of(found: Pretrained) -> Expert:
    """Return the lip-sync model of a checkpoint that was read."""
    system = build_system(found.config, found.space)
    return Expert(system, found.params, found.digest, found.recorded)


def window_vectors(
    params: PyTree,
    speech: Speech,
    motion: Float[Array, "b t m"],
    mask: Bool[Array, "b t"],
    *,
    system: Sync,
) -> WindowVectors:
    """Return the vectors of all windows of whole clips; `motion` is raw coefficients, `mask` its
    valid frames.
    """
    network, model = system.network, system.config.model
    mouth = mouth_of(motion, mask, config=model, space=system.space)
    return WindowVectors(
        network.apply({"params": params}, speech, method=Network.embed_speech),
        network.apply({"params": params}, mouth, method=Network.embed_motion),
        valid_windows(mask, window=model.window_frames),
    )


def sync_loss(
    params: PyTree,
    speech: Speech,
    motion: Float[Array, "b t m"],
    mask: Bool[Array, "b t"],
    *,
    system: Sync,
) -> Float[Array, "b"]:
    """Return the mean of −log p over the valid windows of each clip; 0 for a clip without a valid
    window.

    Only the motion gets a gradient.
    """
    params, speech = jax.lax.stop_gradient((params, speech))
    vectors = window_vectors(params, speech, motion, mask, system=system)
    losses = -jnp.log(probability(cosines(vectors.speech, vectors.motion)))
    return clip_mean(losses, vectors.valid)
