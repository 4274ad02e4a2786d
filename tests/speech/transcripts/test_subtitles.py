"""Irregular SubRip, WebVTT and SubViewer, each with the text and times that a reader of the format
should find.
"""

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, TranscriptFileWarning


def cue(number, start, end, text):
    return (
        "" if number is None else f"{number}\n"
    ) + f"00:00:0{start},000 --> 00:00:0{end},000\n{text}\n"


def read(folder, content, name="talk.srt"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcript(folder / name)


@pytest.mark.parametrize(
    ("times", "start_s", "end_s"),
    [
        ("00:00:01 --> 00:00:02", 1, 2),
        ("00:01,000 --> 00:02,000", 1, 2),
        ("00:00:01.000 --> 00:00:02.000", 1, 2),
        ("00:00:01:000 --> 00:00:02:500", 1, 2.5),
        ("0:0:1,5 --> 0:0:2,75", 1.5, 2.75),
        ("00:00:01,1250000 --> 00:00:02,000", 1.125, 2),
        ("00: 00: 01, 000 --> 00: 00: 02, 000", 1, 2),
        ("00:00:01,000-->00:00:02,000", 1, 2),
        ("\t00:00:01,000\t-->\t00:00:02,000\t", 1, 2),
        ("00:00:01,000 -> 00:00:02,000", 1, 2),
        ("00:00:01,000 –> 00:00:02,000", 1, 2),
        ("00:00:01,000 → 00:00:02,000", 1, 2),
        ("00:00:01,000 --&gt; 00:00:02,000", 1, 2),
        ("00:00:01,000 - 00:00:02,000", 1, 2),
        ("00:00:01,000 --> 00:00:02,000  X1:100 X2:200 Y1:10 Y2:20", 1, 2),
        ("100:00:01,000 --> 100:00:02,000", 360_001, 360_002),
        ("٠٠:٠٠:٠١,٠٠٠ --> ٠٠:٠٠:٠٢,٠٠٠", 1, 2),
    ],
)
def test_a_time_line_is_read_as_people_write_it(times, start_s, end_s, tmp_path):
    assert read(tmp_path, f"1\n{times}\nHello\n").spoken == (Spoken("Hello", start_s, end_s),)


FORMS = {
    "no blank lines": (
        cue(1, 1, 2, "Say") + cue(2, 2, 3, "42") + cue(3, 3, 4, "now"),
        "Say 42 now",
    ),
    "no counters": (
        cue(None, 1, 2, "Say") + cue(None, 2, 3, "42") + cue(None, 3, 4, "now"),
        "Say 42 now",
    ),
    "a number that is the second line": (
        cue(1, 1, 2, "Say\n42") + cue(2, 3, 4, "now"),
        "Say 42 now",
    ),
    "counters out of order": (
        cue(7, 1, 2, "Say") + cue(7, 2, 3, "it") + cue(3, 3, 4, "now"),
        "Say it now",
    ),
    "counters that are no numbers": (
        cue("a1", 1, 2, "Say") + "\n" + cue("b2", 2, 3, "now"),
        "Say now",
    ),
    "two files joined": (
        cue(1, 1, 2, "a") + cue(2, 2, 3, "b") + cue(1, 3, 4, "c") + cue(2, 4, 5, "d"),
        "a b c d",
    ),
    "a blank line in a cue": (
        cue(1, 1, 2, "Hello\n\nthere") + "\n" + cue(2, 2, 3, "world"),
        "Hello there world",
    ),
    "every second line blank": (
        cue(1, 1, 2, "Hello").replace("\n", "\n\n") + cue(2, 2, 3, "you"),
        "Hello you",
    ),
    "a last counter alone": (cue(1, 1, 2, "Hello") + "\n2\n", "Hello"),
    "a last number that is said": (cue(1, 1, 2, "Hello\n\n7"), "Hello 7"),
    "text on the time line": ("1\n00:00:01,000 --> 00:00:02,000 Hello there\n", "Hello there"),
    "counter on the time line": ("1 00:00:01,000 --> 00:00:02,000\nHello\n", "Hello"),
    "repeated words": ("".join(cue(n, n, n + 1, "no") for n in (1, 2, 3)), "no no no"),
    "out of order": (cue(2, 4, 5, "world") + "\n" + cue(1, 1, 2, "Hello"), "Hello world"),
    "carriage returns": (
        (cue(1, 1, 2, "Hello") + "\n" + cue(2, 2, 3, "world")).replace("\n", "\r"),
        "Hello world",
    ),
    "a mark and zero bytes": ("\ufeff" + cue(1, 1, 2, "Hel\0lo") + "\0\0", "Hello"),
    "counters as words": ("".join(cue(n, n, n + 1, n + 1) for n in (1, 2, 3)), "2 3 4"),
    "one word more each time": (
        cue(1, 1, 2, "go") + cue(2, 2, 3, "go") + cue(3, 3, 4, "go go"),
        "go go go go",
    ),
    "an arrow that is said": (cue(1, 1, 2, "go --> there"), "go --> there"),
}


@pytest.mark.parametrize(("content", "text"), FORMS.values(), ids=FORMS)
def test_loose_subrip_gives_what_is_said_and_no_more(content, text, tmp_path):
    assert read(tmp_path, content).text == text


MARKS = {
    '<font color="#f00">Hel</font>lo <b>you': "Hello you",
    "{\\an8}<i>Hello</i>": "Hello",
    "<i Hello": "Hello",
    "{\\an8 Hello": "Hello",
    "{\\k20}Hel{\\k30}lo\\Nthere {i}you{/i}": "Hello there you",
    "if 3 < 5 and 7 > 2, I <3 you": "if 3 < 5 and 7 > 2, I <3 you",
    "salt &amp; pepper&nbsp;&lrm;AT&T &copyright": "salt & pepper AT&T &copyright",
    "<v.loud Ada>Hi <c.x.y>there</c> <lang en>you</lang></v>": "Hi there you",
    "<ruby>漢<rt>kan</rt></ruby>字": "漢字",
}


@pytest.mark.parametrize(("written", "said"), MARKS.items(), ids=MARKS)
def test_tags_and_entities_are_no_text(written, said, tmp_path):
    assert read(tmp_path, cue(1, 1, 2, written)).text == said


VTT = {
    "title, header lines, no blank line": "WEBVTT - title\nKind: x\nLanguage: en\n00:01.000 --> "
    "00:02.000\nHello\n",
    "no header": "00:01.000 --> 00:02.000\nHello\n",
    "subrip": cue(1, 1, 2, "Hello"),
    "a name that looks like text": "WEBVTT\n\nThis is a name\n00:01.000 --> 00:02.000 line:0 "
    "align:left\nHello\n",
    "asides": "WEBVTT\n\nNOTE a --> b\nmore\n\nSTYLE\n::cue { x }\n\nREGION\nid:f\n\n"
    "00:01.000 --> 00:02.000\nHello\n\nNOTE x\n",
    "joined pieces": "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n\nWEBVTT\nX: y\n\n00:01.000 --> "
    "00:02.000\nHello\n",
}


@pytest.mark.parametrize("name", ["talk.vtt", "talk.VTT", "talk.srt", "talk.txt"])
@pytest.mark.parametrize("content", VTT.values(), ids=VTT)
def test_subtitles_are_read_as_what_they_are_whatever_they_are_called(content, name, tmp_path):
    if name == "talk.srt" and content.startswith("00"):
        pytest.skip("the same as without a header")
    found = read(tmp_path, content, name)
    assert (found.text, found.spoken) == ("Hello", (Spoken("Hello", 1.0, 2.0),))


def test_subviewer_and_the_lines_that_whisper_prints_are_cues(tmp_path):
    subviewer = read(
        tmp_path, "0:00:01.000,0:00:02.000\nHello\n\n0:00:02.000,0:00:03.500\nworld\n", "talk.sbv"
    )
    printed = read(
        tmp_path, "[00:01.000 --> 00:02.000]  Hello\n[00:02.000 --> 00:03.500]  world\n", "talk.txt"
    )
    ranges = read(
        tmp_path,
        "00:00:01.000 - 00:00:02.000 Hello\n00:00:02.000 - 00:00:03.500 world\n",
        "talk.txt",
    )
    assert (
        subviewer.spoken
        == printed.spoken
        == ranges.spoken
        == (Spoken("Hello", 1, 2), Spoken("world", 2, 3.5))
    )


def test_times_tied_to_a_stream_are_told(tmp_path):
    with pytest.warns(TranscriptFileWarning, match="clock of a stream"):
        read(
            tmp_path,
            "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n00:01.000 --> "
            "00:02.000\nHi\n",
        )


YOUTUBE = (
    "WEBVTT\nKind: captions\nLanguage: en\n\n"
    "00:00:00.160 --> 00:00:02.310 align:start position:0%\n \n"
    "hello<00:00:00.400><c> and</c><00:00:00.600><c> you</c>\n\n"
    "00:00:02.310 --> 00:00:02.320 align:start position:0%\nhello and you\n \n\n"
    "00:00:02.320 --> 00:00:04.000 align:start position:0%\nhello and you\nto<00:00:02.500><c> "
    "this</c>\n\n"
    "00:00:04.000 --> 00:00:04.010 align:start position:0%\nto this\n \n\n"
    "00:00:04.010 --> 00:00:05.000 align:start position:0%\nto this\nokay\n"
)


def test_rolling_captions_with_word_times_give_each_word_once_at_its_time(tmp_path):
    found = read(tmp_path, YOUTUBE, "talk.vtt")
    assert found.unit == "word" and found.text == "hello and you to this okay"
    assert [word.start_s for word in found.spoken] == [0.16, 0.4, 0.6, 2.32, 2.5, 4.01]
    assert found.spoken[2].end_s == 2.31 and found.spoken[-1].end_s == 5.0


ROLLING = {
    "scrolled, with cues of 10 ms": (
        "1\n00:00:00,160 --> 00:00:02,310\nhello you\n\n2\n00:00:02,310 --> 00:00:02,320\nhello "
        "you\n\n"
        "3\n00:00:02,320 --> 00:00:04,000\nhello you\nto this\n",
        "hello you to this",
    ),
    "overlapping": (
        "00:00.000 --> 00:04.000\none\n\n00:02.000 --> 00:06.000\none\ntwo\n\n"
        "00:04.000 --> 00:08.000\ntwo\nthree\n",
        "one two three",
    ),
    "growing": (
        "00:00.000 --> 00:01.000\none\n\n00:01.000 --> 00:02.000\none two\n\n"
        "00:02.000 --> 00:03.000\none two three\n",
        "one two three",
    ),
    "one repeated word that scrolls on": (
        "00:00.000 --> 00:01.000\nno\n\n00:01.000 --> "
        "00:02.000\nno\nno\n\n"
        "00:02.000 --> 00:03.000\nno\nyes\n",
        "no no yes",
    ),
}


@pytest.mark.parametrize(("content", "text"), ROLLING.values(), ids=ROLLING)
def test_captions_that_show_a_line_again_count_it_once(content, text, tmp_path):
    assert read(tmp_path, content).text == text


def test_words_that_are_marked_one_after_the_other_have_the_times_of_their_cues(tmp_path):
    lines = ("<u>one</u> two two", "one <u>two</u> two", "one two <u>two</u>")
    found = read(
        tmp_path, "\n".join(cue(n, n, n + 1, line) for n, line in enumerate(lines, start=1))
    )
    assert (
        found.spoken == (Spoken("one", 1, 2), Spoken("two", 2, 3), Spoken("two", 3, 4))
        and found.unit == "word"
    )


BROKEN = {
    "times that are none": (
        "2\n00:00:0x --> 00:00:03\nbad\n\n",
        r"line 6: '00:00:0x.* is not a time line.*left out",
    ),
    "a counter without times": ("2\nlost\n\n", r"line 6: 'lost'; need a time line.*left out"),
    "an end before the start": (
        cue(2, 3, 2, "bad") + "\n",
        r"line 6: 'bad' from 3 to 2 s.*its end is taken",
    ),
    "a start before 0": (
        "2\n-00:00:01,000 --> 00:00:00,500\nbad\n\n",
        r"line 6: 'bad' from -1 to 0.5 s.*taken as 0",
    ),
}


@pytest.mark.parametrize(("content", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_cue_among_good_ones_is_named_and_the_rest_is_read(content, sentence, tmp_path):
    whole = (
        cue(1, 1, 2, "Hello") + "\n" + content + cue(3, 3, 4, "big") + "\n" + cue(4, 4, 5, "world")
    )
    with pytest.warns(TranscriptFileWarning, match=sentence) as caught:
        found = read(tmp_path, whole)
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert " ".join(word for word in found.text.split() if word != "bad") == "Hello big world"
    starts = [line.start_s for line in found.spoken]
    assert starts == sorted(starts) and all(
        0 <= line.start_s <= line.end_s for line in found.spoken
    )


@pytest.mark.parametrize(
    "rest", ["00:00:03,000 --", "00:00:03,000 --> ", "00:00:03,0", "00:00:0", "00:"]
)
@pytest.mark.parametrize("blank", ["", "\n"])
def test_a_file_that_ends_in_a_time_line_is_read_up_to_it(rest, blank, tmp_path):
    with pytest.warns(TranscriptFileWarning, match=r"line (8|10): '00:"):
        found = read(
            tmp_path, cue(1, 1, 2, "Hello") + blank + cue(2, 2, 3, "world") + blank + f"3\n{rest}"
        )
    assert found.text == "Hello world"


@pytest.mark.parametrize("name", ["talk.txt", "talk.lab", "talk"])
def test_broken_times_are_not_spoken_either_in_a_file_of_another_name(name, tmp_path):
    with pytest.raises(InputError, match=r"line 2: .* is not a time line"):
        read(tmp_path, "1\n00:00:01 --> later\nHello\n", name)


def test_broken_cues_that_are_half_of_the_file_stop_it_at_the_first(tmp_path):
    with pytest.raises(InputError, match=r"talk\.srt, line 6: .* is not a time line"):
        read(tmp_path, cue(1, 1, 2, "Hello") + "\n2\n00:00:0x --> 00:00:03\nbad\n")
    with pytest.raises(InputError, match=r"talk\.srt, line 1: 'Hello world'; need a time line"):
        read(tmp_path, "Hello world\n")


def test_cues_that_lost_their_line_ends_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"line 1: '1 00:00:01.* is not a time line"):
        read(
            tmp_path,
            "1 00:00:01,000 --> 00:00:02,000 Hello 2 00:00:02,000 --> 00:00:03,000 world\n",
        )


def test_a_credit_before_the_first_cue_is_named_and_not_spoken(tmp_path):
    with pytest.warns(TranscriptFileWarning, match="line 1: 'Subtitles by Ada'"):
        found = read(
            tmp_path, "Subtitles by Ada\n\n" + cue(1, 1, 2, "Hello") + cue(2, 2, 3, "world")
        )
    assert found.text == "Hello world"


def test_a_long_file_takes_time_in_proportion_to_its_length(tmp_path):
    # Each of these takes hours if one of the patterns is tried from every place of a line.
    for line in (
        "<" * 300_000,
        "&a" * 200_000,
        "{\\" * 200_000,
        "<i " * 100_000,
        "(" * 300_000,
        " " * 300_000 + "x",
    ):
        read(tmp_path, cue(1, 1, 2, "a" + line))


def test_a_meeting_with_names_in_every_cue_gives_what_they_say(tmp_path):
    names = ("Jane Doe", "John", "Jane Doe")
    cues = [
        f"{k}\n00:00:0{k}.000 --> 00:00:0{k}.500\n{name}: Line {k}.\n"
        for k, name in enumerate(names)
    ]
    (tmp_path / "zoom.vtt").write_text("\n".join(["WEBVTT\n", *cues]))
    assert [item.text for item in read_transcript(tmp_path / "zoom.vtt").spoken] == [
        "Line 0.",
        "Line 1.",
        "Line 2.",
    ]
