"""Tables of targets: their files, what a corpus records of them, and the fit to openings."""

import json

import numpy as np
import pytest

from ksdiff_jax.asset_builders.corpus_targets.filmed import FilmedMouth, spread, weakened
from ksdiff_jax.asset_builders.corpus_targets.fit import fitted_targets, openings_by
from ksdiff_jax.asset_builders.corpus_targets.parameters import (
    Parameter,
    changed,
    parameters,
    with_other_vowels,
)
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.data.corpus.articulation import mouth_parts
from ksdiff_jax.data.corpus.targets import (
    NAMES,
    PHONETIC,
    json_of_targets,
    named_targets,
    targets_of_json,
    targets_option,
)
from ksdiff_jax.data.corpus.write import Recipe, _command
from ksdiff_jax.evaluate.lips import bilabial_frames, closures
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.speech.transcripts.spoken_words import Spoken
from tests.data.corpus.test_articulation import RATE_HZ, move, spell, tone


def test_a_table_is_read_as_it_was_written():
    again = targets_of_json(json.loads(json.dumps(json_of_targets(PHONETIC))))
    assert again.rates == PHONETIC.rates
    assert again.of_symbol.keys() == PHONETIC.of_symbol.keys()
    for symbol, own in PHONETIC.of_symbol.items():
        np.testing.assert_allclose(
            [again.of_symbol[symbol][a] for a in own], list(own.values()), atol=5e-5
        )


def test_the_measured_table_moves_the_mouth_otherwise_and_closes_it_too():
    phonemes = spell("m", "ˈa", "p", "ˈi", "b", "u", "m", each_s=0.12)
    phonetic, measured = (move(phonemes, targets=named_targets(name)) for name in NAMES)
    np.testing.assert_array_equal(phonetic.actions, move(phonemes).actions)
    assert np.abs(measured.jaw - phonetic.jaw).max() > 0.01
    (seen,) = openings_by([_mouth(0, phonemes)], named_targets("measured"))
    frames = bilabial_frames(phonemes, frames=len(seen), fps=25.0)
    assert closures(seen, frames) == (4, 4)
    assert seen.max() > 0.04  # and not because it is always shut


def test_a_corpus_records_the_table_only_if_it_is_asked_for():
    assert "--targets" not in _command(300, Recipe())
    assert _command(300, Recipe(targets="measured")).endswith(" --targets measured")
    assert targets_option("phonetic") == ""


@pytest.mark.parametrize("source", ["--clips", "--speech"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there are no targets"),
        ("not json", "not a table of targets"),
        ('{"schema": "ksdiff-targets/2"}', "not a table of targets"),
        ('{"schema": "ksdiff-targets/1", "classes": {}, "rates": {}}', "not a table of targets"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path, capsys, source, content, message):
    table, out = tmp_path / "own.json", tmp_path / "out"
    if content is not None:
        table.write_text(content)
    given = [source, "3" if source == "--clips" else str(tmp_path)]
    assert main(["corpus", "--out", str(out), "--targets", str(table), *given]) == 2
    errors = capsys.readouterr().err
    assert message in errors and str(table) in errors and len(errors.splitlines()) == 1
    assert not out.exists()


def test_numbers_that_no_articulator_has_are_refused():
    content = json_of_targets(PHONETIC)
    content["classes"]["p b m"]["jaw"] = [3.0, 1.0]
    with pytest.raises(ValueError, match="p b m"):
        targets_of_json(content)


def test_phones_of_a_word_share_its_time_and_weak_words_have_a_schwa():
    word = Spoken("at", 1.0, 1.3)
    phones = spread(("AE", "T"), word)
    np.testing.assert_allclose([phone[1:] for phone in phones], [(1.0, 1.2), (1.2, 1.3)])
    assert [phone.text for phone in weakened(phones, (word,))] == ["ə", "t"]
    assert weakened(phones, (word._replace(text="sat"),))[0].text == "æ"


def test_vowels_that_did_not_occur_change_as_their_neighbours_do():
    named = [Parameter("value", (ph.JAW,), 0.2, (letters,)) for letters in ("a ɑ ɐ ɶ", "ʌ")]
    table = with_other_vowels(changed(named, np.array([1.0, -1.0])), {"a", "ʌ"})
    steps = {
        symbol: table.of_symbol[symbol][ph.JAW].value - PHONETIC.of_symbol[symbol][ph.JAW].value
        for symbol in "aæʌiɒ"
    }
    assert steps == pytest.approx({"a": 0.2, "æ": 0.04, "ʌ": -0.2, "i": -0.2, "ɒ": 0.0})


def _mouth(number: int, phonemes) -> FilmedMouth:
    frames = round(phonemes[-1].end_s * 25)
    parts = mouth_parts(phonemes, tone(phonemes), sample_rate_hz=RATE_HZ, frames=frames)
    clip = MeasuredClip(str(number), f"p{number % 2}", None, np.zeros(frames))
    return FilmedMouth(clip, parts)


def test_the_fit_finds_the_targets_that_made_the_openings():
    rng = np.random.default_rng(0)
    mouths = [
        _mouth(n, spell(*rng.choice(["a", "i", "t", "p"], 10), each_s=0.12)) for n in range(4)
    ]
    named = parameters({"a", "i", "t", "p"})
    moved = {("value", "i"): 2.0, ("value", "t"): -1.0}
    theta = np.zeros(len(named))
    for k, each in enumerate(named):
        for (field, symbol), step in moved.items():
            if each.field == field and each.articulators == (ph.JAW,) and each.classes:
                theta[k] += step * (symbol in each.classes[0].split())
    truth = openings_by(mouths, changed(named, theta))
    real = [
        mouth._replace(clip=mouth.clip._replace(opening=(1.0 + 0.5 * (n % 2)) * each + 0.004))
        for n, (mouth, each) in enumerate(zip(mouths, truth, strict=True))
    ]
    found = fitted_targets(real, prior=0.02)

    def r(targets) -> float:
        pairs = zip(openings_by(real, targets), real, strict=True)
        return float(np.mean([np.corrcoef(each, m.clip.opening)[0, 1] for each, m in pairs]))

    assert r(PHONETIC) < 0.97 and r(found) > 0.995
    jaw = {s: found.of_symbol[s][ph.JAW].value / found.of_symbol["a"][ph.JAW].value for s in "it"}
    assert jaw["i"] == pytest.approx(0.76, abs=0.12)  # of 0.36 before
    assert jaw["t"] == pytest.approx(0.14, abs=0.12)  # of 0.34 before
