"""FD2Talk's frames stage: parameters and FLOPs of the UNet, its training step, and the sampling of
one second of pictures, on random latents and motion.

The training step is loss, gradient, clipping, AdamW and the moving average, from stored latents. A
batch too large for the memory is one part's error, and the other parts are measured. Sampling
includes the decoder. FLOPs are XLA's count before optimisation, without rematerialisation.
"""

import dataclasses
import functools
import math
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import Program, Programs, in_turn, seconds, spread
from ksdiff_jax.bench.training import memory_of
from ksdiff_jax.bench.workload import Size
from ksdiff_jax.config import TrainConfig
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.fd2talk.frames.config import ModelConfig, SampleConfig
from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig
from ksdiff_jax.models.fd2talk.frames.network import Network
from ksdiff_jax.models.fd2talk.frames.sampling import decode_frames, sample_latents
from ksdiff_jax.models.fd2talk.frames.training import latent_terms
from ksdiff_jax.motion.space import BFM
from ksdiff_jax.pictures.autoencoder import Autoencoder, AutoencoderConfig, latent_shape
from ksdiff_jax.train.optimizer import make_optimizer, update_average
from ksdiff_jax.train.report.step_flops import counted_flops
from ksdiff_jax.train.report.utilisation import peak_flops_per_s
from ksdiff_jax.tree import named_leaves, nested, parameter_count
from ksdiff_jax.typing import Array, PyTree

_FRAMES = 25  # of a sample: one second
# of the training step, and what a block stores for the backward pass; §4.1 of the paper has 32
_TRAINED = ((1, "none"), (32, "full"), (32, "dots"))
_POOL = 1_000_003  # random numbers, repeated


class Work(NamedTuple):
    """What is measured."""

    model: ModelConfig
    sample: SampleConfig
    frames: int
    trained: tuple[tuple[int, str], ...]

    @property
    def latent(self) -> tuple[int, int, int]:
        """Return the shape of a latent."""
        return latent_shape(self.model.autoencoder, self.model.picture_side)

    def execution(self, remat: str = "none") -> Execution:
        """Return the settings with a policy of rematerialisation."""
        return Execution(jnp.dtype(self.model.compute_dtype), self.model.attention, remat)

    def network(self, remat: str = "none") -> Network:
        """Return the network that is trained."""
        return Network(self.model, BFM.width, self.execution(remat))

    @property
    def autoencoder(self) -> Autoencoder:
        """Return the autoencoder, whose decoder takes the reference too."""
        return Autoencoder(self.model.autoencoder, True, self.execution())

    def shapes(self) -> PyTree:
        """Return the shapes of all parameters: unet, null_motion and autoencoder."""
        side, key = self.model.picture_side, jax.random.key(0)
        latents, motion = jnp.zeros((1, *self.latent)), jnp.zeros((1, BFM.width))
        shapes = jax.eval_shape(self.network().init, key, latents, motion)["params"]
        pictures = jnp.zeros((1, side, side, 3))
        return shapes | {
            "autoencoder": jax.eval_shape(self.autoencoder.init, key, pictures)["params"]
        }

    def params(self) -> PyTree:
        """Return made-up parameters on the device: kernels of variance 1 / fan-in, no zeros."""
        pool = np.random.default_rng(0).standard_normal(_POOL, dtype=np.float32)

        def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
            noise = np.resize(pool, shape)
            if len(shape) > 1:
                return noise / np.float32(math.sqrt(math.prod(shape[:-1])))
            return (1.0 if name.endswith("scale") else 0.0) + np.float32(0.1) * noise

        leaves = named_leaves(self.shapes()).items()
        return jax.device_put(nested({name: values(name, leaf.shape) for name, leaf in leaves}))


def work_of(size: Size) -> Work:
    """Return the paper's size, or the smallest one."""
    if size.frames >= _FRAMES:
        model = ModelConfig(compute_dtype="bfloat16")
        return Work(model, SampleConfig(), _FRAMES, _TRAINED)
    unet = UNetConfig(
        channels=16,
        multipliers=(1, 2),
        blocks=1,
        head_width=8,
        self_attention_levels=(1,),
        context_width=16,
        motion_tokens=2,
        groups=4,
    )
    autoencoder = AutoencoderConfig(channels=8, multipliers=(1, 2, 2), resnets=1, codes=8, groups=4)
    model = ModelConfig(picture_side=32, unet=unet, autoencoder=autoencoder)
    return Work(model, SampleConfig(steps=2), 2, ((2, "full"),))


def parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the counts, the training steps and the sampling."""
    work = work_of(size)
    text = f"UNet of {work.model.unet.channels} channels, latents of {work.latent[0]}²"

    @functools.cache
    def programs() -> Programs:
        steps = {name: _TrainingStep(work, *how).lower for name, how in training.items()}
        return Programs({"sample": functools.partial(_lowered_sample, work), **steps})

    def trained(name: str) -> dict:
        step = _TrainingStep(work, *training[name])
        return step.measure(programs()[name], steps=size.steps, repeats=repeats)

    dtype, side = work.model.compute_dtype, work.model.picture_side
    training = {
        f"training step, batch {batch}, remat {remat}, {dtype}": (batch, remat)
        for batch, remat in work.trained
    }
    sampled = f"{work.frames} frames of {side}² in {work.sample.steps} steps, with the decoder"
    return [
        (f"parameters and FLOPs: {text}", functools.partial(_counts, work)),
        (sampled, lambda: _sampling(work, programs()["sample"], repeats=repeats)),
        *((name, functools.partial(trained, name)) for name in training),
    ]


def _inputs(work: Work, batch: int) -> tuple[Array, Array, Array]:
    keys = jax.random.split(jax.random.key(2), 3)
    shape = (batch, *work.latent)
    motion = jax.random.normal(keys[2], (batch, BFM.width))
    return jax.random.normal(keys[0], shape), jax.random.normal(keys[1], shape), motion


def _shapes(arrays: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arrays)


def _loss(network: Network, trained: PyTree, inputs: tuple) -> Array:
    reference, clean, motion = inputs
    keys = jax.random.split(jax.random.key(3), len(motion))
    arguments = ((reference, clean), motion, keys)
    terms = latent_terms(network, trained, *arguments, train=True)
    return jnp.mean(terms["latent"])


def _trained(params: PyTree) -> PyTree:
    """Return the parameters without those of the autoencoder."""
    return {name: tree for name, tree in params.items() if name != "autoencoder"}


def _decode(work: Work, params: PyTree, latents: Array, reference: Array) -> Array:
    variables = {"params": params["autoencoder"]}
    return work.autoencoder.apply(variables, latents, reference, method=Autoencoder.decode)


def _sampled(work: Work, params: PyTree, motion: Array, reference: Array) -> Array:
    network = work.network()
    noise_of = jax.random.split(jax.random.key(4), len(motion)), jnp.zeros(len(motion), int)
    arguments = (network, _trained(params), motion, reference)
    latents = sample_latents(*arguments, noise_of, options=work.sample)
    return decode_frames(functools.partial(_decode, work, params), latents, reference)


def _plain(work: Work) -> Work:
    return work._replace(model=dataclasses.replace(work.model, attention="xla"))


def _training_flops(work: Work) -> float:
    """Return XLA's count of the gradient of one frame."""
    inputs = jax.eval_shape(lambda: _inputs(work, 1))
    loss = functools.partial(_loss, _plain(work).network())
    return counted_flops(jax.grad(loss), _trained(work.shapes()), inputs)


def _step_flops(work: Work) -> dict[str, float]:
    """Return XLA's counts of one frame: a diffusion step whose conditions are known, and the
    decoder.
    """
    work = _plain(work)
    network, params = work.network(), work.shapes()
    shapes = {"params": _trained(params)}
    latent = jax.ShapeDtypeStruct((1, *work.latent), jnp.float32)
    motion = jax.ShapeDtypeStruct((1, BFM.width), jnp.float32)

    def memories(variables: PyTree, motion: Array, reference: Array) -> list:
        found = network.apply(variables, motion, reference, method=Network.conditions)
        return network.apply(variables, found, method=Network.memories)

    def denoise(variables: PyTree, noisy: Array, memory: list) -> Array:
        step = jnp.zeros(1, jnp.int32)
        return network.apply(variables, noisy, step, memory, method=Network.denoise)

    decode = functools.partial(_decode, work)
    known = jax.eval_shape(memories, shapes, motion, latent)
    return {
        "denoise": counted_flops(denoise, shapes, latent, known),
        "conditions": counted_flops(memories, shapes, motion, latent),
        "decode": counted_flops(decode, params, latent, latent),
    }


def _sample_flops(work: Work) -> float:
    """Return the FLOPs of a sample: the reference's conditions are counted once."""
    each = _step_flops(work)
    frames = work.frames * (work.sample.steps * each["denoise"] + each["decode"])
    return frames + each["conditions"]


def _counts(work: Work) -> dict:
    shapes, each = work.shapes(), _step_flops(work)
    by_part: dict[str, int] = {}
    for name, tree in shapes["unet"].items():
        part = name.split("_")[0] if name.startswith(("down_", "up_")) else name
        part = {"halve": "down", "double": "up"}.get(part.split("_")[0], part)
        by_part[part] = by_part.get(part, 0) + parameter_count(tree)
    numbers = {f"gflop_{name}": round(flops / 1e9, 3) for name, flops in each.items()}
    return {
        "unet_parameters": parameter_count(shapes["unet"]),
        "unet_parts": by_part,
        "autoencoder_parameters": parameter_count(shapes["autoencoder"]),
        **numbers,
        "gflop_training_frame": round(_training_flops(work) / 1e9, 3),
        "tflop_sample": round(_sample_flops(work) / 1e12, 3),
    }


def _rates(flops: float, time_s: float, work: Work) -> dict:
    peak = peak_flops_per_s(jax.devices()[0].device_kind, work.model.compute_dtype)
    return {
        "tflops_per_s": round(flops / time_s / 1e12, 3),
        "mfu": None if peak is None else round(flops / time_s / peak, 4),
    }


class _TrainingStep:
    """The step of a batch size and a policy of rematerialisation."""

    def __init__(self, work: Work, batch: int, remat: str):
        self._work, self._batch = work, batch
        self._network, self._inputs = work.network(remat), _inputs(work, batch)
        self._config = TrainConfig()
        self._optimizer = make_optimizer(self._config)

    def lower(self) -> jax.stages.Lowered:
        """Return the lowered step."""
        state = jax.eval_shape(self._first, _trained(self._work.shapes()))
        return jax.jit(self._step, donate_argnums=0).lower(state, _shapes(self._inputs))

    def measure(self, program: Program, *, steps: int, repeats: int) -> dict:
        """Return the figures of one line."""
        state = jax.jit(self._first)(_trained(self._work.params()))

        def take(count: int) -> Array:
            nonlocal state
            for _ in range(count):
                state, loss = program.call(state, self._inputs)
            return loss

        first_s, loss = seconds(lambda: take(1)), float(take(1))
        times_s = in_turn({"steps": lambda: take(steps)}, repeats=repeats + 1)["steps"][1:]
        flops, step_s = (
            self._batch * _training_flops(self._work),
            statistics.median(times_s) / steps,
        )
        return {
            **spread(times_s, calls=steps),
            **_rates(flops, step_s, self._work),
            "frames_per_s": round(self._batch / step_s, 3),
            "tflop_per_step": round(flops / 1e12, 4),
            **program.costs(),
            "first_s": round(first_s, 3),
            **memory_of(program),
            "second_loss": loss,
        }

    def _first(self, trained: PyTree) -> tuple:
        average, count = jax.tree.map(jnp.copy, trained), jnp.zeros((), jnp.int32)
        return count, trained, average, self._optimizer.init(trained)

    def _step(self, state: tuple, inputs: tuple) -> tuple[tuple, Array]:
        count, trained, average, moments = state
        loss_of = functools.partial(_loss, self._network)
        loss, gradient = jax.value_and_grad(loss_of)(trained, inputs)
        updates, moments = self._optimizer.update(gradient, moments, trained)
        trained = optax.apply_updates(trained, updates)
        average = update_average(average, trained, count, decay=self._config.ema_decay)
        return (count + 1, trained, average, moments), loss


def _sample_inputs(work: Work) -> tuple[Array, Array]:
    motion = jax.random.normal(jax.random.key(5), (1, work.frames, BFM.width))
    return motion, _inputs(work, 1)[0]


def _lowered_sample(work: Work) -> jax.stages.Lowered:
    paint = jax.jit(functools.partial(_sampled, work))
    return paint.lower(work.shapes(), *_shapes(_sample_inputs(work)))


def _sampling(work: Work, program: Program, *, repeats: int) -> dict:
    params, arguments = work.params(), _sample_inputs(work)
    pictures = jax.block_until_ready(program.call(params, *arguments))
    works: dict[str, Callable[[], Any]] = {"paint": lambda: program.call(params, *arguments)}
    times_s = in_turn(works, repeats=repeats)["paint"]
    time_s, flops = statistics.median(times_s), _sample_flops(work)
    return {
        "dtype": work.model.compute_dtype,
        **spread(times_s, name="total_ms"),
        "frames_per_s": round(work.frames / time_s, 3),
        **_rates(flops, time_s, work),
        "tflop": round(flops / 1e12, 3),
        **program.costs(),
        **memory_of(program),
        "finite": bool(jnp.isfinite(pictures).all()),
    }
