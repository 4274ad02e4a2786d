"""TextGrids in every format that Praat has written, and the tier with the words."""

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, TranscriptFileWarning

WORDS = ((0, 0.5, ""), (0.5, 1, "the"), (1, 2, "birch"))
SPOKEN = (Spoken("the", 0.5, 1), Spoken("birch", 1, 2))


def grid(*tiers, xmin=0, xmax=2):
    """Praat's long form, of (name, intervals)."""
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        f"xmin = {xmin} ",
        f"xmax = {xmax} ",
    ]
    lines += ["tiers? <exists> ", f"size = {len(tiers)} ", "item []: "]
    for number, (name, intervals) in enumerate(tiers, start=1):
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier" ',
            f'        name = "{name}" ',
        ]
        lines += [
            f"        xmin = {xmin} ",
            f"        xmax = {xmax} ",
            f"        intervals: size = {len(intervals)} ",
        ]
        for index, (start, end, label) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start} ",
                f"            xmax = {end} ",
            ]
            lines += [f'            text = "{label}" ']
    return "\n".join(lines) + "\n"


def read(folder, content, name="talk.TextGrid"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcript(folder / name)


TIER = '"IntervalTier"\n"words"\n0\n2\n3\n0\n.5\n""\n.5\n1\n"the"\n1\n2\n"birch"\n'
FORMS = {
    "long": grid(("words", WORDS)),
    "short": f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n1\n{TIER}',
    "old short": f'File type = "ooTextFile short"\n"TextGrid"\n\n0\n2\n<exists>\n1\n{TIER}',
    "chronological": '"Praat chronological TextGrid text file"\n0 2   ! Time domain.\n2   ! '
                     'Number of tiers.\n'
    '"IntervalTier" "words" 0 2\n"TextTier" "bell" 0 2\n\n1 0 0.5\n""\n2 0.3\n"ding"\n'
    '1 .5 1 ! not "this" 7\n"the"\n1 1e0 2\n"birch"\n',
    "commas": grid(("words", (("-0", "0,5", ""), ("0,5", "1,0", "the"), ("1,", "2", "birch")))),
    "comments": grid(("words", WORDS)).replace("size = 1 \n", 'size = 1 ! one "tier" 5\n'),
    "points before": '"ooTextFile"\n"TextGrid"\n0 2 <exists> 2\n"TextTier" "word" 0 2 1 0.3 '
                     f'"x"\n{TIER}',
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("name", ["talk.TextGrid", "talk.textgrid", "talk.txt"])
@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_every_form_holds_the_same_words(content, name, encoding, tmp_path):
    assert read(tmp_path, content.encode(encoding), name).spoken == SPOKEN


@pytest.mark.parametrize(
    "name", ["word", "Words", "ORT-MAU", "ada - words", "words_ada", "Mary", "utterance"]
)
def test_the_words_are_found_beside_tiers_of_phones(name, tmp_path):
    tiers = (
        ("phones", ((0, 2, "AH0"),)),
        ("MAU", ((0, 2, "a:"),)),
        (name, WORDS),
        ("ada - phones", ((0, 2, "x"),)),
    )
    assert read(tmp_path, grid(*tiers)).spoken == SPOKEN


def test_of_two_speakers_one_is_read_and_the_other_named(tmp_path):
    with pytest.warns(
        TranscriptFileWarning, match=r"the tier 'ada - words' is read instead of 'bob - words'"
    ):
        found = read(tmp_path, grid(("ada - words", WORDS), ("bob - words", ((0, 2, "yes"),))))
    assert found.spoken == SPOKEN
    quiet = read(tmp_path, grid(("bob - words", ((0, 2, ""),)), ("ada - words", WORDS)))
    assert quiet.spoken == SPOKEN


def test_a_piece_that_was_cut_out_begins_at_its_own_start(tmp_path):
    with pytest.warns(TranscriptFileWarning, match="begins at 5 s"):
        found = read(
            tmp_path, grid(("words", ((5, 5.5, "the"), (5.5, 7, "birch"))), xmin=5, xmax=7)
        )
    assert found.spoken == (Spoken("the", 0, 0.5), Spoken("birch", 0.5, 2))


def test_labels_are_read_as_praat_shows_them(tmp_path):
    labels = (
        (0, 0.5, "the\nbig"),
        (0.5, 1, 'say ""x""'),
        (1, 1.5, "\\e't\\e'"),
        (1.5, 2, 'Gr\\o""\\sse'),
    )
    found = read(tmp_path, grid(("words", labels)))
    assert [item.text for item in found.spoken] == [
        "the big",
        'say "x"',
        "été",
        "Größe",
    ] and found.unit == "line"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (grid(("phones", ((0, 2, "AH0"),))), "no tier of words, only 'phones'"),
        (
            grid(("silences", ((0, 1, "silent"), (1, 2, "sounding")))),
            "no tier of words, only 'silences'",
        ),
        (
            'File type = "ooTextFile"\nObject class = "Pitch 1"\n\n0\n2\n',
            "not a TextGrid in text form",
        ),
        ('"ooTextFile" "TextGrid" 0 1 <exists> 1e12', r"line 1: 1e\+12 where the number of tiers"),
    ],
)
def test_what_holds_no_words_is_refused(content, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, content)
