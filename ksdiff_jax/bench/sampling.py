"""The latency of sampling, from sound on the device to motion on the host, and its parts.

| name | definition |
|---|---|
| total | the speech encoder, then the sampler, and the motion copied to the host |
| speech_encoder | the first of these two programs alone: sound to features |
| keyframes | a third program: features to dual paths, transcript and the keyframes of both tracks |
| diffusion | the sampler minus that third program, in pairs: the generators' steps |

The sampler is `System.sample` with the configuration's own options, or with one of `FEW_STEPS`. A
clip is sampled in one piece of its own length; `ksdiff-jax animate` rounds lengths up and cuts
recordings of more than 41 s into windows. The real-time factor is the total in seconds per second
of speech. Weights and speech are synthetic, but for the shipped checkpoint, whose own weights (read
with safetensors) get the packaged recording, repeated; its pitch and energy are random.
"""

import functools
import statistics
import wave
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.bench.keyframes import unrolled_network
from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import Programs, in_turn, spread
from ksdiff_jax.bench.workload import Size, made_up_batch, made_up_params, with_sampler
from ksdiff_jax.config import Config
from ksdiff_jax.diffusion.config import SamplerName, Spacing
from ksdiff_jax.files import SHIPPED
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.ksdiff.network import compute_dtype, keyframe_tracks
from ksdiff_jax.models.ksdiff.sampling import decode_keyframes, encode
from ksdiff_jax.models.ksdiff.system import KSDiff
from ksdiff_jax.models.pretrained import read_pretrained
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.speech.encoder import build_encoder
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import PyTree

FEW_STEPS: tuple[tuple[SamplerName, int, Spacing], ...] = (
    ("unipc", 5, "log_snr"),
    ("ddim", 10, "trailing"),
    ("dpm++2m", 25, "trailing"),
)


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
        config, network = self._config, unrolled_network(self._config)
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


class _Clips(NamedTuple):
    """What is sampled at once."""

    config: Config
    clips: int
    frames: int
    split: bool  # whether the parts of the total are measured too
    shipped: bool = False  # the shipped weights and the packaged recording


class _Work:
    """Clips of one length on the device, with their programs."""

    def __init__(self, name: str, of: _Clips, params: PyTree):
        batch, space = made_up_batch(of.config, clips=of.clips, frames=of.frames, features=False)
        speech = batch.speech
        if of.shipped:
            speech = speech._replace(audio=recording(*speech.audio.shape))
        self.of, self.sound = of, jax.device_put(speech)
        self._params, self._stages = params, Stages(of.config, space)
        # The encoder does not depend on the sampler.
        self.names = {"encoder": f"encoder {of.clips} {of.frames}", "sampler": f"sampler {name}"}
        if of.split:
            self.names["keyframes"] = f"keyframes {name}"

    def lowerings(self) -> dict[str, Callable]:
        """Return a function per program that lowers it, by the program's name."""
        features = jax.eval_shape(self._stages.encoder, self._params, self.sound)
        speech = {"encoder": self.sound}

        def lower(part: str) -> Callable:
            given = speech.get(part, self.sound._replace(features=features))
            return lambda: jax.jit(getattr(self._stages, part)).lower(self._params, given)

        return {name: lower(part) for part, name in self.names.items()}

    def measure(self, programs: Programs, *, repeats: int) -> dict:
        """Return the figures of one line."""
        of = {part: programs[name] for part, name in self.names.items()}
        config, clips, seconds = self.of.config, self.of.clips, self.of.frames / 25
        features = of["encoder"].call(self._params, self.sound)
        speech = self.sound._replace(features=features)

        def total() -> np.ndarray:
            features = of["encoder"].call(self._params, self.sound)
            speech = self.sound._replace(features=features)
            return np.asarray(of["sampler"].call(self._params, speech))

        works: dict[str, Callable[[], Any]] = {"total": total}
        if self.of.split:
            works["speech_encoder"] = lambda: of["encoder"].call(self._params, self.sound)
            works["keyframes"] = lambda: of["keyframes"].call(self._params, speech)
            works["sampler"] = lambda: of["sampler"].call(self._params, speech)
        first_s = in_turn(works, repeats=1)["total"][0]
        times = in_turn(works, repeats=repeats)
        if self.of.split:
            pairs = zip(times.pop("sampler"), times["keyframes"], strict=True)
            times["diffusion"] = [whole - before for whole, before in pairs]
        total_s = statistics.median(times["total"])
        rates = {}
        if self.of.split:
            found = of["keyframes"].call(self._params, speech)
            rates = {
                track: round(float(np.sum(bits)) / seconds, 3)
                for track, (bits, *_) in found.items()
            }
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
            "keyframes_per_s": rates,
            "programs": costs,
            "real_time_factor": round(total_s / (clips * seconds), 6),
            "clips_per_s": round(clips / total_s, 3),
            "finite": bool(np.isfinite(total()).all()),
        }


def paper_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the latencies of both lengths and the throughput of many clips, for the paper's
    configuration.
    """
    return _own_parts("paper", size.paper, size, repeats)


def demo_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the same for the demo's configuration."""
    return _own_parts("demo", size.demo, size, repeats)


def shipped_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the same for the shipped checkpoint, with its own weights."""
    return _own_parts("shipped", size.shipped, size, repeats)


def recording(clips: int, samples: int) -> np.ndarray:
    """Return the packaged recording, repeated to (clips, samples); 16 kHz, in [-1, 1]."""
    with wave.open(str(SHIPPED.parent / "demo.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return np.tile(np.resize(sound.astype(np.float32) / 2**15, samples), (clips, 1))


def few_step_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the latencies of both lengths with each of `FEW_STEPS`, for the paper's
    configuration. The programs of the long clip are compiled and measured first.
    """

    def clips(frames: int) -> dict[str, _Clips]:
        work = f"paper configuration, 1 clip of {frames / 25:g} s"
        configs = {given: with_sampler(size.paper, *given) for given in FEW_STEPS}
        return {
            f"{work}, {sampler} {steps} {spacing}": _Clips(config, 1, frames, split=False)
            for (sampler, steps, spacing), config in configs.items()
        }

    return [
        part
        for frames in (size.long_frames, size.frames)
        for part in _parts(clips(frames), repeats)
    ]


def _own_parts(name: str, config: Config, size: Size, repeats: int) -> list[Part]:
    shapes = ((1, size.frames), (1, size.long_frames), (size.many, size.frames))
    return _parts(
        {
            f"{name} configuration, {clips} clip{'s' * (clips > 1)} of {frames / 25:g} s": _Clips(
                config, clips, frames, split=clips == 1, shipped=name == "shipped"
            )
            for clips, frames in shapes
        },
        repeats,
    )


def _parts(of: dict[str, _Clips], repeats: int) -> list[Part]:
    @functools.cache
    def ready() -> tuple[dict[str, _Work], Programs]:
        """Return all programs, compiled concurrently; all configurations have the same model."""
        first = next(iter(of.values()))
        own = read_pretrained().params if first.shipped else made_up_params(first.config)
        params = jax.device_put(own)
        works = {name: _Work(name, clips, params) for name, clips in of.items()}
        lowerings = {
            name: lower for work in works.values() for name, lower in work.lowerings().items()
        }
        return works, Programs(lowerings)

    def measure(name: str) -> dict:
        works, programs = ready()
        return works[name].measure(programs, repeats=repeats)

    return [(name, functools.partial(measure, name)) for name in of]
