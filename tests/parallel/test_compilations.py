"""Compiled programs are kept, and a damaged one is compiled anew."""

import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.files import one_at_a_time
from ksdiff_jax.parallel import compilations
from ksdiff_jax.parallel.compilations import remove_damaged
from tests.conftest import REPOSITORY


def stored(folder, name, content=b"program", *, compress=zlib.compress, old=True):
    path = folder / f"{name}-cache"
    path.write_bytes(compress(content * 100))
    if old:
        os.utime(path, (1, 1))
    return path


def test_a_program_with_any_flipped_bit_or_missing_end_is_removed_and_the_others_stay(tmp_path):
    plain = stored(tmp_path, "unchecked", compress=lambda content: b"\x28" + content)
    sound = stored(tmp_path, "sound", b"other")
    assert remove_damaged(tmp_path) == []
    rng, original = np.random.default_rng(0), plain.read_bytes()
    for number in range(50):
        content = bytearray(original)
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        plain.write_bytes(content[: len(content) - number % 2])
        assert remove_damaged(tmp_path) == [plain.name] and not plain.exists()
        plain.write_bytes(original)  # compiled anew
        assert remove_damaged(tmp_path) == []
    assert sound.exists()


def test_a_program_of_a_killed_process_is_removed_unless_it_may_still_be_written(tmp_path):
    for name, age in (("killed", True), ("written now", False)):
        stored(tmp_path, name, compress=lambda content: zlib.compress(content)[:-3], old=age)
    assert remove_damaged(tmp_path) == ["killed-cache"]
    (tmp_path / compilations.CHECKSUMS).write_text("damaged")
    sound = stored(tmp_path, "sound")
    assert remove_damaged(tmp_path) == [] and sound.exists()


def test_a_program_that_vanishes_hides_no_damaged_one(tmp_path):
    damaged = stored(tmp_path, "damaged", compress=lambda content: zlib.compress(content)[:-3])
    (tmp_path / "gone-cache").symlink_to(tmp_path / "nowhere")  # listed, and cannot be read
    assert remove_damaged(tmp_path) == [damaged.name]


def test_the_oldest_programs_beyond_the_most_bytes_are_removed(tmp_path, monkeypatch):
    paths = [stored(tmp_path, name, name.encode() * 9) for name in "abc"]
    for age, path in enumerate(paths):
        os.utime(path, (100 - age, 100 - age))
    monkeypatch.setattr(compilations, "MOST_BYTES", sum(path.stat().st_size for path in paths[:2]))
    assert remove_damaged(tmp_path) == []  # which is a warning
    assert [path.exists() for path in paths] == [True, True, False]


def test_a_process_that_is_suspended_with_the_lock_holds_up_no_other_for_long(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(compilations, "PATIENCE_S", 0.05)
    path = stored(tmp_path, "sound")
    with one_at_a_time(tmp_path):
        assert remove_damaged(tmp_path) == []
    assert path.name in (tmp_path / compilations.CHECKSUMS).read_text()


COMPILE = """
import warnings
import jax, jax.numpy as jnp, numpy as np
jax.jit(lambda x: x + 1)(1)  # JAX has compiled before the package is used
from ksdiff_jax.parallel import compilations
compilations.LEAST_COMPILE_S = 0
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(compilations.keep_compilations())
    print(len([w for w in caught if "damaged" in str(w.message)]))
def cubes(x):
    return jnp.cumsum(x * x * x)
print(float(jax.jit(cubes)(np.arange(5.0))[-1]))
"""


@pytest.mark.slow
def test_a_damaged_program_is_compiled_anew_by_the_next_process(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}

    def lines():
        command = [sys.executable, "-c", COMPILE]
        done = subprocess.run(
            command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    folder, warned, result = lines()
    assert (warned, result) == ("0", "100.0")
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
    (program,) = Path(folder).glob("jit_cubes-*-cache")
    content = bytearray(program.read_bytes())
    content[len(content) // 2] ^= 16
    program.write_bytes(content)
    assert lines() == [folder, "1", "100.0"]
    assert program.read_bytes() != bytes(content)
    assert lines() == [folder, "0", "100.0"]
