"""The times of phones beside a recording, in the files of several programs, and what is wrong with
them.
"""

import pytest

from ksdiff_jax.data.corpus.recordings.phone_times import (
    SpeechTimes,
    check_inside,
    read_times,
)
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.spoken_words import Spoken

PHONES = (Spoken("M", 0.1, 0.25), Spoken("AA1", 0.25, 0.5))
TIER = (
    '"IntervalTier"\n"{}"\n0\n1\n4\n0\n0.1\n"sil"\n0.1\n0.25\n"M"\n0.25\n0.5\n"AA1"\n0.5\n1\n""\n'
)
WORDS = '"IntervalTier"\n"words"\n0\n1\n2\n0.1\n0.5\n"ma"\n0.5\n1\n""\n'
HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n'
LONG = """File type = "ooTextFile"
Object class = "TextGrid"
xmin = 0
xmax = 1
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "MAU"
        xmin = 0
        xmax = 1
        intervals: size = 2
        intervals [1]:
            xmin = 0.1
            xmax = 0.25
            text = "M"
        intervals [2]:
            xmin = 0.25
            xmax = 0.5
            text = "AA1"
"""


def written(folder, name, text, encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text", [LONG, HEAD + "1\n" + TIER.format("phones"), HEAD + "1\n" + TIER.format("Ada - phones")]
)
def test_textgrids_of_both_forms_and_all_encodings(tmp_path, text, encoding):
    assert read_times(written(tmp_path, "a.TextGrid", text, encoding)) == SpeechTimes(PHONES)


def test_words_are_read_beside_the_phones(tmp_path):
    path = written(tmp_path, "a.TextGrid", HEAD + "2\n" + WORDS + TIER.format("phones"))
    assert read_times(path) == SpeechTimes(PHONES, (Spoken("ma", 0.1, 0.5),))


@pytest.mark.parametrize(
    "text",
    [
        "0 1000000 sil\n1000000 2500000 M\n2500000 5000000 AA1 -612.3\n",  # HTK
        "0 1000000 x^x-sil+M=AA1@0\n1000000 2500000 x^sil-M+AA1=x\n2500000 5000000 sil^M-AA1+x=x\n",
        "0.0 0.1 sil\n0.1 0.25 M\n0.25 0.5 AA1\n",  # seconds
        "separator ;\nnfields 1\n#\n0.1 26 sil\n0.25 26 M\n0.5 26 AA1 ; more\n",  # festival
        "0 1600 h#\n1600 4000 M\n4000 8000 AA1\n",  # samples, as in TIMIT
    ],
)
@pytest.mark.filterwarnings("ignore:.*taken as samples")
def test_label_files_in_every_unit(tmp_path, text):
    found = read_times(written(tmp_path, "a.lab", text))
    assert [phone.text for phone in found.phones] == ["M", "AA1"]
    assert [phone[1:] for phone in found.phones] == [pytest.approx(phone[1:]) for phone in PHONES]


def test_a_file_of_words_has_no_times_of_phones(tmp_path):
    assert read_times(written(tmp_path, "a.TextGrid", HEAD + "1\n" + WORDS)) is None
    assert read_times(written(tmp_path, "a.lab", "the birch canoe\n")) is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.lab", "0.0 0.3 M\n0.2 0.5 AA1\n", "begins at 0.2 s, before 0.3 s"),
        ("a.lab", "0.0 0.3 M\n0.4 0.35 AA1\n", "from 0.4 to 0.35 s"),
        ("a.lab", "0.0 0.3 M\nno times here\n", "line 2.*need `start end label`"),
        ("a.TextGrid", HEAD + "1\n" + TIER.format("phones").replace("0.1", "-0.1"), "-0.1"),
        ("a.TextGrid", HEAD + "1\n" + TIER.format("x"), "no tier of phones among.*'x'"),
        ("a.TextGrid", HEAD + "2\n" + TIER.format("A - phones") + TIER.format("B - phones"), "2 t"),
        ("a.TextGrid", HEAD + "1\n" + TIER.format("phones")[:-20], "not complete"),
        ("a.TextGrid", "phones\n", "not a TextGrid"),
    ],
)
def test_what_is_wrong_with_times_is_told_in_one_line(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_times(written(tmp_path, name, text))
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_times_belong_to_the_recording(tmp_path):
    times = SpeechTimes(PHONES, (Spoken("ma", 0.1, 0.5),))
    assert check_inside(tmp_path, times, duration_s=2.0) == times
    cut = check_inside(tmp_path, times, duration_s=0.48)  # rounded up by the aligner
    assert cut.phones[-1].end_s == cut.words[-1].end_s == 0.48
    with pytest.raises(InputError, match=r"up to 0\.50 s, the recording lasts 0\.30 s"):
        check_inside(tmp_path, times, duration_s=0.3)
    with pytest.raises(InputError, match="100 ns"):
        check_inside(tmp_path, times, duration_s=30.0)
