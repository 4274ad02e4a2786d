"""First imports of librosa, which compile: one process after the other, and never refused."""

import subprocess
import sys
import threading

import pytest

from ksdiff_jax.audio import compiled_librosa
from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.files import one_at_a_time

_first_import = librosa_module.__wrapped__


def test_it_waits_until_another_process_has_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "machine-code"))
    imported = threading.Event()
    monkeypatch.setattr(
        compiled_librosa.importlib, "import_module", lambda name: imported.set() or threading
    )
    monkeypatch.setitem(compiled_librosa._CALLS, "core", lambda core: None)
    with one_at_a_time(tmp_path / "machine-code"):
        thread = threading.Thread(target=_first_import, args=("core",))
        thread.start()
        assert not imported.wait(0.5)
    assert imported.wait(30)
    thread.join()


def test_the_lock_lies_with_the_machine_code_whatever_the_cache_of_the_package(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    found = []
    for name in ("one", "other"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        found.append(compiled_librosa._numba_folder())
    if found[0].is_relative_to(tmp_path):
        pytest.skip("librosa's folder is read-only here")
    assert found[0] == found[1] and "librosa" in found[0].parts


def test_without_a_folder_to_write_to_it_is_imported_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert _first_import("onset").__name__ == "librosa.onset"


# What tqdm looks at to know a notebook, and one without widgets.
_NOTEBOOK = """
import sys, types, warnings
warnings.simplefilter("always")
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=object)
sys.modules["ipywidgets"] = None
"""
_OURS = (
    "from ksdiff_jax.audio.compiled_librosa import librosa_module; librosa_module('onset'); "
    "import pooch"
)


def warns(code: str) -> bool:
    done = subprocess.run([sys.executable, "-c", _NOTEBOOK + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return "TqdmWarning" in done.stderr


@pytest.mark.slow
def test_a_notebook_without_widgets_gets_no_warning_about_bars():
    if not warns("import tqdm.auto"):
        pytest.skip("this tqdm does not warn")
    assert not warns(_OURS)
