"""A kept program runs without a trace and only for its call; a damaged one is compiled anew."""

import contextlib
import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax import locks
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.parallel import programs
from ksdiff_jax.parallel.compilations import CompilationWarning
from ksdiff_jax.parallel.programs import KeptProgram

X = np.arange(6, dtype=np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "kept_folder", lambda: tmp_path)
    monkeypatch.setattr(programs, "_sources_digest", lambda: "one version")
    return tmp_path / "programs"


def process(traces, body=lambda tree, key, power: tree["a"] ** power + jax.random.uniform(key)):
    """The function as a new process has it; a trace adds its arguments to `traces`."""

    def function(tree, key, *, power):
        traces.append((tree["a"].shape, power))
        return {"out": body(tree, key, power)}

    return KeptProgram(function, static=("power",))


def called(function, *, x=X, power=2):
    tree = {"a": jax.device_put(x), "b": np.flip(x).copy()}
    return np.asarray(function(tree, jax.random.key(3), power=power)["out"])


def kinds(folder):
    return sorted(path.suffix for path in folder.iterdir())


def test_a_new_process_runs_the_kept_program_of_the_same_call_without_a_trace(folder, monkeypatch):
    traces = []
    first = called(process(traces))
    again = process(traces)
    np.testing.assert_array_equal(called(again), first)
    assert len(traces) == 1 and kinds(folder) == [".call", ".program"]
    called(again, power=3), called(again, x=X[:4]), called(again, x=X.astype(np.int32))
    called(process(traces), power=2.0)
    with jax.default_matmul_precision("float32"):
        called(again)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    called(process(traces))
    assert len(traces) == 7


def test_other_sources_are_traced_and_compiled_only_if_they_lower_differently(folder, monkeypatch):
    traces = []
    first = called(process(traces))
    monkeypatch.setattr(programs, "_sources_digest", lambda: "an edited comment")
    np.testing.assert_array_equal(called(process(traces)), first)
    assert len(traces) == 2 and kinds(folder) == [".call", ".call", ".program"]
    monkeypatch.setattr(programs, "_sources_digest", lambda: "another argument of the same shape")
    other = process(traces, lambda tree, key, power: tree["b"] ** power + jax.random.uniform(key))
    np.testing.assert_array_equal(called(other), first[::-1])
    assert len(traces) == 3 and kinds(folder).count(".program") == 2


@pytest.mark.parametrize("kind", ["call", "program"])
def test_a_damaged_file_is_written_anew(folder, kind):
    traces = []
    first = called(process(traces))
    (path,) = folder.glob(f"*.{kind}")
    sound = path.read_bytes()
    flipped = bytearray(sound)
    flipped[len(sound) // 2] ^= 4
    for content in (bytes(flipped), sound[:-3], b""):
        path.write_bytes(content)
        with pytest.warns(CompilationWarning, match="damaged; it is compiled anew"):
            np.testing.assert_array_equal(called(process(traces)), first)
        assert path.exists() and path.read_bytes() != content
    assert len(traces) == 4
    called(process(traces))
    assert len(traces) == 4


def test_a_file_that_matches_its_digest_and_holds_something_else_is_replaced(folder):
    first = called(process([]))
    for path in folder.iterdir():
        programs._write(path, b"no pickle", most=9)
    np.testing.assert_array_equal(called(process([])), first)


@pytest.fixture
def slow():
    """The body of a function that takes a while to trace."""
    return lambda tree, key, power: time.sleep(0.3) or tree["a"] ** power


def test_of_two_that_start_together_one_compiles_and_the_other_loads(folder, slow):
    traces = []
    with ThreadPoolExecutor(2) as pool:  # a lock of another process and of another thread are alike
        started = [pool.submit(called, process(traces, slow)) for _ in range(2)]
        for each in started:
            np.testing.assert_array_equal(each.result(timeout=60), X**2)
    assert len(traces) == 1 and kinds(folder) == [".call", ".program"]


def test_it_waits_for_a_bounded_time_and_needs_no_lock(folder, slow, monkeypatch):
    monkeypatch.setattr(programs, "PATIENCE_S", 0.5)
    with contextlib.ExitStack() as others:  # that never end
        for digit in "0123456789abcdef":
            file = others.enter_context((folder.parent / f".programs-{digit}.lock").open("ab"))
            assert locks.take_at_once(file)
        began = time.monotonic()
        np.testing.assert_array_equal(called(process([], slow)), X**2)
        assert time.monotonic() - began > 0.5
    (folder.parent / "file").touch()  # nothing can be written below it
    monkeypatch.setattr(programs, "kept_folder", lambda: folder.parent / "file" / "folder")
    np.testing.assert_array_equal(called(process([], slow)), X**2)


def test_a_program_that_cannot_be_stored_runs_as_jax_runs_it(folder):
    seen, traces = [], []

    def body(tree, key, power):
        jax.debug.callback(seen.append, tree["a"].sum())
        return tree["a"]

    for _ in range(2):
        np.testing.assert_array_equal(called(process(traces, body)), X)
    jax.effects_barrier()
    assert kinds(folder) == [".call"] and [float(value) for value in seen[-2:]] == [15.0, 15.0]


@dataclasses.dataclass(frozen=True)
class Foreign:
    """A static argument whose class is not of the package."""

    value: int = 2

    def __rpow__(self, other):
        return other**self.value


def test_calls_that_no_other_process_may_repeat_are_not_kept(folder):
    function = process([])
    assert called(function, power=Foreign()).shape == X.shape
    jax.vmap(lambda row: function({"a": row, "b": row}, jax.random.key(0), power=2))(X[:, None])
    assert not folder.exists()


def test_values_have_one_text_each():
    spaces = [
        BUILTIN,
        dataclasses.replace(BUILTIN, name="flame"),
        BUILTIN.with_statistics(*np.ones((2, BUILTIN.width))),
    ]
    values = [None, 1, 1.0, True, "1", "None", (1,), (1, "2"), ("1, 2",), *spaces]
    assert len({programs._exact(value) for value in values}) == len(values)
    assert programs._exact((1, object())) is None
    assert programs._exact(dataclasses.replace(BUILTIN)) == programs._exact(BUILTIN)


def test_only_the_last_used_files_stay(tmp_path):
    for name in "abcd":
        programs._write(tmp_path / f"{name}.call", name.encode(), most=9)
    for age, name in enumerate("cadb"):
        programs.os.utime(tmp_path / f"{name}.call", (100 - age, 100 - age))
    assert programs._read(tmp_path / "b.call") == b"b"
    programs._write(tmp_path / "e.call", b"e", most=3)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["b", "c", "e"]


def test_nothing_is_kept_without_a_folder(monkeypatch):
    monkeypatch.setattr(programs, "kept_folder", lambda: None)
    traces = []
    function = process(traces)
    np.testing.assert_array_equal(called(function), called(function))
    assert len(traces) == 1 and jnp.isfinite(called(function)).all()
