"""`--phonemes` of `export` and `animate`: a file of phones, a folder of them, what is refused."""

import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.export.take import Take
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, write_words

GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
1
"IntervalTier"
"phones"
0
1
4
0 0.2 ""
0.2 0.5 "B"
0.5 0.8 "IY1"
0.8 1 ""
"""
FILES = {
    "talk.TextGrid": GRID,
    "talk.lab": "0 2000000 sil\n2000000 5000000 b\n5000000 8000000 iy\n8000000 10000000 sil\n",
    "talk.ctm": "other 1 0 0.5 aa\ntalk 1 0.2 0.3 B_B\ntalk 1 0.5 0.3 IY1_E\n",
    "talk.phn": "0 3200 h#\n3200 8000 b\n8000 12800 iy\n12800 16000 h#\n",
}


@pytest.fixture
def motion(tmp_path, monkeypatch):
    """A motion file of one second, whose weights are not solved for."""
    monkeypatch.setattr(Take, "_solved", property(lambda take: np.zeros((len(take.motion), 52))))
    numbers = np.zeros((25, BUILTIN.width))
    return MotionClip.from_coefficients(numbers, fps=25.0).save(tmp_path / "talk.motion.npz")


def export(capsys, motion, out, *more):
    words = ["export", motion, "--format", "visemes", "--out", out, *more]
    status = main(list(map(str, words)))
    return status, capsys.readouterr().err.splitlines()


def cues(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["source"] == "phonemes"
    return [(cue["viseme"], round(cue["start"], 2)) for cue in content["cues"]]


@pytest.mark.parametrize("name", FILES)
def test_visemes_are_those_of_the_phones_of_any_format(capsys, motion, tmp_path, name):
    (tmp_path / "given").mkdir()
    file = tmp_path / "given" / name
    file.write_text(FILES[name], encoding="utf-8")
    for given, out in ((file, tmp_path / "a"), (file.parent, tmp_path / "b")):
        status, err = export(capsys, motion, out, "--phonemes", given)
        assert status == 0, err
        assert cues(out / "talk.visemes.json") == [
            ("sil", 0.0),
            ("PP", 0.2),
            ("ih", 0.52),
            ("sil", 0.8),
        ]


def test_phones_beside_the_motion_go_with_it_and_with_its_samples(capsys, motion, tmp_path):
    phones = (Spoken("b", 0.2, 0.5), Spoken("ˈi", 0.5, 0.8))
    write_words(tmp_path / "talk.words.json", Transcript("", ""), phones=phones)
    sample = motion.rename(tmp_path / "talk.2.motion.npz")
    assert export(capsys, sample, tmp_path / "o")[0] == 0
    assert [name for name, _ in cues(tmp_path / "o" / "talk.2.visemes.json")] == [
        "sil",
        "PP",
        "ih",
        "sil",
    ]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("talk.lab", "0 2000000 hello\n2000000 5000000 there\n", "are no phones of"),
        ("talk.lab", "0 2000000 sil\n2000000 90000000 iy\n", "the recording lasts 1.00 s"),
        ("talk.lab", "hello there\n", "no times of phones"),
        ("talk.TextGrid", "talk", "not a TextGrid"),
        ("talk.words.json", "{}", "not a file of words"),
        ("talk.words.json", '{"schema": "ksdiff-words/1", "unit": "word", "spoken": []}', "phones"),
    ],
)
def test_a_file_without_phones_is_one_line_and_nothing_is_written(
    capsys, motion, tmp_path, name, text, line
):
    (tmp_path / name).write_text(text)
    status, err = export(capsys, motion, tmp_path / "o", "--phonemes", tmp_path / name)
    assert status == 2 and len(err) == 1 and line in err[0] and name in err[0]
    assert not (tmp_path / "o").exists()


def test_a_file_for_several_recordings_and_an_absent_one_are_refused(capsys, motion, tmp_path):
    status, err = export(capsys, motion, tmp_path / "o", "--phonemes", tmp_path / "no.lab")
    assert status == 2 and "no.lab: no such file" in err[0]
    (tmp_path / "talk.lab").write_text(FILES["talk.lab"])
    given = ["--out", str(tmp_path / "o"), "--phonemes", str(tmp_path / "talk.lab")]
    status = main(["animate", "a.wav", "b.wav", *given])
    assert status == 2 and "one file for several recordings" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    status, err = export(capsys, motion, tmp_path / "o", "--phonemes", tmp_path / "empty")
    assert status == 2 and "no file talk.*" in err[0] and len(err) == 1


def test_a_file_of_phones_is_not_overwritten(capsys, motion, tmp_path):
    out = tmp_path / "talk.words.TextGrid"
    out.write_text(GRID)
    words = ["export", motion, "--format", "words", "--out", tmp_path, "--phonemes", out]
    assert main([*map(str, words), "--overwrite"]) == 2
    assert "talk.words.TextGrid" in capsys.readouterr().err and out.read_text() == GRID
