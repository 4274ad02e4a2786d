"""Real people from the folder to the table, with a system that needs no training."""

import types

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli import evaluate_real
from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.measured import file_digest
from tests.evaluate.pretend import loudness_engine

PEOPLE = ("anna", "ben", "carl", "dora")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four people whose mouths open with the loudness of their sound."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "lips").mkdir()
    for number, person in enumerate(PEOPLE):
        loud = np.random.default_rng(number).uniform(size=60)
        sound = np.repeat(loud, SAMPLES_PER_MOTION_FRAME) * 0.5
        write_wav(folder / f"{person}.wav", sound.astype(np.float32))
        fields = {"fps": 25.0, "speech": f"{person}.wav", "person": person}
        np.savez(folder / "lips" / f"{person}1.npz", opening=0.1 * loud[:-1], **fields)
    return folder


def measured(folder, tmp_path, monkeypatch, *, sources, seeds=(0, 1), engines=None):
    """Measure a checkpoint for each item of `sources`."""
    monkeypatch.setattr(evaluate_real, "cache_folder", lambda: tmp_path)
    engines = engines or [loudness_engine() for _ in sources]
    checkpoints = [
        (engine, types.SimpleNamespace(sources=each, params={}))
        for engine, each in zip(engines, sources, strict=True)
    ]
    return evaluate_real.measure_real(
        [str(folder)], checkpoints, seeds=seeds, console=Console("evaluate")
    )


def test_people_are_scored_beside_baselines_without_those_that_training_saw(
    folder, tmp_path, monkeypatch, capsys
):
    sources = [(file_digest(folder / "ben.wav"),)]
    figures, found, about = measured(folder, tmp_path, monkeypatch, sources=sources)
    printed = capsys.readouterr().out
    assert "left out, training saw their clips: ben" in printed
    assert "seed 2 of 2: " in printed and "| ridge mel |" in printed
    assert about["people"] == ["anna", "carl", "dora"]
    assert about["people_seen_in_training"] == ["ben"]
    assert figures["real_people"] == 3
    assert figures["real_correlation"] > 0.98
    assert "real_correlation_low" not in figures  # of three people
    assert figures["real_lag_frames"] == 0
    # of white noise nothing can be guessed
    assert figures["real_correlation_chance"] < 0.6
    assert {"real_correlation_ridge_mel", "real_correlation_minus_ridge_mel"} <= set(figures)
    assert len(evaluate_real.curves_of_people(found)) == 3 and len(about["clips"]) == 3 * (2 + 2)


def test_each_person_is_measured_by_the_first_checkpoint_that_did_not_see_them(
    folder, tmp_path, monkeypatch
):
    """Four checkpoints, of mouths that hang open by different angles: the figures of each person
    are those of their own checkpoint, and carl, whom all have seen, is left out.
    """

    def digests(*people):
        return tuple(file_digest(folder / f"{person}.wav") for person in people)

    sources = [digests("ben", "carl", "dora"), digests("anna", "carl", "dora"), digests(*PEOPLE)]
    sources.append(digests("carl"))
    engines = [loudness_engine(offset=0.1 * number) for number in range(4)]
    options = {"seeds": (0,), "sources": sources, "engines": engines}
    _, _, about = measured(folder, tmp_path, monkeypatch, **options)
    assert about["people_of_checkpoints"] == [["anna"], ["ben"], ["dora"]]
    assert about["people_seen_in_training"] == ["carl"]
    shut = {
        row["person"]: row["closed_share"] for row in about["clips"] if row["predictor"] == "system"
    }
    assert shut["anna"] > 0 and shut["ben"] == shut["dora"] == 0
    ridge = [row["person"] for row in about["clips"] if row["predictor"] == "ridge_mel"]
    assert ridge == ["anna", "ben", "dora"]


def test_a_checkpoint_that_has_seen_everybody_is_refused_in_one_line(folder, tmp_path, monkeypatch):
    sources = [tuple(file_digest(folder / f"{person}.wav") for person in PEOPLE)]
    with pytest.raises(InputError, match="trained on clips of everybody here"):
        measured(folder, tmp_path, monkeypatch, sources=sources)


def test_a_checkpoint_without_a_record_leaves_nobody_out_and_this_is_printed(capsys):
    clip = types.SimpleNamespace(person="anna", seconds=3.0)
    evaluate_real._say_who(Console("evaluate"), [clip], [], recorded=False)
    assert "does not record its training files" in capsys.readouterr().out
