"""A checkpoint whose system is fast, and valid and invalid recordings."""

import numpy as np
import pytest

import ksdiff_jax.animate.animator
import ksdiff_jax.models

# A first import under the patch below would keep the patched function.
import ksdiff_jax.models.sync.expert
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli.main import main
from ksdiff_jax.models.pretrained import save_pretrained
from tests.animate.fake_system import CONFIG, STATISTICS, FakeSystem


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    for module in (ksdiff_jax.animate.animator, ksdiff_jax.models):
        monkeypatch.setattr(module, "build_system", FakeSystem)
    params = {"scale": np.ones((), np.float32)}
    return save_pretrained(tmp_path / "checkpoint", config=CONFIG, params=params, space=STATISTICS)


@pytest.fixture
def speech(tmp_path):
    """One good second of sound."""
    time_s = np.arange(16_000) / 16_000
    write_wav(tmp_path / "speech.wav", (0.3 * np.sin(2 * np.pi * 140 * time_s)).astype(np.float32))
    return tmp_path / "speech.wav"


@pytest.fixture
def animate(checkpoint, tmp_path, capsys):
    """Run `ksdiff-jax animate` in this process: (status, lines on stdout, lines on stderr, files in
    the out folder).
    """

    def run(*arguments, out="out", checkpoint=checkpoint):
        folder = tmp_path / out
        status = main(
            ["animate", *map(str, arguments), "--out", str(folder), "--checkpoint", str(checkpoint)]
        )
        captured = capsys.readouterr()
        files = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return status, captured.out.splitlines(), captured.err.splitlines(), files

    return run
