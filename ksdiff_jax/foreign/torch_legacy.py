"""Reads the legacy format of PyTorch files (0.2 to 1.5), also found inside pickles as a storage's
bytes.

The format is a sequence of pickles: a magic number, 1001, facts about the machine, the value, the
storages' keys; then for each key its count (8 bytes) and its bytes.
"""

from collections.abc import Callable
from typing import Any

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.inert_pickle import unpickled
from ksdiff_jax.foreign.stand_ins import Known
from ksdiff_jax.foreign.torch_tensors import Storage, numpy_dtype, storage_dtype

FindName = Callable[[str, str], Known]

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def read_legacy(data: Any, *, find: FindName) -> Any:
    """Return the value in the bytes `data` of a legacy file; `find` returns the stand-in of a
    (module, name). Raises `InputError` for anything else.
    """
    magic, at = unpickled(data, find=find)
    if magic != _MAGIC:
        raise InputError(f"a pickle of a {type(magic).__name__} that torch.save did not write")
    version, at = unpickled(data, find=find, start=at)
    machine, at = unpickled(data, find=find, start=at)
    if version != _PROTOCOL or not isinstance(machine, dict):
        raise InputError(
            f"PyTorch's legacy format of version {str(version)[:20]}; {_PROTOCOL} is read"
        )
    order = "<" if machine.get("little_endian", True) else ">"
    places: dict[str, tuple[int, int]] = {}
    types: dict[str, str] = {}

    def storage(identity: Any) -> Storage:
        dtype, key, count, view = storage_identity(identity)
        types.setdefault(key, dtype)

        def read() -> bytes:
            begin, end = places[key]
            if view is None:
                return data[begin:end]
            size = numpy_dtype(dtype).itemsize
            return data[begin + view[1] * size : min(end, begin + (view[1] + view[2]) * size)]

        return Storage(dtype, count, read, order=order)

    value, at = unpickled(data, find=find, persistent=storage, start=at)
    keys, at = unpickled(data, find=find, start=at)
    for key in keys if isinstance(keys, list) else ():
        count = int.from_bytes(data[at : at + 8], "little" if order == "<" else "big")
        size = count * numpy_dtype(types.get(str(key), "uint8")).itemsize
        places[str(key)] = (at + 8, at + 8 + size)
        at += 8 + size
        if at > len(data):
            raise InputError(
                f"ends early: {len(data)} bytes of at least {at}; download the file again"
            )
    if lacking := sorted(types.keys() - places.keys()):
        raise InputError(f"lacks its storage {lacking[0][:40]}; download the file again")
    return value


def storage_identity(identity: Any) -> tuple[str, str, int, tuple | None]:
    """Return type, key, count and view of a storage, from the persistent id by which a pickle
    refers to it.
    """
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise InputError(
            "refers to data outside the pickle that is not a storage; nothing of it was run"
        )
    _, kind, key, _, count, *rest = identity
    view = rest[0] if rest else None
    sound = view is None or (
        isinstance(view, tuple) and len(view) == 3 and all(isinstance(n, int) for n in view[1:])
    )
    if not isinstance(key, str) or not isinstance(count, int) or not sound:
        raise InputError("refers to a storage without a key")
    return storage_dtype(kind), key, count, view
