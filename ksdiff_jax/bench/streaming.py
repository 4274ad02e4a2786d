"""One block of live speech (`models/ksdiff/live.py`): 160 ms of motion, from a window of speech on
the host to motion on the host.

Blocks are computed one after the other, each from the state of the one before, and every one is
timed. The window is full: it ends with the block, or with the look-ahead of an encoder in the
network. The demo's encoder is part of the step. Wav2Vec 2.0 reads whole recordings and cannot
stream, so the step of the paper's configuration gets features. Pitch and energy are given; `bench
stream` measures the whole path from sound on a checkpoint. Weights are synthetic.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np

from ksdiff_jax.animate.live import block_frames
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.bench.keyframes import with_features
from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import Programs
from ksdiff_jax.bench.workload import Size, made_up_batch, made_up_params, with_sampler
from ksdiff_jax.config import Config
from ksdiff_jax.models.ksdiff.live import LiveWindow, window_frames
from ksdiff_jax.models.ksdiff.system import KSDiff

FEW = ("unipc", 5, "log_snr")


def parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the block of the demo's configuration, that of the paper's with its own sampler and
    with one of few steps, and that of the shipped one. `size.blocks` are timed, whatever
    `repeats` is.
    """
    del repeats
    given = {
        "demo configuration": size.demo,
        "paper configuration, features given": size.paper,
        f"paper configuration, features given, {FEW[0]} {FEW[1]}": with_sampler(size.paper, *FEW),
        "shipped configuration, features given": size.shipped,
    }
    return [
        (work, functools.partial(_measure, config, size.blocks)) for work, config in given.items()
    ]


def percentiles(times_s: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and the longest of the times, in milliseconds."""
    p50, p95 = np.percentile(times_s, (50, 95))
    found = {"p50": p50, "p95": p95, "longest": max(times_s)}
    return {f"{key}_ms": round(1000 * float(value), 4) for key, value in found.items()}


def _measure(config: Config, blocks: int) -> dict:
    window, system, frames = *_full_window(config), block_frames(config)
    params = jax.device_put(made_up_params(config))
    keys, state = jax.random.split(jax.random.key(0), 1), system.live_state()
    step = jax.jit(functools.partial(system.live_step, frames=frames))
    program = Programs({"step": lambda: step.lower(params, state, window, keys)})["step"]
    times_s, finite = [], True
    for _ in range(blocks + 1):
        began = time.perf_counter()
        state, sample = program.call(params, state, window, keys)
        motion = np.asarray(sample.motion)
        times_s.append(time.perf_counter() - began)
        finite = finite and bool(np.isfinite(motion).all())
        window = window._replace(first=np.int32(window.first + frames))
    first_s, *times_s = times_s
    found, block_ms = percentiles(times_s), 1000 * frames / MOTION_RATE_HZ
    options = replace(config.sample, causal=True)
    guidance = options.guidance_of("expression")
    return {
        "dtype": config.model.compute_dtype,
        "sampler": f"{options.sampler}, {options.steps} steps, guidance {guidance:g}",
        "block_ms": block_ms,
        "blocks": blocks,
        **found,
        "first_s": round(first_s, 3),
        "real_time_factor": round(found["p50_ms"] / block_ms, 6),
        "finite": finite,
        **program.costs(),
    }


def _full_window(config: Config) -> tuple[LiveWindow, KSDiff]:
    """Return a window of random speech in which no frame is padding, and the system."""
    count, length = block_frames(config), window_frames(config.model)
    features = config.model.encoder.kind == "pretrained"
    behind = 0 if features else config.model.causal.look_ahead_frames
    batch, space = made_up_batch(config, clips=1, frames=length + behind, features=False)
    tokens = {"tokens": np.zeros((1, 2), np.int32), "token_mask": np.ones((1, 2), bool)}
    speech = batch.speech._replace(**tokens)  # live speech has no transcript
    if features:
        speech = with_features(speech, config)
    window = LiveWindow(speech, np.int32(length - count), np.int32(length - count))
    return window, KSDiff(config, space)
