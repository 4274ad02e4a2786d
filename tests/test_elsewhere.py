"""The commands that work without Linux's own modules, grain and TensorFlow Datasets: animate,
inspect, evaluate.
"""

import ast
import errno
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from ksdiff_jax import locks
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.models import build_system
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS
from tests.conftest import REPOSITORY
from tests.elsewhere import POSIX_MODULES, msvcrt, posix_only_os, posix_only_signals
from tests.train.tiny_ksdiff import tiny_config

PACKAGE = REPOSITORY / "ksdiff_jax"
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))
}
ALLOWED = {
    ("heap.py", "os.sysconf"),  # nothing is asked of libc but on Linux
    # training on Windows is not promised; there it came with Python 3.12
    ("train/interrupt.py", "os.set_blocking"),
}
BENCHMARKS = "bench/"  # they measure this machine


def posix_only_uses(source: str) -> set[str]:
    """`os.fork` and the like, and imports of POSIX modules, that nothing in the same piece of
    source guards.
    """
    tree = ast.parse(source)
    guarded = {
        f"{ast.unparse(node.args[0])}.{node.args[1].value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("hasattr", "getattr")
        if isinstance(node.args[1], ast.Constant)
    }
    tried = {
        statement
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any("ImportError" in ast.unparse(h.type) for h in node.handlers if h.type)
        for statement in node.body
    }
    hidden = {f"os.{name}" for name in posix_only_os()} | {
        f"signal.{name}" for name in posix_only_signals()
    }
    uses = {
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    } & hidden
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and node not in tried:
            uses |= {alias.name for alias in node.names if alias.name in POSIX_MODULES}
        elif isinstance(node, ast.ImportFrom):
            uses |= {node.module} & POSIX_MODULES
            uses |= {f"{node.module}.{alias.name}" for alias in node.names} & hidden
    return uses - guarded


def without_encoding(source: str) -> list[int]:
    """Lines that open, read or write text in whatever encoding the system prefers."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        called = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        position = 0 if isinstance(node.func, ast.Attribute) else 1
        mode = (
            node.args[position].value
            if called == "open" and _is_text(node.args, position)
            else None
        )
        plain = {"read_text": 0, "write_text": 1}.get(called) == len(node.args)
        if plain or (mode is not None and not {"b"} & set(mode) and set(mode) <= set("rwax+t")):
            lines.append(node.lineno)
    return lines


def _is_text(arguments: list, position: int) -> bool:
    return (
        len(arguments) > position
        and isinstance(arguments[position], ast.Constant)
        and isinstance(arguments[position].value, str)
    )


def test_no_module_asks_for_what_only_posix_systems_have():
    uses = {(name, use) for name, source in SOURCES.items() for use in posix_only_uses(source)}
    assert {(name, use) for name, use in uses if not name.startswith(BENCHMARKS)} == ALLOWED


def test_text_files_are_read_and_written_in_a_stated_encoding():
    found = {(name, line) for name, source in SOURCES.items() for line in without_encoding(source)}
    # The three standard streams have the encoding of the terminal.
    assert {name for name, _ in found if not name.startswith(BENCHMARKS)} == {"cli/streams.py"}, (
        found
    )


def test_the_searches_see_what_they_look_for():
    assert posix_only_uses("import os\nos.getuid(); os.getpid()") == {"os.getuid"}
    assert posix_only_uses("import os\nif hasattr(os, 'getuid'): os.getuid()") == set()
    assert posix_only_uses("import fcntl\nfrom pwd import getpwuid\nfrom os import fork") == {
        "fcntl",
        "pwd",
        "os.fork",
    }
    assert posix_only_uses("try:\n import fcntl\nexcept ImportError:\n pass") == set()
    assert posix_only_uses("import signal\nsignal.signal(signal.SIGTERM, signal.SIGKILL)") == {
        "signal.SIGKILL"
    }
    texts = (
        "p.read_text()\np.write_text(t)\np.open('w')\nopen(p, "
        "'r')\np.open('rb')\np.read_text(encoding='utf-8')"
    )
    assert without_encoding(texts) == [1, 2, 3, 4]


@pytest.fixture
def tiny(tmp_path):
    config = tiny_config("")
    rng = np.random.default_rng(0)
    # running it would take 20 s
    shapes = jax.eval_shape(build_system(config).init, jax.random.key(0))
    params = jax.tree.map(
        lambda leaf: rng.normal(scale=0.1, size=leaf.shape).astype(np.float32), shapes
    )
    statistics = BUILTIN.with_statistics(np.zeros(MOTION_DIMS), np.full(MOTION_DIMS, 0.1))
    return save_pretrained(tmp_path / "tiny", config=config, params=params, space=statistics)


@pytest.mark.slow
def test_animate_inspect_and_evaluate_need_neither_grain_nor_tfds_nor_posix(tiny, tmp_path):
    time_s = np.arange(16_000) / 16_000
    write_wav(tmp_path / "speech.wav", (0.3 * np.sin(2 * np.pi * 140 * time_s)).astype(np.float32))
    commands = [
        ["animate", "speech.wav", "--out", "out", "--steps", "2", "--checkpoint", "tiny"],
        ["inspect", "out/speech.motion.npz"],
        ["inspect", "tiny"],
        # Speaks a clip of the built-in corpus, writes it as shards and reads it again.
        [
            "evaluate",
            "--checkpoint",
            "tiny",
            "--clips",
            "1",
            "--languages",
            "en",
            "--steps",
            "2",
            "--samples",
            "1",
            "--metrics",
            "keyframes",
            "--out",
            "figures",
        ],
    ]
    environment = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.elsewhere", json.dumps(commands)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * len(commands), done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "speech.motion.npz",
        "speech.mp4",
        "speech.png",
    }
    assert (tmp_path / "figures" / "metrics.json").is_file()
    assert list((tmp_path / "cache").rglob("dataset.json"))


@pytest.fixture
def as_on_windows(monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt())


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_a_lock_is_one_files_until_that_is_closed(tmp_path, system, request):
    if system == "windows":
        request.getfixturevalue("as_on_windows")
    path = tmp_path / "lock"
    with path.open("ab") as other:
        with path.open("ab") as first:
            assert locks.take_at_once(first)
            assert not locks.take_at_once(other)
        locks.take(other)


def test_windows_waits_for_a_lock_and_passes_other_errors_on(tmp_path, as_on_windows, monkeypatch):
    waited, answers = [], [errno.EACCES, errno.EDEADLK, None, errno.EBADF]

    def locking(number, mode, count):
        if (answer := answers.pop(0)) is not None:
            raise OSError(answer, "")

    monkeypatch.setattr(sys.modules["msvcrt"], "locking", locking)
    monkeypatch.setattr(locks.time, "sleep", waited.append)
    with (tmp_path / "lock").open("ab") as file:
        locks.take(file)
        assert len(waited) == 2
        with pytest.raises(OSError, match=str(errno.EBADF)):
            locks.take_at_once(file)
