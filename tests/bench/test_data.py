"""`ksdiff-jax bench data`: consistency of its figures."""

import json

from ksdiff_jax.bench import data as bench_data
from ksdiff_jax.cli.main import main


def test_it_reports_both_readers_and_the_parts_of_a_clips_way(capsys, monkeypatch):
    for name, value in {
        "CLIPS": 128,
        "BATCHES": 2,
        "PROFILED_CLIPS": 8,
        "BATCH_SIZE": 8,
        "WRITTEN_CLIPS": (3,),
    }.items():
        monkeypatch.setattr(bench_data, name, value)
    assert main(["bench", "data", "--repeats", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["clips_per_s"] > 0 and report["sequential_clips_per_s"] > 0
    assert abs(report["ratio"] - report["clips_per_s"] / report["sequential_clips_per_s"]) < 0.01
    assert set(report["parts_us"]) == {
        "read_and_verify",
        "of_which_checksum",
        "decode",
        "cut_and_normalise",
        "collate",
    }
    assert report["parts_us"]["read_and_verify"] > 0
    assert (
        report["with_features"]["clips_per_s"] > 0
        and report["with_features"]["parts_us"]["decode"] > 0
    )
    (writing,) = report["writing"]
    assert writing["clips"] == 3 and writing["seconds"] > 0 and writing["peak_memory_mib"] > 50
