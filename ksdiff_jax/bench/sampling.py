"""The latency of sampling, from sound on the device to motion on the host, and its parts.

| name | definition |
|---|---|
| total | the speech encoder, then the sampler, and the motion copied to the host |
| speech_encoder | the first of these two programs alone: sound to features |
| keyframes | a third program: features to dual paths, transcript and the keyframes of both tracks |
| diffusion | the sampler minus that third program, in pairs: the generators' steps |

The sampler is `System.sample` with the configuration's own options. A clip is sampled in one piece
of its own length; `ksdiff-jax animate` rounds lengths up and cuts recordings of more than 41 s into
windows. The real-time factor is the total in seconds per second of speech. Weights are synthetic.
"""

import functools
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import Programs, in_turn, spread
from ksdiff_jax.bench.workload import Size, made_up_batch, made_up_params
from ksdiff_jax.config import Config
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.ksdiff.network import compute_dtype, keyframe_tracks
from ksdiff_jax.models.ksdiff.sampling import decode_keyframes, encode
from ksdiff_jax.models.ksdiff.system import KSDiff
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.speech.encoder import build_encoder
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import PyTree


class Stages:
    """The three programs of a configuration as functions of parameters and speech."""

    def __init__(self, config: Config, space: MotionSpace):
        self._config, self._system = config, KSDiff(config, space)

    def encoder(self, params: PyTree, speech: Speech) -> jax.Array:
        """Return the features (b, f, d) of the speech encoder."""
        module = build_encoder(
            self._config.model.encoder, Execution(dtype=compute_dtype(self._config.model))
        )
        return module.apply(
            {"params": params["encoder"]}, speech.audio, jnp.repeat(speech.mask, 2, axis=1)
        )

    def keyframes(self, params: PyTree, speech: Speech) -> PyTree:
        """Return the keyframes of both tracks and their scores, from features."""
        config, network = self._config, self._system.network
        network = network.clone(execution=network.execution.unrolled)
        encoded = encode(network, params, speech, jnp.zeros(len(speech.mask), bool))
        threshold = jnp.full(speech.mask.shape, config.sample.keyframe_threshold)
        return {
            track: decode_keyframes(network, params, track, encoded, threshold)
            for track in keyframe_tracks(config.model)
        }

    def sampler(self, params: PyTree, speech: Speech) -> jax.Array:
        """Return motion (b, t, 59) from features."""
        clips = len(speech.mask)
        keys, first = jax.random.split(jax.random.key(0), clips), jnp.zeros(clips, jnp.int32)
        return self._system.sample(params, speech, keys, first).motion


class _Work:
    """Clips of one length on the device, with their programs."""

    def __init__(self, config: Config, params: PyTree, *, clips: int, frames: int, split: bool):
        batch, space = made_up_batch(config, clips=clips, frames=frames, features=False)
        self.clips, self.seconds, self.split = clips, frames / 25, split
        self.sound = jax.device_put(batch.speech)
        self._params, self._stages = params, Stages(config, space)
        self._programs: Programs | None = None

    def lowerings(self) -> dict[str, Callable]:
        """Return a function per program that lowers it."""
        features = jax.eval_shape(self._stages.encoder, self._params, self.sound)
        with_features = self.sound._replace(features=features)
        found = {
            "encoder": lambda: jax.jit(self._stages.encoder).lower(self._params, self.sound),
            "sampler": lambda: jax.jit(self._stages.sampler).lower(self._params, with_features),
        }
        if self.split:
            found["keyframes"] = lambda: jax.jit(self._stages.keyframes).lower(
                self._params, with_features
            )
        return found

    def measure(self, programs: Programs, prefix: str, config: Config, *, repeats: int) -> dict:
        """Return the figures of one line."""
        of = {name: programs[f"{prefix}{name}"] for name in self.lowerings()}
        features = of["encoder"].call(self._params, self.sound)
        speech = self.sound._replace(features=features)

        def total() -> np.ndarray:
            features = of["encoder"].call(self._params, self.sound)
            speech = self.sound._replace(features=features)
            return np.asarray(of["sampler"].call(self._params, speech))

        works: dict[str, Callable[[], Any]] = {"total": total}
        if self.split:
            works["speech_encoder"] = lambda: of["encoder"].call(self._params, self.sound)
            works["keyframes"] = lambda: of["keyframes"].call(self._params, speech)
            works["sampler"] = lambda: of["sampler"].call(self._params, speech)
        first_s = in_turn(works, repeats=1)["total"][0]
        times = in_turn(works, repeats=repeats)
        if self.split:
            pairs = zip(times.pop("sampler"), times["keyframes"], strict=True)
            times["diffusion"] = [whole - before for whole, before in pairs]
        total_s = statistics.median(times["total"])
        costs = {name: program.costs() for name, program in of.items()}
        return {
            "dtype": config.model.compute_dtype,
            "sampler": f"{config.sample.sampler}, {config.sample.steps} steps, guidance "
            f"{config.sample.guidance:g}",
            **{
                key: value
                for name, spent in times.items()
                for key, value in spread(spent, name=f"{name}_ms").items()
            },
            "first_s": round(first_s, 3),
            "programs": costs,
            "real_time_factor": round(total_s / (self.clips * self.seconds), 6),
            "clips_per_s": round(self.clips / total_s, 3),
            "finite": bool(np.isfinite(total()).all()),
        }


def paper_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the latencies of both lengths and the throughput of many clips, for the paper's
    configuration.
    """
    return _parts("paper", size.paper, size, repeats)


def demo_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the same for the demo's configuration."""
    return _parts("demo", size.demo, size, repeats)


def _parts(name: str, config: Config, size: Size, repeats: int) -> list[Part]:
    shapes = {
        "short": (1, size.frames),
        "long": (1, size.long_frames),
        "many": (size.many, size.frames),
    }

    @functools.cache
    def ready() -> tuple[dict[str, _Work], Programs]:
        """Return all programs of this configuration, compiled concurrently."""
        params = jax.device_put(made_up_params(config))
        works = {
            kind: _Work(config, params, clips=clips, frames=frames, split=kind != "many")
            for kind, (clips, frames) in shapes.items()
        }
        lowerings = {
            f"{kind} {part}": lower
            for kind, work in works.items()
            for part, lower in work.lowerings().items()
        }
        return works, Programs(lowerings)

    def measure(kind: str) -> dict:
        works, programs = ready()
        return works[kind].measure(programs, f"{kind} ", config, repeats=repeats)

    return [
        (
            f"{name} configuration, {clips} clip{'s' * (clips > 1)} of {frames / 25:g} s",
            functools.partial(measure, kind),
        )
        for kind, (clips, frames) in shapes.items()
    ]
