"""The decoders of keyframes (`models/ksdiff/keyframe_decoding.py`), timed in turn on one clip: all
tracks, from encoded speech to keyframes.

`passes` counts evaluations of a predictor, of all blocks and tracks together. `differing` counts
bits that are not those of the sequential decoder. Weights are synthetic, and with a threshold of
0.5 half of all frames would be keyframes. The number of passes grows with the keyframes, so each
track gets a threshold at which it has 0.8 to 1.2 keyframes a second.

The decoders round differently, so that a probability close to its threshold may fall on either side
of it. On a CPU (10 s, full size) no bit of 500 differed in float32, and two did in bfloat16. One
clip is therefore decoded in float32 with `highest` precision too.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import Programs, in_turn, ratio, spread
from ksdiff_jax.bench.workload import Size, made_up_batch, made_up_params
from ksdiff_jax.config import Config
from ksdiff_jax.models.ksdiff.keyframe_decoding import DecodedKeyframes, decode_keyframes
from ksdiff_jax.models.ksdiff.network import Encoded, Network, keyframe_tracks
from ksdiff_jax.models.ksdiff.sampling import encode
from ksdiff_jax.models.ksdiff.system import KSDiff
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import PyTree

DECODERS = ("sequential", "jacobi", "block_jacobi")
FEWEST_PER_S, MOST_PER_S = 0.8, 1.2
_HALVINGS = 16

Thresholds = dict[str, np.float32]  # by track


class Decoding(NamedTuple):
    """The programs of a network as functions of its parameters."""

    network: Network

    def encoded(self, params: PyTree, speech: Speech) -> Encoded:
        """Return what the predictors read."""
        return encode(self.network, params, speech, jnp.zeros(len(speech.mask), bool))

    def tracks(
        self, params: PyTree, encoded: Encoded, thresholds: Thresholds, *, decoder: str
    ) -> dict[str, DecodedKeyframes]:
        """Return the keyframes of all tracks."""

        def of(track: str) -> DecodedKeyframes:
            values = jnp.full(encoded.mask.shape, thresholds[track])
            return decode_keyframes(self.network, params, track, encoded, values, decoder=decoder)

        return {track: of(track) for track in thresholds}


def parts(size: Size, *, repeats: int) -> list[Part]:
    """Return one part for each length, for the paper's configuration, and one in float32."""
    work = "paper configuration, 1 clip of {:g} s, features given".format
    exact = replace(size.paper, model=replace(size.paper.model, compute_dtype="float32"))

    def exactly() -> dict:
        with jax.default_matmul_precision("highest"):
            return _measure(exact, size.frames, repeats)

    return [
        *(
            (
                work(frames / MOTION_RATE_HZ),
                functools.partial(_measure, size.paper, frames, repeats),
            )
            for frames in (size.long_frames, size.frames)
        ),
        (f"{work(size.frames / MOTION_RATE_HZ)}, float32, precision highest", exactly),
    ]


def unrolled_network(config: Config) -> Network:
    """Return the network that samples, without `train.scan_layers`."""
    network = KSDiff(config).network
    return network.clone(execution=network.execution.unrolled)


def thresholds_for(
    decode: Callable[[Thresholds], dict[str, DecodedKeyframes]],
    tracks: Sequence[str],
    *,
    seconds: float,
) -> Thresholds:
    """Return for each track a threshold with `FEWEST_PER_S` to `MOST_PER_S` keyframes a second; the
    last one that was tried if bisection finds none.
    """
    lowest, highest = dict.fromkeys(tracks, 0.0), dict.fromkeys(tracks, 1.0)
    for _ in range(_HALVINGS):
        tried = {track: np.float32((lowest[track] + highest[track]) / 2) for track in tracks}
        rates = {track: found.bits.sum() / seconds for track, found in decode(tried).items()}
        if all(FEWEST_PER_S <= rate <= MOST_PER_S for rate in rates.values()):
            break
        for track, rate in rates.items():
            bound = lowest if rate > MOST_PER_S else highest if rate < FEWEST_PER_S else None
            if bound is not None:
                bound[track] = float(tried[track])
    return tried


def _measure(config: Config, frames: int, repeats: int) -> dict:
    params = jax.device_put(made_up_params(config))
    batch, _ = made_up_batch(config, clips=1, frames=frames, features=False)
    of, speech = Decoding(unrolled_network(config)), with_features(batch.speech, config)
    tracks, seconds = keyframe_tracks(config.model), frames / MOTION_RATE_HZ
    encoded = jax.jit(of.encoded)(params, speech)
    any_threshold = dict.fromkeys(tracks, np.float32(0.5))
    programs = Programs(
        {
            decoder: lambda decoder=decoder: jax.jit(
                functools.partial(of.tracks, decoder=decoder)
            ).lower(params, encoded, any_threshold)
            for decoder in DECODERS
        }
    )

    def decode(thresholds: Thresholds, decoder: str = "block_jacobi") -> dict:
        return programs[decoder].call(params, encoded, thresholds)

    chosen = thresholds_for(decode, tracks, seconds=seconds)
    found = {decoder: jax.device_get(decode(chosen, decoder)) for decoder in DECODERS}
    times = in_turn(
        {decoder: functools.partial(decode, chosen, decoder) for decoder in DECODERS},
        repeats=repeats,
    )
    expected = found["sequential"]
    return {
        "dtype": config.model.compute_dtype,
        "keyframes_per_s": {
            track: round(float(of_track.bits.sum() / seconds), 3)
            for track, of_track in expected.items()
        },
        "frames": frames * len(tracks),
        "passes": {
            decoder: sum(int(of_track.passes) for of_track in found[decoder].values())
            for decoder in DECODERS
        },
        "differing": {
            decoder: sum(
                int((found[decoder][track].bits != expected[track].bits).sum()) for track in tracks
            )
            for decoder in DECODERS
        },
        **{
            key: value
            for decoder in DECODERS
            for key, value in spread(times[decoder], name=f"{decoder}_ms").items()
        },
        **ratio(times["sequential"], times["block_jacobi"]),
        "programs": {decoder: programs[decoder].costs() for decoder in DECODERS},
    }


def with_sparse_keyframes(
    config: Config, params: PyTree, speech: Speech
) -> tuple[PyTree, dict[str, float]]:
    """Return the parameters with other biases of the predictors' logits, so that `sample` finds
    `FEWEST_PER_S` to `MOST_PER_S` keyframes a second in this speech with features; and the rates.
    """
    of, tracks = Decoding(unrolled_network(config)), keyframe_tracks(config.model)
    encoded = jax.jit(of.encoded)(params, speech)
    decode = functools.partial(
        jax.jit(functools.partial(of.tracks, decoder="auto")), params, encoded
    )
    seconds = speech.mask.shape[1] / MOTION_RATE_HZ
    thresholds = thresholds_for(decode, tracks, seconds=seconds)
    rates = {track: float(one.bits.sum()) / seconds for track, one in decode(thresholds).items()}

    def shifted(track: str) -> PyTree:
        predictor, wanted = params[f"predictors_{track}"], config.sample.keyframe_threshold
        away = _logit(float(thresholds[track])) - _logit(wanted)
        bias = predictor["logit"]["bias"] - away
        return {**predictor, "logit": {**predictor["logit"], "bias": bias}}

    return {**params, **{f"predictors_{track}": shifted(track) for track in tracks}}, rates


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def with_features(speech: Speech, config: Config) -> Speech:
    """Return the speech with random features of the encoder."""
    width, shape = config.model.encoder.architecture.hidden_size, speech.prosody.shape[:2]
    features = np.random.default_rng(0).standard_normal((*shape, width), dtype=np.float32)
    return speech._replace(features=features)
