"""Attention as plain matrix products against cuDNN's fused kernel, in bfloat16, at the shapes of
the paper's configuration.

A timed program calls `layers.attention.attend` several times in a loop, each call on the result of
the previous one, so that the time to start a program is negligible. Forward: the outputs become the
next queries. Backward as well: small steps along the gradients change queries, keys and values. The
ratio is plain over cuDNN, from interleaved times: above 1 the fused kernel is faster. Errors are ‖a
- r‖ / ‖r‖ against a reference r in float32 with `highest` precision, of the outputs and the worst
of the three gradients; the difference is that of the two forms.
"""

import functools
import statistics
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.bench.line import Part, error_text
from ksdiff_jax.bench.timing import Programs, in_turn, ratio, spread
from ksdiff_jax.bench.workload import Size
from ksdiff_jax.layers.attention import KeysValues, attend
from ksdiff_jax.layers.position import periodic_distance_bias
from ksdiff_jax.train.report.utilisation import peak_flops_per_s
from ksdiff_jax.typing import Array

FORMS = {"plain": "xla", "cudnn": "cudnn"}
CONDITIONS = 2  # keys before those of the frames: the generator's diffusion step and style
_SMALL_STEP = 1e-3  # size of the steps along the gradients


class Shape(NamedTuple):
    """One attention: its name and the sizes of its axes."""

    name: str
    clips: int
    queries: int
    keys: int
    heads: int
    head_width: int
    period: int  # frames per step of the distance bias; 0: neither bias nor mask


def shapes(size: Size) -> list[Shape]:
    """Return self-attention of the generator, attention of the speech encoder, and of a long
    clip.
    """
    model = size.paper.model
    encoder, width, period = (
        model.encoder.architecture,
        model.width // model.heads,
        model.generator.bias_period_frames,
    )

    def generator(name: str, clips: int, frames: int, period: int) -> Shape:
        return Shape(name, clips, frames, frames + CONDITIONS, model.heads, width, period)

    heard = 2 * size.frames
    encoder_width = encoder.hidden_size // encoder.num_heads
    return [
        generator("generator", size.clips, size.frames, period),
        generator("generator without mask and bias", size.clips, size.frames, 0),
        Shape("speech encoder", size.clips, heard, heard, encoder.num_heads, encoder_width, 0),
        generator("generator, long clip", 1, size.long_frames, period),
    ]


def flops(shape: Shape, kind: str) -> float:
    """Return the FLOPs of one attention: two products forward, four more backward; recomputed
    scores are not counted.
    """
    product = 2.0 * shape.clips * shape.heads * shape.queries * shape.keys * shape.head_width
    return (2 if kind == "forward" else 6) * product


class _Arguments(NamedTuple):
    queries: Array
    keys: Array
    values: Array
    gradient: Array
    mask: Array | None
    bias: Array | None


def parts(size: Size, *, repeats: int) -> list[Part]:
    """Return two parts for every shape: forward, and forward and backward."""

    @functools.cache
    def ready() -> Programs:
        lowerings = {}
        for shape in shapes(size):
            given = arguments(shape)
            lowerings |= {
                f"{shape.name} {name}": lower
                for name, lower in _lowerings(given, size.calls).items()
            }
        return Programs(lowerings)

    def measure(shape: Shape, kind: str) -> dict:
        return _measured(ready(), shape, kind, calls=size.calls, repeats=repeats)

    return [
        (f"{_described(shape)}, {kind}", functools.partial(measure, shape, kind))
        for shape in shapes(size)
        for kind in ("forward", "forward and backward")
    ]


def arguments(shape: Shape) -> _Arguments:
    """Return random queries, keys, values and a gradient of the outputs; mask and bias as in the
    generator.
    """
    draw = np.random.default_rng(0)

    def drawn(tokens: int) -> Array:
        values = draw.standard_normal(
            (shape.clips, tokens, shape.heads, shape.head_width), dtype=np.float32
        )
        return jnp.asarray(values, jnp.bfloat16)

    four = (drawn(shape.queries), drawn(shape.keys), drawn(shape.keys), drawn(shape.queries))
    if not shape.period:
        return _Arguments(*four, mask=None, bias=None)
    frame = jnp.arange(shape.queries)
    bias = periodic_distance_bias(frame, frame, heads=shape.heads, period=shape.period)
    mask = jnp.ones((shape.clips, 1, 1, shape.keys), bool)
    return _Arguments(*four, mask=mask, bias=jnp.pad(bias, ((0, 0), (0, 0), (CONDITIONS, 0))))


def forward(given: _Arguments, *, form: str, calls: int) -> Array:
    """Return the outputs of `calls` attentions, each on the outputs of the previous one."""

    def again(queries: Array, _: None) -> tuple[Array, None]:
        answer = attend(queries, KeysValues(given.keys, given.values), **_settings(given, form))
        return answer.astype(queries.dtype), None

    return jax.lax.scan(again, given.queries, None, length=calls)[0]


def backward(given: _Arguments, *, form: str, calls: int) -> tuple[Array, ...]:
    """Return queries, keys and values after `calls` small steps along their gradients."""

    def again(three: tuple[Array, ...], _: None) -> tuple[tuple[Array, ...], None]:
        _, gradients = once(
            given._replace(**dict(zip(("queries", "keys", "values"), three, strict=True))),
            form=form,
        )
        moved = (x + _SMALL_STEP * gradient for x, gradient in zip(three, gradients, strict=True))
        return tuple(
            after.astype(before.dtype) for after, before in zip(moved, three, strict=True)
        ), None

    return jax.lax.scan(again, (given.queries, given.keys, given.values), None, length=calls)[0]


def once(given: _Arguments, *, form: str) -> tuple[Array, tuple[Array, ...]]:
    """Return the outputs, and the gradients of queries, keys and values."""
    answer, pull_back = jax.vjp(
        lambda queries, keys, values: attend(
            queries, KeysValues(keys, values), **_settings(given, form)
        ),
        given.queries,
        given.keys,
        given.values,
    )
    return answer, pull_back(given.gradient.astype(answer.dtype))


def reference(given: _Arguments) -> tuple[Array, tuple[Array, ...]]:
    """Return `once` of the plain form in float32 with products of the highest precision."""
    with jax.default_matmul_precision("highest"):
        return once(jax.tree.map(lambda x: x.astype(jnp.float32), given), form="xla")


def _settings(given: _Arguments, form: str) -> dict:
    return {
        "mask": None if given.mask is None else given.mask > 0,
        "bias": given.bias,
        "implementation": form,
    }


def _lowerings(given: _Arguments, calls: int) -> dict[str, Callable]:
    programs: dict[str, Callable] = {"reference": reference}
    for name, form in FORMS.items():
        programs[f"{name} once"] = functools.partial(once, form=form)
        programs[f"{name} forward"] = functools.partial(forward, form=form, calls=calls)
        programs[f"{name} forward and backward"] = functools.partial(
            backward, form=form, calls=calls
        )
    return {
        name: lambda program=program: jax.jit(program).lower(given)
        for name, program in programs.items()
    }


def _measured(programs: Programs, shape: Shape, kind: str, *, calls: int, repeats: int) -> dict:
    """Return the numbers of both forms; if cuDNN's is unavailable, the plain one's and the
    reason.
    """
    given, prefix = arguments(shape), f"{shape.name} "
    plain = programs[f"{prefix}plain {kind}"]
    expected = _chosen(programs[f"{prefix}reference"].call(given), kind)
    answers = {"plain": _chosen(programs[f"{prefix}plain once"].call(given), kind)}
    works = {"plain": lambda: plain.call(given)}
    numbers: dict = {"dtype": "bfloat16", "plain_compile_s": round(plain.compile_s, 2)}
    if jax.default_backend() == "cpu":
        numbers["cudnn"] = "skipped: CPU"
    else:
        try:
            fused = programs[f"{prefix}cudnn {kind}"]
            answers["cudnn"] = _chosen(programs[f"{prefix}cudnn once"].call(given), kind)
            works["cudnn"] = lambda: fused.call(given)
            numbers["cudnn_compile_s"] = round(fused.compile_s, 2)
        except Exception as error:
            numbers["cudnn"] = f"error: {error_text(error)}"
    first = in_turn(works, repeats=1)
    times = in_turn(works, repeats=repeats)
    for name, times_s in times.items():
        numbers |= spread(times_s, calls=calls, name=f"{name}_ms")
        numbers |= _reached(flops(shape, kind) * calls / statistics.median(times_s), name)
        numbers[f"{name}_first_s"] = round(first[name][0], 4)
        numbers[f"{name}_error"] = _worst(answers[name], expected)
    if "cudnn" in times:
        numbers |= ratio(times["plain"], times["cudnn"])
        numbers["difference"] = _worst(answers["cudnn"], answers["plain"])
    return numbers


def _reached(flops_per_s: float, name: str) -> dict:
    peak = peak_flops_per_s(jax.devices()[0].device_kind, "bfloat16")
    return {
        f"{name}_tflops_per_s": round(flops_per_s / 1e12, 3),
        f"{name}_mfu": None if peak is None else round(flops_per_s / peak, 4),
    }


def _chosen(answer_and_gradients: tuple, kind: str) -> list[np.ndarray]:
    """Return what a line of this kind compares."""
    answer, gradients = answer_and_gradients
    return [np.asarray(x, np.float64) for x in ((answer,) if kind == "forward" else gradients)]


def _worst(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    return max(
        float(np.linalg.norm(a - b) / np.linalg.norm(b))
        for a, b in zip(found, expected, strict=True)
    )


def _described(shape: Shape) -> str:
    axes = (
        f"{shape.clips} clips, {shape.queries} x {shape.keys}, {shape.heads} heads of "
        f"{shape.head_width}"
    )
    return f"{shape.name}: {axes}"
