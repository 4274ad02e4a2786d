"""Compares loss, gradients and a sample of the demo's configuration on the accelerator with those
on this machine's CPU.

Both compute in float32, from the same parameters, batch and random numbers. Precision `default` is
JAX's default for a float32 product on the device: NVIDIA GPUs from Ampere on round factors to
TensorFloat-32, with 10 bits after the point, so each product has a relative error of up to 2^-11
(0.0005). `highest` multiplies in float32, with 2^-24 (6e-8). The error of a network's output grows
with its depth; the two lines show whether rounding explains it.

    loss      |a - c| / |c|
    gradient  ‖a - c‖ / ‖c‖ over all leaves, and the largest of single leaves
    motion    max |a - c|, and ‖a - c‖ / ‖c‖, of all clips and of those whose keyframes all agree

Leaves whose gradient is smaller than `SMALLEST` of the whole one are excluded from the largest and
counted. Some are zero except for rounding, such as that of a bias of keys, which has no effect on
softmax. A keyframe is a threshold on a score, so rounding may change one; the frames that follow
then differ by more than rounding.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import Programs, seconds
from ksdiff_jax.bench.workload import Size, made_up_batch, made_up_params
from ksdiff_jax.config import Config
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.face.lip_gap import builtin_lip_gap
from ksdiff_jax.models.ksdiff.network import TRACKS
from ksdiff_jax.models.ksdiff.system import KSDiff
from ksdiff_jax.models.system import Sample
from ksdiff_jax.motion.keyframes import keyframe_targets
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.tree import named_leaves
from ksdiff_jax.typing import Array, Bool, PyTree

PRECISIONS = ("default", "highest")
SMALLEST = 1e-5
EXPECTED = {
    "default": "NVIDIA GPUs from Ampere on round factors to TensorFloat-32: up to 2^-11 (5e-4) "
    "per product",
    "highest": "float32 products: up to 2^-24 (6e-8) each, and sums in another order",
}


def parts(size: Size, *, repeats: int) -> list[Part]:
    """Return loss and gradients, then a sample, each in both precisions; `repeats` is not used,
    because the numbers do not vary.
    """
    config = size.demo
    batch, space = made_up_batch(
        config, clips=size.agreement_clips, frames=size.agreement_frames, features=False
    )

    @functools.cache
    def ready() -> "_Both":
        return _Both(config, batch, space, steps=size.agreement_steps)

    work = (
        f"demo configuration, {size.agreement_clips} clips of {size.agreement_frames / 25:g} "
        "s, float32"
    )
    kinds: dict[str, Callable[[_Both, str], dict]] = {
        "loss and gradients": _Both.gradients,
        "sample": _Both.samples,
    }
    return [
        (
            f"{work}: {kind}, precision {precision}",
            lambda do=do, precision=precision: do(ready(), precision),
        )
        for kind, do in kinds.items()
        for precision in PRECISIONS
    ]


class _Both:
    """The programs and their arguments on both devices."""

    def __init__(self, config: Config, batch: Batch, space: MotionSpace, *, steps: int):
        devices = {"cpu": cpu(), "device": jax.devices()[0]}
        with jax.default_device(devices["cpu"]):
            builtin_lip_gap()  # a constant of the loss: computed on the CPU in full float32
        given = (made_up_params(config), batch)
        self._arguments = {name: jax.device_put(given, device) for name, device in devices.items()}
        functions = {
            "gradients": loss_and_gradients(config, space),
            "samples": sample(config, space, steps=steps),
        }

        def lowering(function: Callable, place: str, precision: str) -> Callable:
            def lower() -> jax.stages.Lowered:
                with jax.default_matmul_precision(precision):
                    return jax.jit(function).lower(*self._arguments[place])

            return lower

        places = [("cpu", "highest"), *(("device", precision) for precision in PRECISIONS)]
        self._programs = Programs(
            {
                f"{kind} {place} {precision}": lowering(function, place, precision)
                for kind, function in functions.items()
                for place, precision in places
            }
        )

    def gradients(self, precision: str) -> dict:
        """Return the errors of loss and gradients."""
        ours, reference, costs = self._pair("gradients", precision)
        return gradient_errors(ours, reference) | costs | {"expected": EXPECTED[precision]}

    def samples(self, precision: str) -> dict:
        """Return the errors of a sample."""
        ours, reference, costs = self._pair("samples", precision)
        return sample_errors(ours, reference) | costs | {"expected": EXPECTED[precision]}

    def _pair(self, kind: str, precision: str) -> tuple[PyTree, PyTree, dict]:
        program, other = (
            self._programs[f"{kind} device {precision}"],
            self._programs[f"{kind} cpu highest"],
        )
        ours = program.call(*self._arguments["device"])
        reference = other.call(*self._arguments["cpu"])
        again_s = seconds(lambda: program.call(*self._arguments["device"]))
        costs = {
            "dtype": "float32",
            "precision": precision,
            "ms": round(1000 * again_s, 3),
            **program.costs(),
        }
        return jax.device_get(ours), jax.device_get(reference), costs


def cpu() -> jax.Device:
    """Return this machine's CPU as a device."""
    return jax.devices("cpu")[0]


def loss_and_gradients(config: Config, space: MotionSpace) -> Callable:
    """Return a function (params, batch) -> loss, gradients and the keyframe targets of the loss."""
    system, settings = KSDiff(config, space), config.keyframe_settings

    def loss(params: PyTree, batch: Batch) -> Array:
        keys = jax.random.split(jax.random.key(2), len(batch.motion))
        terms = system.loss(params, batch, keys, train=True)
        return sum(terms.values()).mean()

    def compute(
        params: PyTree, batch: Batch
    ) -> tuple[Array, PyTree, tuple[Bool[Array, "b t"], ...]]:
        targets = keyframe_targets(
            batch.motion,
            batch.speech.mask,
            smoothing_frames=settings.smoothing_frames,
            threshold_std=settings.threshold_std,
            jaw=settings.head_jaw == "always",
        )
        return *jax.value_and_grad(loss)(params, batch), tuple(targets)

    return compute


def sample(config: Config, space: MotionSpace, *, steps: int) -> Callable:
    """Return a function (params, batch) -> a sample of few steps, with decoded keyframes."""
    options = dataclasses.replace(config.sample, steps=steps)
    system = KSDiff(dataclasses.replace(config, sample=options), space)

    def compute(params: PyTree, batch: Batch) -> Sample:
        clips = len(batch.speech.mask)
        keys, first = jax.random.split(jax.random.key(3), clips), jnp.zeros(clips, jnp.int32)
        return system.sample(params, batch.speech, keys, first)

    return compute


def gradient_errors(ours: tuple, reference: tuple) -> dict:
    """Return the errors of (loss, gradients, keyframe targets) against a reference; leaves are
    compared by their norms.
    """
    (loss, gradients, targets), (true_loss, true_gradients, true_targets) = ours, reference
    found, expected = (
        {name: np.asarray(leaf, np.float64) for name, leaf in named_leaves(tree).items()}
        for tree in (gradients, true_gradients)
    )
    norms = {name: float(np.linalg.norm(leaf)) for name, leaf in expected.items()}
    apart = {name: float(np.linalg.norm(found[name] - leaf)) for name, leaf in expected.items()}
    whole = float(np.linalg.norm(list(norms.values())))
    errors = {name: apart[name] / norm for name, norm in norms.items() if norm > SMALLEST * whole}
    worst = list(errors)[int(np.argmax(list(errors.values())))]  # the first NaN, if there is one
    return {
        "loss": float(loss),
        "loss_relative_error": abs(float(loss) - float(true_loss)) / abs(float(true_loss)),
        "gradient_relative_error": float(np.linalg.norm(list(apart.values()))) / whole,
        "largest_leaf_error": errors[worst],
        "largest_leaf": worst,
        "leaves": len(errors),
        "leaves_left_out": len(norms) - len(errors),
        "differing_target_keyframes": _differing(targets, true_targets),
        "target_keyframes": int(sum(np.sum(bits) for bits in true_targets)),
    }


def sample_errors(ours: Sample, reference: Sample) -> dict:
    """Return the errors of a sample against a reference, over all clips and over those whose
    keyframes are all the same.
    """
    bits, scores = (
        [tuple(s.tracks[f"{kind}_{path}"] for path in TRACKS) for s in (ours, reference)]
        for kind in ("keyframes", "keyframe_score")
    )
    same = np.all([(a == b).all(axis=1) for a, b in zip(*bits, strict=True)], axis=0)
    numbers = {
        "differing_keyframes": _differing(*bits),
        "keyframes": int(sum(np.sum(track) for track in bits[1])),
        "keyframe_frames": int(sum(np.size(track) for track in bits[1])),
        "largest_score_difference": float(np.abs(np.subtract(*scores)).max()),
        **_motion_errors(ours.motion, reference.motion, "motion"),
        "clips_of_same_keyframes": int(same.sum()),
    }
    if same.any():
        numbers |= _motion_errors(
            ours.motion[same], reference.motion[same], "motion_of_same_keyframes"
        )
    return numbers


def _motion_errors(ours: np.ndarray, reference: np.ndarray, name: str) -> dict:
    ours, reference = np.asarray(ours, np.float64), np.asarray(reference, np.float64)
    return {
        f"{name}_largest_difference": float(np.abs(ours - reference).max()),
        f"{name}_relative_error": float(
            np.linalg.norm(ours - reference) / np.linalg.norm(reference)
        ),
    }


def _differing(ours: tuple, reference: tuple) -> int:
    return int(
        sum(np.sum(np.asarray(a) != np.asarray(b)) for a, b in zip(ours, reference, strict=True))
    )
