"""`ksdiff-jax doctor` and `ksdiff-jax bench`: reports of this machine."""

import json

import numpy as np

from ksdiff_jax.bench import animate as bench_animate
from ksdiff_jax.bench.voice import made_up_voice
from ksdiff_jax.cli import doctor
from ksdiff_jax.cli.main import main


def test_the_doctor_finds_this_environment_complete(capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["missing"] == [] and facts["devices"]


def test_the_doctor_says_what_to_install_for_what_is_absent(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "OPTIONAL", {"no_such_module": ("magic", "pip install magic")})
    assert main(["doctor"]) == 0
    assert "absent   magic: pip install magic" in capsys.readouterr().out


def test_a_missing_requirement_is_status_2(monkeypatch, capsys):
    asked = [
        "jax>=0.10.2,<0.12",
        "no-such-package>=1",
        "etils[epath]>=1",
        'absent-too>=2; extra == "test"',
    ]
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: asked)
    assert main(["doctor"]) == 2
    assert "missing: no-such-package; install" in capsys.readouterr().err


def test_the_benchmark_reports_every_stage(checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(bench_animate, "CLIP_S", 0.4)
    assert main(["bench", "animate", "--repeats", "1", "--checkpoint", str(checkpoint)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["stages"]) == ["decode", "prosody", "sample", "render_and_encode"]
    total = sum(stage["median_s"] for stage in report["stages"].values())
    assert abs(report["video_real_time_factor"] - total / 0.4) < 1e-3
    assert report["machine"]["cores"] >= 1


def test_the_made_up_voice_is_voiced_sound_within_full_scale():
    voice = made_up_voice(2.0)
    assert len(voice) == 32_000 and 0.1 < np.abs(voice).max() <= 1


def test_a_device_that_is_not_here_is_a_line_and_not_the_end(monkeypatch, capsys):
    import jax

    def none():
        raise AssertionError

    monkeypatch.setattr(jax, "devices", none)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert main(["doctor", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["devices"] == []
    assert (
        shown.err == "ksdiff-jax doctor: warning: JAX finds no device here for JAX_PLATFORMS=cuda\n"
    )


def test_a_working_folder_that_was_deleted_is_no_matter(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["doctor", "--quiet"]) == 0
