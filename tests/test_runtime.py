"""A runtime is refused in one line if its JAX is not the installed one, or does not use the
accelerator.
"""

import re
import sys
import types

import jax
import pytest

from ksdiff_jax import runtime
from ksdiff_jax.errors import InputError


@pytest.fixture
def machine(monkeypatch):
    """A machine of chosen hardware and installed versions: `machine(gpu=True, jaxlib="0.11.2")`."""

    def chosen(*, gpu: bool = False, tpu: bool = False, **versions: str) -> None:
        named = {name.replace("_", "-"): version for name, version in versions.items()}
        monkeypatch.setattr(runtime, "has_nvidia_gpu", lambda: gpu)
        monkeypatch.setattr(runtime, "has_tpu", lambda: tpu)
        monkeypatch.setattr(runtime, "installed_version", named.get)
        monkeypatch.delenv("JAX_PLATFORMS", raising=False)

    return chosen


def test_a_sound_runtime_is_described(machine):
    machine(jax=jax.__version__)
    assert f"jax {jax.__version__}" in runtime.check_runtime()


def test_a_runtime_without_a_device_gives_the_reason_in_one_line(machine, monkeypatch):
    machine(jax=jax.__version__)
    monkeypatch.setattr(
        runtime, "_LIST_DEVICES", "raise SystemExit('long story\\nthe TPU is in use')"
    )
    with pytest.raises(
        InputError, match=r"^JAX finds no device \(the TPU is in use\): set JAX_PLATFORMS=cpu"
    ):
        runtime.check_runtime()


def test_a_module_in_memory_that_pip_replaced_is_named_with_both_versions(machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(__version__="0.5.3"))
    machine(jax="0.11.2")
    with pytest.raises(
        InputError, match=r"^jax 0\.5\.3 was imported before jax 0\.11\.2 was installed: restart"
    ):
        runtime.check_runtime()


def test_modules_that_are_not_imported_cannot_be_stale(machine, monkeypatch):
    for name in ("jax", "jaxlib", "flax", "numpy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    machine(jax="0.11.2")
    assert runtime.imported_and_replaced() is None


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"jaxlib": "0.11.2"}, "no CUDA plugin"),
        ({"jaxlib": "0.11.2", "jax_cuda12_plugin": "0.7.2"}, r"install 'jax\[cuda12\]==0\.11\.2'"),
        ({"jaxlib": "0.7.2", "jax_cuda12_plugin": "0.7.2"}, "does not start"),
        (
            {"jaxlib": "0.7.2", "jax_cuda12_plugin": "0.7.1", "jax_cuda13_plugin": "0.7.2"},
            "does not start",
        ),
    ],
)
def test_a_gpu_that_jax_does_not_use_is_told_with_the_reason(machine, versions, said):
    machine(gpu=True, **versions)
    line = runtime.unused_accelerator(["cpu"])
    assert re.search(said, line) and "\n" not in line
    assert runtime.unused_accelerator(["gpu"]) is None


def test_a_tpu_that_jax_does_not_use_is_told(machine):
    machine(tpu=True, jax="0.7.2", libtpu="0.0.21.1")
    assert "TPU" in runtime.unused_accelerator(["cpu"])


def test_who_asks_for_the_cpu_gets_it(machine, monkeypatch):
    machine(gpu=True, tpu=True)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert runtime.unused_accelerator(["cpu"]) is None


def test_hardware_is_found_by_what_linux_shows_of_it(tmp_path):
    assert not runtime.has_nvidia_gpu(tmp_path) and not runtime.has_tpu(tmp_path)
    # a network card, Intel's
    for number, (vendor, kind) in enumerate([("0x1ae0", "0x0042"), ("0x8086", "0x0063")]):
        device = tmp_path / f"sys/bus/pci/devices/{number}"
        device.mkdir(parents=True)
        (device / "vendor").write_text(vendor + "\n")
        (device / "device").write_text(kind + "\n")
    assert not runtime.has_tpu(tmp_path)
    (tmp_path / "sys/bus/pci/devices/1/vendor").write_text("0x1ae0\n")
    assert runtime.has_tpu(tmp_path)
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM\n")
    assert runtime.has_nvidia_gpu(tmp_path)


def test_a_notebook_shows_a_mistake_of_the_callers_in_one_line():
    ipython = pytest.importorskip("IPython.core.interactiveshell")
    shell = ipython.InteractiveShell()
    shown = []
    shell._showtraceback = lambda kind, value, lines: shown.extend(lines)
    shell.run_cell("from ksdiff_jax.errors import InputError\nraise InputError('got 3, need 4')")
    assert shown == ["ksdiff-jax: got 3, need 4"]
