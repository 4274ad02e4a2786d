"""Decoding of the keyframes (KSDiff §2.2), three ways that find the same bits:

    k_i = [p(k_i = 1 | k_<i, speech) > u_i]

| decoder | computes |
|---|---|
| sequential | one frame after the other: blocks of one frame, each of one pass |
| jacobi | all frames at once from guessed bits, again with the bits found, until they stay |
| block_jacobi | the same, block after block: no frame waits for a later block |

With the thresholds u fixed, sequential decoding is the only fixed point of k = [p(k) > u], because
p at frame i depends on bits before i only: after n passes of the Jacobi iteration (Song et al.
2021, "Accelerating feedforward computation via parallel nonlinear equation solving") at least the
first n bits are right, so a block needs no more passes than it has frames. The guess is a track
without keyframes, and a pass corrects everything up to the first bit that is wrong, so a block with
few keyframes has few passes. The logits of the decoders differ in rounding only.

On a CPU, blocks of 16 frames took the least time at the shipped size, 0.52 to 0.68 of that of a
sequential decoder with ring buffers in five clips of 5 to 20 s; blocks of 128 frames took 0.7 to
1.0 of it. On other devices the number of programs that are launched counts, so blocks are as long
as the predictor's window there.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ksdiff_jax.models.ksdiff.keyframe_predictor import (
    BEGIN_BIT,
    PredictorMemory,
    empty_caches,
    pad_speech,
)
from ksdiff_jax.models.ksdiff.network import Encoded, Network, compute_dtype
from ksdiff_jax.typing import Array, Bool, Float, Int, PyTree

CPU_BLOCK_FRAMES = 16


class DecodedKeyframes(NamedTuple):
    """The keyframes of one track; bits and probabilities are zero on padding."""

    bits: Bool[Array, "b t"]
    probabilities: Float[Array, "b t"]
    passes: Int[Array, ""]  # evaluations of the predictor, of all blocks together


def decode_keyframes(
    network: Network,
    params: PyTree,
    track: str,
    encoded: Encoded,
    threshold: Float[Array, "b t"],
    *,
    decoder: str = "auto",
) -> DecodedKeyframes:
    """Return the autoregressive keyframe bits of a track and their probabilities.

    `decoder` is a name of the table above, or `auto`, which is `block_jacobi`.
    """
    decoder = "block_jacobi" if decoder == "auto" else decoder
    clip = _Clip.of(network, params, track, encoded)
    threshold = jnp.where(encoded.mask, threshold, 1.0)  # no pass decides about padding
    frames = threshold.shape[1]
    blocks = {"sequential": 1, "jacobi": frames, "block_jacobi": _block_frames(network)}
    block = min(frames, blocks[decoder])
    bits, probabilities, passes = _jacobi(clip, threshold, block=block)
    return DecodedKeyframes(bits & encoded.mask, probabilities * encoded.mask, passes)


def _block_frames(network: Network) -> int:
    """Return the length of a block on this backend."""
    on_cpu = jax.default_backend() == "cpu"
    return CPU_BLOCK_FRAMES if on_cpu else network.config.keyframes.window_frames


class _Clip(NamedTuple):
    """A predictor with all that it reads of a batch of clips."""

    network: Network
    variables: PyTree
    track: str
    encoded: Encoded
    memory: PredictorMemory  # its speech padded by `pad_speech`
    mask: Bool[Array, "b t2"]  # padded in the same way

    @classmethod
    def of(cls, network: Network, params: PyTree, track: str, encoded: Encoded) -> "_Clip":
        """Project the speech and the transcript of the clips."""
        variables, window = {"params": params}, network.config.keyframes.window_frames
        memory = network.apply(variables, track, encoded, method=Network.predictor_memory)
        speech = jax.tree.map(lambda a: pad_speech(a, window=window), memory.speech)
        memory = PredictorMemory(speech, memory.transcript)
        mask = pad_speech(encoded.mask, window=window)
        return cls(network, variables, track, encoded, memory, mask)

    @property
    def features(self) -> Float[Array, "b t d"]:
        """Return the speech features of the path."""
        return getattr(self.encoded.features, self.track)

    @property
    def others(self) -> dict:
        """Return the masks that do not depend on the frame."""
        return {"text_mask": self.encoded.text_mask, "causal": self.encoded.causal}

    def caches(self):
        """Return the keys and values before the first frame."""
        config = self.network.config
        return empty_caches(config, batch=len(self.mask), dtype=compute_dtype(config))


def _jacobi(
    clip: _Clip, threshold: Float[Array, "b t"], *, block: int
) -> tuple[Bool[Array, "b t"], Float[Array, "b t"], Int[Array, ""]]:
    """Return bits and probabilities of a scan over blocks of `block` frames, each iterated to its
    fixed point, and the number of passes over a block.
    """
    batch, frames = threshold.shape
    window = clip.network.config.keyframes.window_frames
    count = -(-frames // block)
    longer = partial(_padded, frames=count * block - frames)

    def in_blocks(values: Array) -> Array:
        """Return (blocks, b, block, ...) of values of whole blocks."""
        return jnp.moveaxis(values.reshape(batch, count, block, *values.shape[2:]), 1, 0)

    features, threshold = longer(clip.features), longer(threshold, fill=1.0)
    speech, mask = jax.tree.map(longer, (clip.memory.speech, clip.mask))

    def visit(carry, inputs):
        begin, caches, passes = carry
        start, features, threshold = inputs
        near, near_mask = jax.tree.map(
            lambda a: jax.lax.dynamic_slice_in_dim(a, start, block + window, axis=1),
            (speech, mask),
        )
        memory = PredictorMemory(near, clip.memory.transcript)

        def evaluate(bits):
            previous = jnp.concatenate([begin[:, None], bits[:, :-1].astype(jnp.int32)], axis=1)
            logits, updated = clip.network.apply(
                clip.variables,
                *(clip.track, previous, features, caches, memory, start),
                mask=near_mask,
                **clip.others,
                method=Network.keyframe_block,
            )
            probabilities = jax.nn.sigmoid(logits)
            return probabilities > threshold, probabilities, updated

        guess = jnp.zeros(threshold.shape, bool)
        state = (guess, *evaluate(guess), jnp.int32(1))

        def unsettled(state):
            given, found, _, _, passed = state
            return (given != found).any() & (passed < block)

        def iterate(state):
            _, found, _, _, passed = state
            return (found, *evaluate(found), passed + 1)

        _, bits, probabilities, caches, passed = jax.lax.while_loop(unsettled, iterate, state)
        return (bits[:, -1].astype(jnp.int32), caches, passes + passed), (bits, probabilities)

    first = (jnp.full(batch, BEGIN_BIT), clip.caches(), jnp.int32(0))
    inputs = (jnp.arange(count) * block, in_blocks(features), in_blocks(threshold))
    (_, _, passes), outputs = jax.lax.scan(visit, first, inputs)
    bits, probabilities = (
        jnp.moveaxis(a, 0, 1).reshape(batch, count * block)[:, :frames] for a in outputs
    )
    return bits, probabilities, passes


def _padded(values: Array, frames: int, fill: float = 0.0) -> Array:
    """Return values (b, t, ...) with `frames` more frames of `fill`."""
    widths = [(0, 0), (0, frames)] + [(0, 0)] * (values.ndim - 2)
    return jnp.pad(values, widths, constant_values=fill)
