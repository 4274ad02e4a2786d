"""SubStation Alpha, lyrics and notes with times, timed text in XML, plain text."""

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.spoken_words import Spoken


def read(folder, name, content):
    (folder / name).write_text(content)
    return read_transcript(folder / name)


@pytest.mark.parametrize("name", ["talk.ass", "talk.SSA", "talk.txt"])
def test_the_dialogue_of_substation_alpha_is_read_without_its_overrides(name, tmp_path):
    line = "0:00:01.00,0:00:02.50,Default,Ada,0,0,0,,"
    found = read(
        tmp_path,
        name,
        "[Script Info]\nTitle: x\n\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: "
        "Default,Arial\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        f"Comment: 0,{line}not this\nDialogue: 0,{line}{{\\i1}}What, is\\N{{\\k20}}said.\n"
        f"Dialogue: 1,{line}{{\\b1}}What, is\\Nsaid.\nDialogue: 0,{line}{{\\an7\\p1}}m 0 0 l 10 "
        f"10{{\\p0}}\n",
    )
    assert found.spoken == (Spoken("What, is said.", 1.0, 2.5),)


def test_lyrics_have_several_times_a_line_and_an_offset(tmp_path):
    found = read(
        tmp_path,
        "talk.lrc",
        "[ar:Ada]\n[offset:+500]\n[00:01.50]What is\n[00:02.00][00:08.00]said.\n",
    )
    assert found.spoken == (
        Spoken("What is", 1.0, 1.5),
        Spoken("said.", 1.5, 7.5),
        Spoken("said.", 7.5, 7.5),
    )
    words = read(
        tmp_path, "talk.lrc", "[00:01.50] <00:01.50>What <00:01.80>is\n[00:03.00] <00:03.00>said\n"
    )
    assert words.unit == "word"
    assert words.spoken == (
        Spoken("What", 1.5, 1.8),
        Spoken("is", 1.8, 3.0),
        Spoken("said", 3.0, 3.0),
    )


@pytest.mark.parametrize(
    "content",
    [
        "[00:01] What is said,\n[00:03] and then.\n",
        "0:01\nWhat is said,\n0:03\nand then.\n",
        "(0:01) What is said,\n(0:03) and then.\n",
        "00:01 - 00:03 What is said,\n00:03 - 00:05 and then.\n",
        "00:00:01:What is said,\n00:00:03:and then.\n",
        "Ada  0:01\nWhat is said,\n\nSpeaker 2  0:03\nand then.\n",
        "[Ada] 00:00:01\nWhat is said,\n[Bob] 00:00:03\nand then.\n",
        "Ada (00:01):\nWhat is said,\n\nBob (00:03):\nand then.\n",
        "Ada  0:01\nWhat is said,\n\nBob  0:03\nand then.\n\nTranscribed by https://otter.ai\n",
    ],
)
def test_times_before_lines_of_plain_text_are_times(content, tmp_path):
    found = read(tmp_path, "talk.txt", content)
    assert found.spoken == (Spoken("What is said,", 1, 3), Spoken("and then.", 3, 3))


TTML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" '
    'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" '
    'ttp:frameRate="25">\n<body><div>{}</div></body></tt>'
)


@pytest.mark.parametrize(
    "times",
    [
        'begin="00:00:01.000" end="00:00:02.500"',
        'begin="1s" dur="1500ms"',
        'begin="25f" end="62.5f"',
        'begin="00:00:01:00" end="2.5s"',
    ],
)
def test_timed_text_is_read_with_times_of_every_form(times, tmp_path):
    found = read(
        tmp_path,
        "talk.ttml",
        TTML.format(f"<p {times}>What <span>is</span><br/>said &amp; done.</p>"),
    )
    assert found.spoken == (Spoken("What is said & done.", 1.0, 2.5),)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aa">]><tt><p begin="0s" '
            'end="1s">&a;</p></tt>',
            "a DOCTYPE",
        ),
        ("<?xml version='1.0'?>\n<ANNOTATION_DOCUMENT/>", "XML, but not timed text"),
        ('<tt><p begin="1s" end="2s">x', "not XML that can be read"),
    ],
)
@pytest.mark.parametrize("name", ["talk.ttml", "talk.txt", "talk.eaf"])
def test_other_xml_is_refused_in_one_line(name, content, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, name, content)


def test_long_lines_take_time_in_proportion_to_their_length(tmp_path):
    for line in (
        "a" + " " * 1_000_000 + "b",
        "word " * 200_000,
        "[" * 1_000_000,
        ". " * 500_000,
        "1" * 1_000_000,
    ):
        assert len(read(tmp_path, "talk.txt", f"{line}\nend").text) >= 3


PLAIN = {
    "10:30 we met.": "10:30 we met.",
    "# Title\n\nThis is **bold** and a [link](http://x.y).\n\n---\n": "Title\nThis is bold and a "
    "link.",
    "[Music]\nHello (well, you know) there.\n": "Hello (well, you know) there.",
    "0 46797 She had your dark suit.\n": "She had your dark suit.",
    "Hello there.\n\nSecond line.\n": "Hello there.\nSecond line.",
    "snake_case and 2 * 3 * 4": "snake_case and 2 * 3 * 4",
    "{0}{25}Hello|there\n{25}{50}world\n": "Hello\nthere\nworld",
    "{well} then": "{well} then",
    "We met; see 10:30 --> 11:00": "We met; see 10:30 --> 11:00",
}


@pytest.mark.parametrize(("written", "said"), PLAIN.items(), ids=PLAIN)
def test_plain_text_is_said_as_it_stands(written, said, tmp_path):
    assert read(tmp_path, "talk.txt", written).text == said
