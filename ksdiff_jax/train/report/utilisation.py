"""Utilisation of the devices' arithmetic: frames/s, TFLOP/s and MFU.

    MFU = (counted FLOPs of the model's training step) / (step time · devices · peak FLOP/s of one)

This is the model FLOPs utilisation of PaLM (Chowdhery et al. 2022, appendix B): recomputation and
other operations that the compiler adds are not counted. Peaks are the makers' figures for dense
matrix products (no sparsity). For float32 they are the peaks of JAX's default for a float32
product: TensorFloat-32 on NVIDIA, one bfloat16 pass on TPU.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.sharding import Mesh

from ksdiff_jax.tree import rows_of
from ksdiff_jax.typing import PyTree

StepFlops = Callable[[PyTree], float]
_MOMENT_S = 0.1


class Peak(NamedTuple):
    """FLOP/s of one device."""

    bfloat16: float
    float32: float


# By prefix of `device_kind`, the longest first if one is a prefix of another.
_PEAKS = {
    "NVIDIA H200 NVL": Peak(835e12, 417e12),
    "NVIDIA H200": Peak(989e12, 494e12),
    "NVIDIA H100 PCIe": Peak(756e12, 378e12),
    "NVIDIA H100 NVL": Peak(835e12, 417e12),
    "NVIDIA H100": Peak(989e12, 494e12),
    "NVIDIA A100": Peak(312e12, 156e12),
    "TPU v4 lite": Peak(138e12, 138e12),
    "TPU v4": Peak(275e12, 275e12),
    "TPU v5 lite": Peak(197e12, 197e12),
    "TPU v5e": Peak(197e12, 197e12),
    "TPU v5": Peak(459e12, 459e12),  # the device kind of v5p is "TPU v5" or "TPU v5p"
    "TPU v6 lite": Peak(918e12, 918e12),
    "TPU v6e": Peak(918e12, 918e12),
}


def peak_flops_per_s(device_kind: str, dtype: str) -> float | None:
    """Return the peak FLOP/s of one device for matrix products of `dtype`; None for a device or
    dtype that is not in the table.
    """
    if dtype not in Peak._fields:
        return None
    return next(
        (getattr(peak, dtype) for name, peak in _PEAKS.items() if device_kind.startswith(name)),
        None,
    )


class Utilisation:
    """Converts steps per second to frames, FLOPs and MFU, once it has the shape of a batch.

    The FLOPs are counted in a thread that starts at the first log line, after the first step has
    compiled; lines that are written before it ends have no FLOPs.
    """

    def __init__(self, step_flops: StepFlops | None, mesh: Mesh, *, dtype: str, clip_frames: int):
        """`clip_frames` are the motion frames of a row of a batch."""
        self._step_flops, self._flops, self._frames = step_flops, 0.0, 0
        self._clip_frames = clip_frames
        self._shapes, self._counting = None, None
        peak = peak_flops_per_s(mesh.devices.flat[0].device_kind, dtype)
        self._peak = None if peak is None else peak * mesh.devices.size

    def see(self, batch: PyTree) -> None:
        """Store the size of the (global) training batch; all batches have the same size."""
        if not self._frames:
            self._frames = rows_of(batch) * self._clip_frames
            self._shapes = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), batch
            )

    def figures(self, steps_per_s: float) -> dict[str, float]:
        """Return `frames_per_s` (motion frames), and if they are known `tflops_per_s` and `mfu` (a
        share).
        """
        if self._counting is None and self._step_flops is not None:
            self._counting = threading.Thread(target=self._count, name="step-flops")
            self._counting.start()
            self._counting.join(_MOMENT_S)
        result = {"frames_per_s": steps_per_s * self._frames}
        if self._flops:
            result["tflops_per_s"] = steps_per_s * self._flops / 1e12
            if self._peak:
                result["mfu"] = steps_per_s * self._flops / self._peak
        return result

    def _count(self) -> None:
        self._flops = self._step_flops(self._shapes)
