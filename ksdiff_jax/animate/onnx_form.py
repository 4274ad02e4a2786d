"""A model's sampler as ONNX, for onnxruntime on a server or in a browser: one recording a call.

jax2onnx converts the traced sampler of one padded length, with the weights in it. Random numbers
are inputs, because jax2onnx has no batched draws: `noise` (1, t, 59), standard normal. The numbers
of sampled keyframes and of samplers with noise are not among them, so `onnx_model` refuses both.
ONNX allows `Where` on booleans, but onnxruntime does not compute it; such nodes become And, Or.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.system import System
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.rng import Given
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.tree import nested
from ksdiff_jax.typing import Array, PyTree

if TYPE_CHECKING:
    import onnx

INPUTS = ("audio", "prosody", "mask", "tokens", "token_mask", "noise")
TRACKS = ("keyframes head", "keyframes expression")


def need_onnx() -> None:
    """Raise `InputError` unless jax2onnx and onnx can be imported."""
    try:
        import jax2onnx  # noqa: F401
        import onnx  # noqa: F401
    except ImportError as error:
        # jax2onnx asks for an orbax-checkpoint below ours, which the conversion does not use.
        raise InputError(
            f"export-model --onnx: {error}; install `pip install 'ksdiff-jax[onnx]'` and "
            "`pip install --no-deps jax2onnx`"
        ) from error


def onnx_model(
    system: System, weights: PyTree, shapes: dict[str, tuple[tuple[int, ...], str]]
) -> bytes:
    """Return the serialised ONNX model of one padded length, with `weights` (by name) in it.

    `shapes` are those of the inputs of one clip, without the batch. Raise `InputError` for options
    that draw more than `noise`, and where jax2onnx cannot convert the model.
    """
    options = system.config.sample
    eta, decoding = getattr(options, "eta", 0), getattr(options, "keyframe_decoding", "greedy")
    if eta > 0 or decoding != "greedy":
        raise InputError(
            f"export-model --onnx: got eta {eta:g} and {decoding} "
            "keyframes; need eta 0 and greedy keyframes, which draw no numbers"
        )
    from jax2onnx import to_onnx

    params = nested(weights)

    def clip(*rows: Array) -> dict[str, Array]:
        given = dict(zip(INPUTS, rows, strict=True))
        numbers = {"noise": given.pop("noise")}
        numbers |= dict.fromkeys(TRACKS, jnp.zeros(given["mask"].shape))
        sample = system.sample(params, Speech(**given), Given(numbers), jnp.zeros(1, jnp.int32))
        return {"motion": sample.motion, **sample.tracks}

    rows = shapes | {"noise": ((*shapes["mask"][0], MOTION_DIMS), "float32")}
    inputs = [jax.ShapeDtypeStruct((1, *rows[name][0]), rows[name][1]) for name in INPUTS]
    outputs = jax.eval_shape(clip, *inputs)
    names = sorted(outputs)
    try:
        model = to_onnx(
            lambda *rows: tuple(clip(*rows)[name] for name in names),
            inputs,
            input_names=INPUTS,
            output_names=names,
        )
    except (NotImplementedError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"export-model --onnx: jax2onnx does not convert {system.config.name or 'this model'} "
            f"({type(error).__name__}: {error}); use the programs of jax.export"
        ) from error
    _without_boolean_where(model.graph, _types(model.graph))
    return model.SerializeToString()


def _types(graph: "onnx.GraphProto") -> dict[str, int]:
    """Return the element type of every value that the graph and the graphs in it name."""
    values = [*graph.value_info, *graph.input, *graph.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for inner in _inner(graph):
        types |= _types(inner)
    return types


def _inner(graph: "onnx.GraphProto") -> list["onnx.GraphProto"]:
    """Return the bodies of the graph's loops and branches."""
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    return [attribute.g for attribute in attributes if attribute.HasField("g")]


def _without_boolean_where(graph: "onnx.GraphProto", types: Mapping[str, int]) -> None:
    """Replace each boolean where(c, a, b) by (c and a) or (not c and b), in place."""
    from onnx import TensorProto, helper

    for inner in _inner(graph):
        _without_boolean_where(inner, types)
    nodes = []
    for node in graph.node:
        (result, *_), given = node.output, node.input
        if node.op_type != "Where" or types.get(result) != TensorProto.BOOL:
            nodes.append(node)
            continue
        chosen, otherwise, rest = (f"{result}_{part}" for part in ("chosen", "not", "rest"))
        nodes += [
            helper.make_node("And", [given[0], given[1]], [chosen]),
            helper.make_node("Not", [given[0]], [otherwise]),
            helper.make_node("And", [otherwise, given[2]], [rest]),
            helper.make_node("Or", [chosen, rest], [result]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
