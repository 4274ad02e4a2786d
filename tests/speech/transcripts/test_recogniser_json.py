"""JSON and tables of recognisers and aligners, by their published layouts."""

import json

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, write_words

THE, BIRCH = {"start": 0.25, "end": 0.5}, {"start": 0.5, "end": 1.0}
WORDS = (Spoken("the", 0.25, 0.5), Spoken("birch", 0.5, 1.0))
LINE = (Spoken("the birch", 0.25, 1.0),)
SEGMENT = {"id": 0, "start": 0.25, "end": 1.0, "text": " the birch"}
BOTH = [{"word": " the", "probability": 0.9} | THE, {"word": " birch"} | BIRCH]
FILES = {
    "whisper": (
        {"text": " the birch", "segments": [SEGMENT | {"words": BOTH}], "language": "en"},
        WORDS,
    ),
    "whisper without words": ({"text": " the birch", "segments": [SEGMENT]}, LINE),
    "segments alone": ([SEGMENT], LINE),
    "openai": (
        {"task": "transcribe", "text": "the birch", "words": BOTH, "segments": [SEGMENT]},
        WORDS,
    ),
    "whisper.cpp": (
        {"transcription": [{"offsets": {"from": 250, "to": 1000}, "text": " the birch"}]},
        LINE,
    ),
    "transformers": (
        {"text": " the birch", "chunks": [{"text": " the birch", "timestamp": [0.25, 1.0]}]},
        LINE,
    ),
    "transformers, words": (
        {
            "text": "the birch",
            "chunks": [
                {"text": " the", "timestamp": [0.25, 0.5]},
                {"text": " birch", "timestamp": [0.5, 1.0]},
            ],
        },
        WORDS,
    ),
    "vosk": (
        {
            "result": [{"conf": 1.0, "word": "the"} | THE, {"conf": 1.0, "word": "birch"} | BIRCH],
            "text": "the birch",
        },
        WORDS,
    ),
    "gentle": (
        {
            "transcript": "The birch",
            "words": [{"case": "success", "word": "the"} | THE, {"word": "birch"} | BIRCH],
        },
        WORDS,
    ),
    "aligner": (
        {
            "start": 0,
            "end": 1,
            "tiers": {"words": {"entries": [[0.25, 0.5, "the"], [0.5, 1.0, "birch"]]}},
        },
        WORDS,
    ),
    "aeneas": (
        {"fragments": [{"begin": "0.250", "end": "1.000", "id": "f1", "lines": ["the birch"]}]},
        LINE,
    ),
    "sounds": (
        {
            "segments": [SEGMENT, {"start": 1.0, "end": 2.0, "text": "[Music]"}],
            "text": "the birch [Music]",
        },
        LINE,
    ),
}


@pytest.mark.parametrize("name", ["talk.json", "talk.txt", "talk.JSON"])
@pytest.mark.parametrize(("content", "spoken"), FILES.values(), ids=FILES)
def test_what_a_recogniser_wrote_is_read_with_its_times(content, spoken, name, tmp_path):
    (tmp_path / name).write_text(json.dumps(content))
    found = read_transcript(tmp_path / name)
    assert (found.text, found.spoken) == ("the birch", spoken)


def test_a_word_without_times_lies_between_its_neighbours(tmp_path):
    words = [{"word": "the"} | THE, {"word": "3"}, {"word": "birch", "start": 0.7, "end": 1.0}]
    (tmp_path / "talk.json").write_text(
        json.dumps({"segments": [SEGMENT | {"text": "the 3 birch", "words": words}]})
    )
    assert read_transcript(tmp_path / "talk.json").spoken[1] == Spoken("3", 0.5, 0.7)


def test_times_that_are_no_numbers_and_half_characters_do_no_harm(tmp_path):
    path = tmp_path / "talk.json"
    path.write_text(
        '{"text": "a \\ud83d", "segments": [{"start": NaN, "end": 1, "text": "a \\ud83d"}]}'
    )
    found = read_transcript(path)
    assert found.spoken == (Spoken("a \ufffd", 0.0, 1.0),)
    write_words(tmp_path / "talk.words.json", found)
    json.loads((tmp_path / "talk.words.json").read_text(), parse_constant=pytest.fail)


def test_words_that_were_written_are_read_back(tmp_path):
    path = tmp_path / "talk.words.json"
    for unit, spoken in (("word", WORDS), ("line", LINE)):
        write_words(path, Transcript("the birch", "talk.lab", unit, spoken))
        assert read_transcript(path) == Transcript("the birch", str(path), unit, spoken)


def test_an_arrow_in_json_is_text(tmp_path):
    content = {"text": "10:30 --> 11:00", "segments": [SEGMENT | {"text": "10:30 --> 11:00"}]}
    (tmp_path / "talk.json").write_text(json.dumps(content, indent=1))
    assert read_transcript(tmp_path / "talk.json").text == "10:30 --> 11:00"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"title": "x"}', "JSON, but not of Whisper"),
        ('{"text": "x",\n "segments": [', "line 2: not JSON"),
        ("[" * 100_000, "line 1: not JSON that can be read"),
        ("9" * 5_000, "line 1: not JSON that can be read"),
    ],
)
def test_other_json_is_refused_in_one_line(content, sentence, tmp_path):
    (tmp_path / "talk.json").write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_transcript(tmp_path / "talk.json")


TABLES = {
    "whisper": ("talk.tsv", "start\tend\ttext\n250\t1000\tthe birch\n", LINE),
    "whisper.cpp": ("talk.csv", 'start,end,text\n250,1000," the birch"\n', LINE),
    "aligner": (
        "talk.CSV",
        "Begin,End,Label,Type,Speaker\n0.25,0.5,the,words,ada\n0.25,0.3,DH,phones,ada\n0.5,1.0,birch,words,ada\n",
        WORDS,
    ),
    "semicolons and decimal commas": (
        "talk.csv",
        "Start;End;Text\n0,25;0,5;the\n0,5;1,0;birch\n",
        WORDS,
    ),
}


@pytest.mark.parametrize(("name", "content", "spoken"), TABLES.values(), ids=TABLES)
def test_tables_are_read_by_their_headings(name, content, spoken, tmp_path):
    (tmp_path / name).write_text(content)
    assert read_transcript(tmp_path / name).spoken == spoken


ELAN = "ada\t\t00:00:00.250\t0.25\t00:00:00.500\t0.5\t00:00:00.250\t0.25\tthe\n"
ELAN_ROWS = {
    "all forms": ELAN + "ada\t\t00:00:00.500\t0.5\t00:00:01.000\t1.0\t00:00:00.500\t0.5\tbirch\n",
    "seconds": "ada\t\t0.25\t0.5\t0.25\tthe\nada\t\t0.5\t1.0\t0.5\tbirch\n",
    "empty ones": f"{ELAN}ada\t\t0.6\t0.7\t\nada\t\t0.5\t1.0\tbirch\n",
}


@pytest.mark.parametrize("content", ELAN_ROWS.values(), ids=ELAN_ROWS)
def test_rows_without_a_heading_are_timed_and_no_time_is_spoken(content, tmp_path):
    (tmp_path / "talk.txt").write_text(content)
    assert read_transcript(tmp_path / "talk.txt").spoken == WORDS


OTHER_UNITS = {
    "assemblyai": {
        "words": [
            {"text": "the", "start": 250, "end": 500},
            {"text": "birch", "start": 500, "end": 1000},
        ]
    },
    "premiere": {
        "segments": [
            {
                "words": [
                    {"text": "the", "start": 0.25, "duration": 0.25},
                    {"text": "birch", "start": 0.5, "duration": 0.5},
                ]
            }
        ]
    },
}


@pytest.mark.parametrize("content", OTHER_UNITS.values(), ids=OTHER_UNITS)
def test_milliseconds_and_durations_become_seconds_and_ends(content, tmp_path):
    (tmp_path / "talk.json").write_text(json.dumps(content))
    assert read_transcript(tmp_path / "talk.json").spoken == WORDS
