"""Label files of HTK, festival, Audacity, Kaldi: units, missing ends, several recordings in one
file.
"""

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, TranscriptFileWarning

WORDS = (Spoken("the", 0.25, 0.5), Spoken("birch", 0.5, 1.0))
MASTER = '"*/talk.lab"\n2500000 5000000 the\n5000000 10000000 birch\n.\n'
FILES = {
    "units": ("talk.lab", "0 2500000 sil\n2500000 5000000 the\n5000000 10000000 birch\n"),
    "GRID, thousandths of a picture": (
        "talk.align",
        "0 6250 sil\n6250 12500 the\n12500 25000 birch\n",
    ),
    "tabs and quotes": ("talk.LAB", '2500000\t5000000\t"the"\n5000000\t10000000\t"birch"\n'),
    "scores": ("talk.lab", "2500000 5000000 the -71.3\n5000000 10000000 birch 1e-3 -5\n"),
    "seconds, some of them whole": ("talk.lab", "0 .25 sil\n0.25 0.5 the\n0.5 1 birch\n"),
    "commas": ("talk.lab", "0,25 0,5 the\r\n0,5 1,0 birch\r\n"),
    "no ends": ("talk.lab", "0 sil\n2500000 the\n5000000 birch\n10000000 sil\n"),
    "festival": (
        "talk.lab",
        "separator ;\nnfields 1\n#\n 0.2500  100 \tpau\n 0.5000 100 the\n 1.0 121 birch\n",
    ),
    "htk behind a mark": ("talk.lab", "#\n2500000 5000000 the\n5000000 10000000 birch\n"),
    "buckeye": (
        "talk.words",
        "color 121\nseparator ;\n#\n 0.25 122 <SIL>; B; B; null\n 0.5 122 the; dh ah; DT\n 1.0 "
        "122 birch; b er; NN\n",
    ),
    "master": ("talk.mlf", f'#!MLF!#\n"*/b.lab"\n0 5000000 no\n.\n{MASTER}'),
    "master of one": ("x.lab", f"#!MLF!#\n{MASTER}"),
    "audacity": (
        "talk.txt",
        "0.250000\t0.500000\tthe\n\\\t0.0\t8000.0\n0.500000\t1.000000\tbirch\n",
    ),
    "audacity with commas": ("talk.txt", "0,250000\t0,500000\tthe\n0,500000\t1,000000\tbirch\n"),
    "labels called text": ("talk.txt", "0.25 0.5 the\n0.5 1.0 birch\n"),
    "ctm": (
        "talk.ctm",
        ";; made here\ntalk 1 0.25 0.25 the 0.98\ntalk 1 0.75 0.1 <eps>\ntalk 1 0.5 0.5 birch\n",
    ),
    "ctm of several": (
        "talk.ctm",
        "b 1 0.25 0.25 no\ntalk A 0.25 0.25 the\ntalk A 0.5 0.5 birch\n",
    ),
}


@pytest.mark.parametrize(("name", "content"), FILES.values(), ids=FILES)
def test_each_kind_gives_the_same_words_at_the_same_times(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    found = read_transcript(tmp_path / name)
    assert (found.spoken, found.unit, found.text) == (WORDS, "word", "the birch")


@pytest.mark.parametrize(
    ("content", "unit"),
    [
        ("4000 8000 the\n8000 16000 birch\n", "samples at 16000 Hz"),
        ("250 500 the\n500 1000 birch\n", "milliseconds"),
    ],
)
@pytest.mark.parametrize("name", ["talk.wrd", "talk.lab"])
def test_samples_of_timit_and_milliseconds_are_known_by_their_length(name, content, unit, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.warns(TranscriptFileWarning, match=f"taken as {unit}"):
        assert read_transcript(tmp_path / name).spoken == WORDS


def test_whole_seconds_are_no_units_of_100_ns(tmp_path):
    (tmp_path / "talk.lab").write_text("0 1 the\n1 2 birch\n")
    assert read_transcript(tmp_path / "talk.lab").spoken == (
        Spoken("the", 0, 1),
        Spoken("birch", 1, 2),
    )


@pytest.mark.parametrize("name", ["all.ctm", "all.mlf"])
def test_a_file_of_several_recordings_is_read_for_the_one_that_is_asked(name, tmp_path):
    ctm = "b 1 0.25 0.25 no\ntalk 1 0.5 0.5 birch\n"
    mlf = '#!MLF!#\n"*/b.lab"\n0.25 0.5 no\n.\n"*/talk.lab"\n0.5 1.0 birch\n.\n'
    (tmp_path / name).write_text(ctm if name == "all.ctm" else mlf)
    assert read_transcript(tmp_path / name, recording="x/talk.wav").spoken == (
        Spoken("birch", 0.5, 1.0),
    )
    with pytest.raises(InputError, match=r"of 2 recordings \(b, talk .*none of them called other"):
        read_transcript(tmp_path / name, recording="other.wav")


def test_a_broken_label_among_good_ones_is_named_and_left_out(tmp_path):
    (tmp_path / "talk.lab").write_text(
        "0.25 0.5 the\nlost\n0.5 1.0 birch\n1.0 1.5 canoe\n" + "nine " * 100_000
    )
    with pytest.warns(
        TranscriptFileWarning,
        match=r"line 2: 'lost'; need `start end label`.*1 more like it: line 5",
    ):
        assert read_transcript(tmp_path / "talk.lab").text == "the birch canoe"
