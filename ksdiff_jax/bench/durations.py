"""Compilations of the sampler for recordings of random durations, of which each padded length needs
one.

The recordings pass through the engine one by one, as those of `animate` on a CPU do: planned
windows, padding, sampling, joining. The model is the demo's without keyframes and guidance, narrow
and with one layer of each kind, because the number of compilations does not depend on its size. JAX
reports every program that it compiles or takes from its cache of compiled programs, and
`parallel.programs` those that it takes from its own.
"""

import contextlib
from collections.abc import Iterator

import jax.monitoring
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME, SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.parallel.programs import LOADED
from ksdiff_jax.speech.utterance import Utterance

DURATIONS = 200
LONGEST_FRAMES = 1500  # one minute, of which the last bucket holds 41 s
_COMPILED = "/jax/core/compile/backend_compile_duration"
_SAMPLER = "_sample"  # animate/batches.py


def measure(*, durations: int = DURATIONS, longest_frames: int = LONGEST_FRAMES) -> dict:
    """Return the compilations of the sampler for so many durations, the number of buckets, and the
    frames of all motions.
    """
    from ksdiff_jax.animate.engine import BUCKETS, Engine
    from ksdiff_jax.bench.workload import demo_config, made_up_params, small
    from ksdiff_jax.models.ksdiff.system import KSDiff
    from ksdiff_jax.motion.space import BUILTIN
    from ksdiff_jax.overrides import override

    config = override(small(demo_config()), {"model.keyframes.enabled": False})
    unit = BUILTIN.with_statistics(np.zeros(BUILTIN.width), np.ones(BUILTIN.width))
    engine = Engine(KSDiff(config, unit), made_up_params(config))
    engine = engine.with_options(steps=1, guidance=1.0, close_blinks=False)
    draw = np.random.default_rng(0)
    lengths = np.exp(draw.uniform(0, np.log(longest_frames), durations)).astype(int)
    frames = 0
    with compiled_programs() as names:
        for length in map(int, lengths):
            speech = _noise(length, tokens=config.transcript_tokens, seed=length)
            frames += len(engine.sample([speech], batch_size=1)[0].motion)
    if frames != lengths.sum():
        raise RuntimeError(f"{frames} frames of motion for {lengths.sum()} of speech")
    return {
        "compilations": sum(name == _SAMPLER for name in names),
        "buckets": len(BUCKETS),
        "durations": len(set(lengths.tolist())),
        "frames": frames,
    }


@contextlib.contextmanager
def compiled_programs() -> Iterator[list[str]]:
    """Yield a list that gets the name of each function that is compiled or loaded in the block."""
    names: list[str] = []
    active = True

    def listen(event: str, duration_s: float, **about: object) -> None:
        if active and event in (_COMPILED, LOADED):
            names.append(str(about.get("fun_name", "")).removeprefix("jit(").removesuffix(")"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        active = False  # JAX of all versions that are supported removes no listener


def _noise(frames: int, *, tokens: int, seed: int) -> Utterance:
    draw = np.random.default_rng(seed)
    rows = (SPEECH_FRAMES_PER_MOTION_FRAME * frames, 2)
    return Utterance(
        draw.normal(0, 0.1, SAMPLES_PER_MOTION_FRAME * frames).astype(np.float32),
        draw.normal(size=rows).astype(np.float32),
        np.zeros(tokens, np.int32),
        np.arange(tokens) < 2,
        digest="",
        noise_id=str(seed),
    )
