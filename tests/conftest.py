"""Fixtures of every test: JAX on the CPU with a persistent compilation cache, and the folder of
real data.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
_CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    / "ksdiff-jax"
    / "test-compilations"
)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
# All of them: a test that calls JAX operation by operation compiles hundreds of small programs.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Without it no program for several devices is found again: see keep_compilations (cli/device.py).
os.environ.setdefault("JAX_REMOVE_CUSTOM_PARTITIONING_PTR_FROM_CACHE_KEY", "true")
os.environ.setdefault("MPLBACKEND", "agg")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings and measurements beside the repository; skips where there is
    none.
    """
    folder = Path(os.environ.get("KSDIFF_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set KSDIFF_SHARED_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[], object]], Any]:
    """`once(name, make)` is the JSON value that `make()` gives, made by one of the processes that
    share this run.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    run = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent

    def made(name: str, make: Callable[[], object]) -> Any:
        from ksdiff_jax.files import one_at_a_time

        path = run / "once" / f"{name}.json"
        with one_at_a_time(path.parent / name):
            if not path.exists():
                path.write_text(json.dumps(make()))
        return json.loads(path.read_text())

    return made


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    """The folder of a pretrained encoder small enough for tests."""
    from tests.tiny_encoder import write_tiny_encoder

    return write_tiny_encoder(tmp_path_factory.mktemp("encoders") / "tiny", seed=0)


@pytest.fixture(scope="session")
def other_encoder(tmp_path_factory) -> Path:
    """One of the same layout with other weights."""
    from tests.tiny_encoder import write_tiny_encoder

    return write_tiny_encoder(tmp_path_factory.mktemp("encoders") / "other", seed=1)
