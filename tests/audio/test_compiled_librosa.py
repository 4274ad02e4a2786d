"""First imports of librosa, which compile: one process after the other, and never refused."""

import threading

from ksdiff_jax.audio import compiled_librosa
from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.files import cache_folder, one_at_a_time

_first_import = librosa_module.__wrapped__


def test_it_waits_until_another_process_has_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    imported = threading.Event()
    monkeypatch.setattr(compiled_librosa.importlib, "import_module", lambda name: imported.set() or threading)
    monkeypatch.setitem(compiled_librosa._CALLS, "core", lambda core: None)
    with one_at_a_time(cache_folder() / "librosa"):
        thread = threading.Thread(target=_first_import, args=("core",))
        thread.start()
        assert not imported.wait(0.5)
    assert imported.wait(30)
    thread.join()


def test_without_a_folder_to_write_to_it_is_imported_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert _first_import("onset").__name__ == "librosa.onset"
