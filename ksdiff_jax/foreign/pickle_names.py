"""The names that a pickle of arrays may contain, and the stand-in of each; every other name is
refused.

Containers become plain ones (an ordered or default dictionary a dictionary, a deque a list), paths
become text, and namespaces keep their attributes. No stand-in is the original object.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.pickled_arrays import array_names
from ksdiff_jax.foreign.pickled_sparse import sparse_or_chumpy
from ksdiff_jax.foreign.stand_ins import Held, Known, checked_key
from ksdiff_jax.foreign.torch_legacy import read_legacy
from ksdiff_jax.foreign.torch_tensors import tensor_names

# Libraries whose pickles are found instead of plain ones, and the remedy for their users.
_REMEDIES = {
    "pandas": "a pandas table; write its columns with numpy.savez",
    "joblib": "joblib.dump wrote it, which stores arrays in its own format; write them with "
    "numpy.savez",
    "dill": "dill stores code; write the arrays with numpy.savez",
    "cloudpickle": "cloudpickle stores code; write the arrays with numpy.savez",
    "torch.nn": "a whole PyTorch module; save its state_dict()",
    "transformers": "a whole model; save its state_dict(), or use save_pretrained()",
    "fairseq": "a fairseq checkpoint; convert it to the Hugging Face form first",
    "omegaconf": "a checkpoint with its configuration, as fairseq writes it; save the weights "
    "alone",
    "numpy.dtypes": "text of variable width; write the arrays of numbers alone",
    "numpy._core._internal": "text of variable width; write the arrays of numbers alone",
}
# Dictionaries with attributes.
_MAPPINGS = (
    ("easydict", "EasyDict"),
    ("munch", "Munch"),
    ("addict.addict", "Dict"),
    ("yacs.config", "CfgNode"),
    ("fvcore.common.config", "CfgNode"),
    ("box.box", "Box"),
    ("attrdict.dictionary", "AttrDict"),
)
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")


def known_name(module: str, name: str, *, what: str) -> Known:
    """Return the stand-in for a name; raise `InputError` for every name that no `what` needs."""
    known = _NAMES.get((module, name)) or sparse_or_chumpy(module, name)
    if known is not None:
        return known
    reason = next(
        (words for begin, words in _REMEDIES.items() if f"{module}.".startswith(f"{begin}.")), None
    )
    title = f"{module}.{name}"[:120]
    raise InputError(
        f"asks for {title}, which no {what} needs; nothing of it was run"
        + (f": {reason}" if reason else "")
    )


def _mapping(pairs: Any = (), *_rest: Any) -> dict:
    pairs = pairs.items() if isinstance(pairs, dict) else pairs
    return {checked_key(key): value for key, value in pairs}


def _with_default(*_factory: Any) -> dict:
    return {}


def _list(items: Any = (), *_rest: Any) -> list:
    return list(items) if isinstance(items, list | tuple | set | dict) else []


def _set(items: Any = ()) -> set:
    return {checked_key(item) for item in items}


def _bytes(content: Any = b"", encoding: str = "latin-1") -> bytes:
    if isinstance(content, str) and encoding in ("latin1", "latin-1"):
        return content.encode("latin-1")
    if not isinstance(content, bytes):
        raise InputError(f"bytes made of a {type(content).__name__}")
    return content


def _path(*pieces: Any) -> str:
    return "/".join(str(piece) for piece in pieces if isinstance(piece, str)).replace("//", "/")


def _reconstructed(kind: Any, _base: Any = None, _state: Any = None) -> Any:
    return _new(kind)


def _new(kind: Any, *arguments: Any) -> Any:
    if not isinstance(kind, Known) or kind.make is None:
        raise InputError(
            "creates an object of a type that may only be referenced; nothing of it was run"
        )
    return kind.make(*arguments)


def _storage_of_bytes(content: Any) -> Any:
    if not isinstance(content, bytes):
        raise InputError("a storage without its bytes")
    return read_legacy(content, find=partial(known_name, what="pickled tensor"))


def _held(title: str) -> Callable[..., Held]:
    return lambda *arguments: Held(title, *arguments)


def _names() -> dict[tuple[str, str], Known]:
    names = array_names() | tensor_names()
    plain = {
        "object": None,
        "dict": _mapping,
        "list": _list,
        "tuple": lambda items=(): tuple(_list(items)),
        "set": _set,
        "frozenset": _set,
        "bytearray": _bytes,
        "bytes": _bytes,
        "complex": complex,
        "slice": _held("slice"),
        "range": _held("range"),
        "xrange": _held("range"),
        "int": None,
        "long": None,
        "float": None,
        "bool": None,
        "str": None,
        "unicode": None,
    }
    for module in ("builtins", "__builtin__"):
        names |= {(module, name): Known(name, make) for name, make in plain.items()}
    for module in ("copyreg", "copy_reg"):
        names[module, "_reconstructor"] = Known("copyreg._reconstructor", _reconstructed)
        names[module, "__newobj__"] = Known("copyreg.__newobj__", _new)
    names["torch.storage", "_load_from_bytes"] = Known("storage", _storage_of_bytes)
    names["_codecs", "encode"] = Known("_codecs.encode", _bytes)
    collections = {
        "OrderedDict": _mapping,
        "defaultdict": _with_default,
        "Counter": _mapping,
        "deque": _list,
    }
    names |= {("collections", name): Known(name, make) for name, make in collections.items()}
    for module, name in (
        ("argparse", "Namespace"),
        ("types", "SimpleNamespace"),
        ("datetime", "datetime"),
        ("datetime", "date"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("fractions", "Fraction"),
        ("uuid", "UUID"),
    ):
        names[module, name] = Known(f"{module}.{name}", _held(f"{module}.{name}"))
    names |= {place: Known(".".join(place), _with_default) for place in _MAPPINGS}
    for module in ("pathlib", "pathlib._local"):
        names |= {(module, name): Known(f"pathlib.{name}", _path) for name in _PATHS}
    return names


_NAMES = _names()
