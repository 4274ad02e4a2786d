"""Compares the training step of the demo model with the same step in torch, and measures the work
around the step.

| figure | method |
|---|---|
| ratio | our steps/s over plain torch's (train_torch.py): alternately, two processes, one batch |
| parity_error | relative difference of the losses for the same weights, batch and random numbers |
| data_wait | share of the real loop's time spent waiting for batches, from synthetic shards |
| two_paths | both denoisers in sequence, as in the model, or in one batch (train_grouped.py) |
| first_step_s | from the start of `ksdiff-jax train` to its first step: cold, or programs cached |

A step includes gradients, clipping, AdamW and moving average. torch draws its random numbers in the
step as we do, but its keyframe targets are given. Without torch only our side is measured, and the
report states this. `--paper` measures the paper's configuration instead (train_paper.py).
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ksdiff_jax.bench.train_apart import torch_apart
from ksdiff_jax.bench.workload import demo_config, fresh_state, made_up_batch, training_program
from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError

TARGETS = {"ratio": ">= 1.5", "data_wait": "< 0.02", "first_step_warm_s": "<= 30"}
# before that, memory is still being allocated from the kernel: a step takes up to 1.7 times as long
WARM_UP_STEPS = 30
LOOP_STEPS, LOOP_CLIPS = 12, 64
_FIRST_STEP_LIMIT_S = 600.0


def measure(args: argparse.Namespace, *, config: Config | None = None) -> dict:
    """Return all figures of this machine."""
    import jax

    from ksdiff_jax.bench.machine import machine
    from ksdiff_jax.bench.train_grouped import measure_grouping
    from ksdiff_jax.models import build_system
    from ksdiff_jax.train.report.step_flops import step_flops

    config = demo_config() if config is None else config
    # first, while this process uses no memory that the other processes may need
    with tempfile.TemporaryDirectory() as folder:
        around = around_the_step(config, Path(folder))
    clips, frames = config.data.batch_size, config.data.clip_frames
    batch, space = made_up_batch(config, clips=clips, frames=frames, features=False)
    abstract, step = training_program(config, space)
    state = fresh_state(config, abstract)
    report: dict = {
        "work": f"training steps of {clips} clips of {frames / 25:g} s, {args.threads} threads"
    }
    has_torch = importlib.util.find_spec("torch") is not None
    if has_torch:
        report["parity_error"] = parity_error(config, state.params, batch, space)
    else:
        report["torch"] = (
            "not installed: only our side is measured; pip install 'ksdiff-jax[parity]' to compare"
        )
    on_device = jax.device_put(batch, jax.devices()[0])

    def ours() -> None:
        nonlocal state
        state, metrics = step(state, on_device)
        jax.block_until_ready((state, metrics))

    with ExitStack() as stack:
        theirs = None
        if has_torch:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            work = (config, state.params, batch, space)
            theirs = stack.enter_context(torch_apart(*work, threads=args.threads, folder=folder))
        report |= compare(ours, theirs, repeats=args.repeats)
    flops = step_flops(build_system(config), batch)
    report |= {
        "gflop_per_step": round(flops / 1e9, 2),
        "gflops_per_s": round(report["steps_per_s"] * flops / 1e9, 2),
    }
    report["two_paths"] = measure_grouping(config, clips=clips, frames=frames, repeats=args.repeats)
    return report | around | {"targets": TARGETS, "machine": machine()}


def compare(
    ours: Callable[[], None],
    theirs: Callable[[], None] | None,
    *,
    repeats: int,
    warm_up: int = WARM_UP_STEPS,
) -> dict:
    """Return the steps per second of both, measured alternately, and the median of the ratios of
    neighbours.
    """
    for work in filter(None, (ours, theirs)):
        for _ in range(warm_up):
            work()
    pairs = [(_seconds(ours), _seconds(theirs) if theirs else None) for _ in range(repeats)]
    ours_s = [mine for mine, _ in pairs]
    result = {
        "step_s": round(statistics.median(ours_s), 4),
        "step_fastest_s": round(min(ours_s), 4),
    }
    result["steps_per_s"] = round(1 / statistics.median(ours_s), 3)
    if theirs:
        ratios = [other / mine for mine, other in pairs]
        torch_s = statistics.median(other for _, other in pairs)
        result |= {
            "torch_step_s": round(torch_s, 4),
            "torch_step_fastest_s": round(min(other for _, other in pairs), 4),
            "torch_steps_per_s": round(1 / torch_s, 3),
            "ratio": round(statistics.median(ratios), 3),
            "ratio_lowest": round(min(ratios), 3),
            "ratio_highest": round(max(ratios), 3),
        }
    return result


def parity_error(config: Config, params, batch, space) -> float:
    """Return |ours - torch's| / ours of the training loss with the same weights, batch and random
    numbers.
    """
    import jax

    from ksdiff_jax.models import build_system

    config = without_dropout(config)  # the two cannot share its random numbers
    keys = clip_keys(batch)

    system = build_system(config, space)

    def loss(params, batch):
        terms = system.loss(params, batch, keys, train=True)
        return sum(terms.values()).mean()

    expected = float(jax.jit(loss)(params, batch))
    model = torch_model(config, params, space)
    found = float(model.loss(as_tensors(batch), our_draws(config, batch, keys)).detach())
    return abs(found - expected) / abs(expected)


def clip_keys(batch):
    """Return a key for each clip of a batch."""
    import jax

    return jax.random.split(jax.random.key(1), len(batch.motion))


def without_dropout(config: Config) -> Config:
    """Return the configuration without dropout; conditions are still dropped and keyframes still
    moved.
    """
    return dataclasses.replace(config, model=dataclasses.replace(config.model, dropout=0.0))


def our_draws(config: Config, batch, keys):
    """Return the random numbers of `models.ksdiff.training` for the keys of the clips, and the
    keyframe targets, as tensors.
    """
    import jax
    import torch

    from ksdiff_jax.bench.train_torch import Draws
    from ksdiff_jax.models.ksdiff import training
    from ksdiff_jax.models.ksdiff.network import generator_dims
    from ksdiff_jax.models.training_noise import drawn_flags, drawn_noise
    from ksdiff_jax.rng import streams

    batch, model = jax.tree.map(jax.numpy.asarray, batch), config.model
    target = training.true_keyframes(batch, config)
    noise = {
        name: drawn_noise(
            keys, (batch.motion.shape[1], len(dims)), steps=model.diffusion.steps, name=name
        )
        for name, dims in generator_dims(model).items()
    }
    drawn = Draws(
        drawn_flags(keys, "drop all", model.diffusion.condition_drop_probability),
        drawn_flags(keys, "drop transcript", model.transcript.drop_probability),
        targets=target,
        shown={
            track: training.shown_keyframes(
                bits, streams(keys, f"keyframes {track}"), config=model.keyframes
            )
            for track, bits in target.items()
        },
        steps={name: steps for name, (steps, _) in noise.items()},
        noise={name: values for name, (_, values) in noise.items()},
    )
    tensors = jax.tree.map(lambda array: torch.tensor(jax.device_get(array)), drawn)
    return tensors._replace(
        steps={name: steps.long() for name, steps in tensors.steps.items()},
        shown={name: bits.long() for name, bits in tensors.shown.items()},
    )


def as_tensors(batch):
    """Return a NumPy batch as tensors; its tokens as the index type that torch requires."""
    import jax
    import torch

    tensors = jax.tree.map(lambda array: torch.tensor(array), batch)
    return tensors._replace(speech=tensors.speech._replace(tokens=tensors.speech.tokens.long()))


def torch_model(config: Config, params, space):
    """Return the reference with a copy of these weights."""
    import jax

    from ksdiff_jax.bench.train_torch import TorchKSDiff
    from ksdiff_jax.tree import named_leaves

    return TorchKSDiff(named_leaves(jax.device_get(params)), config, space)


def torch_step(model, batch, *, threads: int) -> Callable[[], None]:
    """Return a whole training step of a `TorchKSDiff`, which draws everything except the keyframe
    targets anew.
    """
    import torch

    torch.set_num_threads(threads)
    config, settings = model.config, model.config.train
    weights = list(model.layers.weights.values())
    average = [weight.detach().clone() for weight in weights]
    decayed = [
        w for n, w in model.layers.weights.items() if w.ndim >= 2 and not n.endswith("embedding")
    ]
    others = [
        w
        for n, w in model.layers.weights.items()
        if not (w.ndim >= 2 and not n.endswith("embedding"))
    ]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
    tensors, given = as_tensors(batch), our_draws(config, batch, clip_keys(batch))

    def drawn():
        def chance(like, rate: float):
            return torch.rand(like.shape) < rate

        hidden = config.model.keyframes.drop_probability
        return given._replace(
            drop_all=chance(given.drop_all, config.model.diffusion.condition_drop_probability),
            drop_transcript=chance(given.drop_transcript, config.model.transcript.drop_probability),
            shown={
                t: torch.where(chance(bits[:, :1], hidden), 2, bits)
                for t, bits in given.shown.items()
            },
            steps={
                g: torch.randint(config.model.diffusion.steps, steps.shape)
                for g, steps in given.steps.items()
            },
            noise={g: torch.randn(noise.shape) for g, noise in given.noise.items()},
        )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model.loss(tensors, drawn()).backward()
        torch.nn.utils.clip_grad_norm_(weights, settings.clip_norm)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1 - settings.ema_decay)

    return step


def around_the_step(config: Config, folder: Path) -> dict:
    """Return the data wait in the loop and the time to the first step, measured with real
    `ksdiff-jax train` processes on synthetic shards.
    """
    from ksdiff_jax.bench.data import _clips
    from ksdiff_jax.config import to_dict
    from ksdiff_jax.data.shards import write_dataset

    shards = folder / "shards"
    splits = {"train": _clips(LOOP_CLIPS), "val": _clips(2)}
    write_dataset(shards, splits, licence="none", made_by="bench train")
    (folder / "config.json").write_text(json.dumps(to_dict(config)))
    (folder / "bench.py").write_text(_CONFIG_FILE)
    cold_s = _first_step_s(folder, shards, "cold")
    warm_s = _first_step_s(folder, shards, "warm")
    return {
        "first_step_cold_s": round(cold_s, 2),
        "first_step_warm_s": round(warm_s, 2),
        "data_wait": _data_wait(folder / "warm" / "metrics.jsonl"),
    }


_CONFIG_FILE = """\
import json
from pathlib import Path

from ksdiff_jax.models import config_from_dict


def config():
    return config_from_dict(json.loads((Path(__file__).parent / "config.json").read_text()))
"""


def _first_step_s(folder: Path, shards: Path, name: str) -> float:
    """Return the seconds from the start of a process to the record that it writes right after its
    first step.
    """
    options = {
        "data.path": shards,
        "train.steps": 10_000,
        "train.log_every": 1,
        "train.checkpoint_every": 10_000,
    }
    options |= {"train.validate_every": 10_000, "train.validate_clips": 2}
    command = [
        sys.executable,
        "-m",
        "ksdiff_jax",
        "train",
        str(folder / "bench.py"),
        "--workdir",
        str(folder / name),
    ]
    command += [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "programs"),
        "WANDB_MODE": "disabled",
    }
    record, log = folder / name / "goodput.json", folder / name / "metrics.jsonl"
    started = time.monotonic()
    with (folder / f"{name}.log").open("w") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            first_s = _wait_for(record.exists, process, since=started)
            enough = 2 if name == "cold" else LOOP_STEPS
            _wait_for(
                lambda: log.exists() and log.read_text().count("\n") >= enough,
                process,
                since=started,
            )
        except TimeoutError as error:
            raise InputError(
                f"bench train: {error}; its output: {(folder / f'{name}.log').read_text()[-500:]}"
            ) from error
        finally:
            process.kill()
            process.wait()
    return first_s


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen, *, since: float) -> float:
    while not condition():
        if process.poll() is not None or time.monotonic() - since > _FIRST_STEP_LIMIT_S:
            raise TimeoutError("a training process ended or hung before its steps were taken")
        time.sleep(0.02)
    return time.monotonic() - since


def _data_wait(log: Path) -> float:
    """Return the share over the steps of a log, except the first two, which fill the queue."""
    entries = [json.loads(line) for line in log.read_text().splitlines()][2:]
    seconds = [1 / entry["steps_per_s"] for entry in entries]
    waited = [entry["data_wait"] * spent for entry, spent in zip(entries, seconds, strict=True)]
    return round(sum(waited) / sum(seconds), 5)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
