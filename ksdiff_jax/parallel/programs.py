"""Functions whose compiled programs a new process runs without tracing them.

    @kept_program("system")
    def _sample(params, speech, keys, *, system): ...

JAX finds a compiled program by its lowered form, so a new process traces and lowers a function
before it runs the kept program. For the sampler of the shipped checkpoint that is a third of the
CPU seconds of a process. `kept_program` also keeps, for each call, which program serves it:

    programs/*.call     name of the program and the trees of its arguments and outputs. The file's
                        name is a digest of all that the trace depends on: the static arguments, the
                        shapes, the sources of this package, the versions of the others, the
                        device, and JAX's configuration
    programs/*.program  the program. The file's name is a digest of its lowered form and of all that
                        the compiler depends on, so most changes of sources need no compilation

A file begins with the digest of its content and is removed if that does not match. One process
compiles a call and the others wait for its program, at most `PATIENCE_S`; the system releases the
lock of a process that ends. Functions that are replaced at run time are in no digest;
`JAX_ENABLE_COMPILATION_CACHE=false` keeps nothing.

A call is traced as JAX does it if `keep_compilations` has no folder of its own, if the call is part
of another trace or uses several devices, and if a static argument is of a class of other packages.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
import pickle
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.monitoring
import numpy as np

from ksdiff_jax import locks
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing
from ksdiff_jax.parallel.compilations import CompilationWarning, kept_folder
from ksdiff_jax.runtime import installed_version
from ksdiff_jax.typing import PyTree

LOADED = "/ksdiff_jax/program_loaded"  # JAX's event of a program that was not traced, `fun_name`
MOST_PROGRAMS = 64  # the least recently used ones beyond are removed
MOST_CALLS = 512
PATIENCE_S = 120.0  # for another process that compiles
_PACKAGE = Path(__file__).parents[1]
_TRACED_BY = ("jax", "jaxlib", "flax", "numpy")
_UNRELATED = ("cache", "log", "traceback", "dump")  # settings that change no program
_COMPILING = threading.Lock()


def kept_program(*static: str) -> Callable[[Callable], "KeptProgram"]:
    """Return a decorator like `jax.jit`, whose programs are kept. `static` names the static
    arguments; these are given by keyword, all others by position.
    """
    return functools.partial(KeptProgram, static=static)


class KeptProgram:
    """A compiled function; see `kept_program`."""

    def __init__(self, function: Callable, *, static: tuple[str, ...]):
        functools.update_wrapper(self, function)
        # The lowered form of a program must show which of several equal arguments it uses.
        self._jitted = jax.jit(function, static_argnames=static, keep_unused=True)
        self._ready: dict[tuple, Callable] = {}

    def __call__(self, *arguments: PyTree, **static: Any) -> PyTree:
        """Return the function's result."""
        leaves, tree = jax.tree.flatten(arguments)
        folder = kept_folder()
        if folder is None or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return self._jitted(*arguments, **static)
        call = (tree, tuple(map(_form, leaves)), tuple(sorted(static.items())), _settings())
        if (program := self._ready.get(call)) is not None:
            return program(*arguments)
        device, exact = _device(leaves), _exact(call[2])
        if device is None or exact is None:
            self._ready[call] = functools.partial(self._jitted, **static)
            return self._ready[call](*arguments)
        form = f"{self.__module__}.{self.__qualname__} {exact} {tree} {call[1]}"
        kept = _Kept(folder / "programs", form, device)
        self._ready[call], result = self._first(kept, arguments, static)
        return result

    def _first(
        self, kept: "_Kept", arguments: tuple, static: dict[str, Any]
    ) -> tuple[Callable, PyTree]:
        """Return the program of a call from the folder, or compile and keep it, and its result."""
        try:
            if (program := self._loaded(kept)) is None:
                with kept.one_compiles():
                    if (program := self._loaded(kept)) is None:
                        return kept.compiled(self._jitted.lower(*arguments, **static), arguments)
        except _NotKept:
            program = functools.partial(self._jitted, **static)
        return program, program(*arguments)

    def _loaded(self, kept: "_Kept") -> Callable | None:
        begin = time.perf_counter()
        if (program := kept.program()) is not None:
            took_s = time.perf_counter() - begin
            jax.monitoring.record_event_duration_secs(LOADED, took_s, fun_name=self.__name__)
        return program


class _NotKept(Exception):
    """A program that cannot be stored."""


@dataclasses.dataclass(frozen=True)
class _Kept:
    """The files of a call in a folder."""

    folder: Path
    form: str  # of the call: function, static arguments, tree, shapes
    device: jax.Device

    @functools.cached_property
    def _call(self) -> Path:
        return self._file("call", sys.version, _sources_digest(), _versions(*_TRACED_BY))

    def program(self) -> Callable | None:
        """Return the program; None if it has to be compiled. Raise `_NotKept` if it was compiled
        and cannot be stored.
        """
        if (content := _read(self._call)) is None:
            return None
        if not content:
            raise _NotKept
        with _any_fault():
            name, trees = pickle.loads(content)
            if (stored := _read(self.folder / name)) is not None:
                return self._loaded(stored, trees)
        return None

    @contextlib.contextmanager
    def one_compiles(self) -> Iterator[None]:
        """Admit one process or thread at a time, or all of them where there are no locks or nothing
        can be written.
        """
        path = self.folder.parent / f".programs-{self._call.name[0]}.lock"  # a few files for all
        with contextlib.ExitStack() as opened:
            with contextlib.suppress(OSError):
                locks.take_within(opened.enter_context(path.open("ab")), PATIENCE_S)
            yield

    def compiled(self, lowered: jax.stages.Lowered, arguments: tuple) -> tuple[Callable, PyTree]:
        """Return the program of a lowered call and its result, and keep the program. Raise
        `_NotKept` if it cannot be stored.
        """
        from jax.experimental.serialize_executable import serialize

        trees = jax.tree.structure(lowered.args_info), lowered.out_tree
        about = (*map(str, trees), str(lowered.out_info), lowered.as_text())
        path = self._file("program", _versions("jax", "jaxlib"), *about)
        if (stored := _read(path)) is not None:
            with _any_fault():
                program = self._loaded(stored, trees)
                _write(self._call, pickle.dumps((path.name, trees)), most=MOST_CALLS)
                return program, program(*arguments)
        # A program from JAX's cache cannot be stored again: parts of it would be missing.
        with _without_cache():
            compiled = lowered.compile()
        with _any_fault():
            stored = serialize(compiled)[0]
            program = self._loaded(stored, trees)
            result = jax.block_until_ready(program(*arguments))
            call = pickle.dumps((path.name, trees))
            _write(path, stored, most=MOST_PROGRAMS)
            _write(self._call, call, most=MOST_CALLS)
            return program, result
        _write(self._call, b"", most=MOST_CALLS)
        raise _NotKept

    def _loaded(self, stored: bytes, trees: tuple) -> Callable:
        from jax.experimental.serialize_executable import deserialize_and_load

        backend, devices = self.device.client, [self.device]
        return deserialize_and_load(stored, *trees, backend=backend, execution_devices=devices)

    def _file(self, kind: str, *about: str) -> Path:
        """Return the file for a call with these properties on this device."""
        digest = hashlib.sha256()
        device, client = self.device, self.device.client
        machine = [device.id, device.device_kind, client.platform, client.platform_version]
        if hasattr(os, "sched_getaffinity"):  # a program for two cores sums in another order
            machine.append(len(os.sched_getaffinity(0)))
        flags = [os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
        for text in (self.form, repr(machine), repr(flags), _settings(), *about):
            digest.update(hashlib.sha256(text.encode()).digest())
        return self.folder / f"{digest.hexdigest()}.{kind}"


def _versions(*names: str) -> str:
    return " ".join(f"{name} {installed_version(name)}" for name in names)


def _form(leaf: Any) -> tuple:
    """Return all of an argument that its program depends on."""
    place = leaf.sharding if isinstance(leaf, jax.Array) else "host"
    kind = getattr(leaf, "dtype", type(leaf))  # a number of Python has a type only
    return np.shape(leaf), kind, getattr(leaf, "weak_type", False), place


def _device(leaves: list) -> jax.Device | None:
    """Return the device of a call; None for several devices or processes."""
    if jax.process_count() > 1:
        return None
    found = {device for leaf in leaves if isinstance(leaf, jax.Array) for device in leaf.devices()}
    default = jax.config.jax_default_device or jax.local_devices()[0]
    device, *others = found or {default}
    return device if not others and isinstance(device, jax.Device) else None


def _exact(value: Any) -> str | None:
    """Return a text that no other value has; None for a value of a class of other packages."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return repr(value)
    parts: Any = value if isinstance(value, tuple) else None
    if dataclasses.is_dataclass(value) and kind.__module__.startswith("ksdiff_jax."):
        parts = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif kind is not tuple:
        return None
    texts = [_exact(part) for part in parts]
    return None if None in texts else f"{kind.__module__}.{kind.__qualname__}({', '.join(texts)})"


def _settings() -> str:
    """Return JAX's settings that may change a program."""
    return f"{jax.sharding.get_abstract_mesh()} " + " ".join(
        f"{name}={value}"
        for name, value in sorted(jax.config.values.items())
        if not any(word in name for word in _UNRELATED)
    )


@functools.cache
def _sources_digest() -> str:
    """Return the digest of this package's sources."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@contextlib.contextmanager
def _without_cache() -> Iterator[None]:
    """Let JAX compile without its cache."""
    from jax.experimental.compilation_cache import compilation_cache

    with _COMPILING:
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()
        try:
            yield
        finally:
            jax.config.update("jax_enable_compilation_cache", True)
            compilation_cache.reset_cache()


@contextlib.contextmanager
def _any_fault() -> Iterator[None]:
    """Suppress the faults of a kept program, after which the call is compiled or traced anew."""
    with contextlib.suppress(Exception):
        yield


def _read(path: Path) -> bytes | None:
    """Return the content of a file; None if it does not exist or is damaged. Mark it as used."""
    try:
        digest, content = (raw := path.read_bytes())[:32], raw[32:]
        if hashlib.sha256(content).digest() == digest:
            os.utime(path)
            return zlib.decompress(content)
        path.unlink()
    except (OSError, zlib.error):
        return None
    message = f"{path}: a compiled program was damaged; it is compiled anew"
    warnings.warn(message, CompilationWarning, stacklevel=2)
    return None


def _write(path: Path, content: bytes, *, most: int) -> None:
    """Store a file, and remove the least recently used ones of its kind beyond `most`."""
    packed = zlib.compress(content, 1)
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(hashlib.sha256(packed).digest() + packed)
        kept = sorted(path.parent.glob(f"*{path.suffix}"), key=lambda file: -file.stat().st_mtime)
        for old in kept[most:]:
            old.unlink(missing_ok=True)
