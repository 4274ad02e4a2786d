"""Transcript files of every kind, as tools write them, and each kind of fault."""

import json

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcribe import load_transcriber
from ksdiff_jax.speech.transcripts.chunks import spoken_words
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar
from ksdiff_jax.speech.transcripts.spoken_words import (
    Spoken,
    Transcript,
    TranscriptFileWarning,
    within,
    write_words,
)

WORDS = (Spoken("the", 0.25, 0.5), Spoken("birch", 0.5, 1.0), Spoken("canoe", 1.25, 1.75))


def long_text_grid(words, *, tier="words", label=lambda text: text, end_s=2.0):
    """Praat's long form: every gap a silence, a tier of points first."""
    spans, last = [], 0.0
    for word in words:
        if word.start_s > last:
            spans.append(("", last, word.start_s))
        spans.append((word.text, word.start_s, word.end_s))
        last = word.end_s
    spans.append(("", last, end_s))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s}",
        "tiers? <exists>",
        "size = 2",
        "item []:",
        "    item [1]:",
        '        class = "TextTier"',
        '        name = "bells"',
        "        xmin = 0",
        f"        xmax = {end_s}",
        "        points: size = 1",
        "        points [1]:",
        "            number = 0.5",
        '            mark = "ding 7"',
        "    item [2]:",
        '        class = "IntervalTier"',
        f'        name = "{tier}"',
        "        xmin = 0",
        f"        xmax = {end_s}",
        f"        intervals: size = {len(spans)}",
    ]
    for number, (text, start_s, stop_s) in enumerate(spans, start=1):
        quoted = label(text).replace('"', '""')
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {start_s}",
            f"            xmax = {stop_s}",
        ]
        lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def short_text_grid(words, *, end_s=2.0):
    body = "".join(f'{word.start_s}\n{word.end_s}\n"{word.text}"\n' for word in words)
    return (
        f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{end_s}\n<exists>\n2\n'
        f'"IntervalTier"\n"phones"\n0\n{end_s}\n1\n0\n{end_s}\n"AH0"\n'
        f'"IntervalTier"\n"words"\n0\n{end_s}\n{len(words)}\n{body}'
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", [long_text_grid, short_text_grid])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_text_grid_gives_the_words_of_its_word_tier(form, encoding, ends, tmp_path):
    path = tmp_path / "speech.TextGrid"
    path.write_bytes(form(WORDS).replace("\n", ends).encode(encoding))
    found = read_transcript(path)
    assert found == Transcript("the birch canoe", str(path), "word", WORDS)


def test_a_text_grid_of_a_speaker_with_quotes_in_its_labels(tmp_path):
    path = tmp_path / "speech.TextGrid"
    path.write_text(
        long_text_grid(WORDS, tier="ada - words", label=lambda text: f'"{text}"' if text else "")
    )
    assert read_transcript(path).text == '"the" "birch" "canoe"'


def test_htk_labels_in_their_own_units_and_in_seconds(tmp_path):
    units, seconds = tmp_path / "units.lab", tmp_path / "seconds.lab"
    units.write_text(
        "0 2500000 sil\n2500000 5000000 the\n5000000 10000000 birch\n12500000 17500000 canoe\n"
    )
    seconds.write_text("0.25 0.5 the\n0.5 1.0 birch\n\n1.0 1.25 sp\n1.25 1.75 canoe\n")
    assert read_transcript(units).spoken == read_transcript(seconds).spoken == WORDS


def test_a_lab_of_nothing_but_words_is_their_text(tmp_path):
    path = tmp_path / "speech.lab"
    path.write_text("the birch\ncanoe 3 times\n")
    assert read_transcript(path) == Transcript("the birch canoe 3 times", str(path))


def test_subtitles_lose_their_tags_and_keep_their_times(tmp_path):
    srt, vtt = tmp_path / "a.srt", tmp_path / "a.vtt"
    srt.write_text(
        "\ufeff1\n00:00:01,000 --> 00:00:02,500\n<i>The</i> birch\n{\\an8}canoe\n\n"
        "2\n00:01:00,250 --> 01:00:01,000\nslid &amp; fell\n"
    )
    vtt.write_text(
        "WEBVTT - made by hand\n\nNOTE\nnot said\n\nSTYLE\n::cue { color: red }\n\n"
        "first\n00:01.000 --> 00:02.500 line:0 align:left\n"
        "<v Ada>The birch</v> <00:00:01.500><c>canoe</c>\n\n01:00.250 --> 01:00:01.000\nslid "
        "&amp; fell\n"
    )
    lines = (Spoken("The birch canoe", 1.0, 2.5), Spoken("slid & fell", 60.25, 3601.0))
    for path in (srt, vtt):
        assert read_transcript(path) == Transcript(
            "The birch canoe slid & fell", str(path), "line", lines
        )


def test_rolling_captions_say_each_line_once(tmp_path):
    path = tmp_path / "rolling.vtt"
    path.write_text(
        "WEBVTT\n\n00:00.000 --> 00:01.000\none\n\n00:01.000 --> 00:02.000\none\ntwo\n\n"
        "00:02.000 --> 00:03.000\ntwo\nthree\n"
    )
    assert read_transcript(path).text == "one two three"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.lab", "0 1 the\nbirch\n", r"line 2: 'birch'; need `start end label`"),
        ("a.lab", "0.5 0.25 the\n", r"line 1: 'the' from 0.5 to 0.25 s"),
        ("a.srt", "hello\n", r"line 1: 'hello'; need a time line"),
        ("a.srt", "1\n00:00:01 --> later\nhello\n", r"line 2: .* is not a time line"),
        ("a.vtt", "WEBVTT\n\nhello\n", r"line 3: 'hello'; need a time line"),
        ("a.TextGrid", "hello", r"the TextGrid ends where the file type is expected"),
        (
            "a.TextGrid",
            long_text_grid(WORDS)[:600],
            r"ends where .* is expected; the file is not complete",
        ),
        (
            "a.TextGrid",
            long_text_grid(WORDS).replace("= 0.5\n", '= "half"\n'),
            r"'half' where an? ",
        ),
        ("a.TextGrid", long_text_grid(()).replace("IntervalTier", "TextTier"), "is expected"),
    ],
)
def test_a_broken_file_is_one_line_with_its_name(name, content, sentence, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read_transcript(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"a\.txt: not UTF-8 text \(byte 3\)"):
        read_transcript(tmp_path / "a.txt")


def test_the_sidecar_with_the_most_to_say_is_found_first(tmp_path):
    speech = tmp_path / "speech.wav"
    assert find_sidecar(speech) is None
    for suffix in (".txt", ".srt", ".lab", ".TextGrid"):
        (tmp_path / "speech").with_suffix(suffix).write_text("hello")
        assert find_sidecar(speech) == tmp_path / f"speech{suffix}"
    assert find_sidecar(tmp_path / "other.wav") is None


def test_words_are_written_as_they_were_read(tmp_path):
    write_words(
        tmp_path / "speech.words.json", Transcript("the birch canoe", "a.lab", "word", WORDS)
    )
    content = json.loads((tmp_path / "speech.words.json").read_text())
    assert content["schema"] == "ksdiff-words/1" and content["unit"] == "word"
    assert tuple(Spoken(**item) for item in content["spoken"]) == WORDS


def test_words_of_whisper_come_out_in_order_and_inside_the_recording():
    chunks = [
        {"text": " the", "timestamp": (0.2, 0.4)},
        {"text": " ", "timestamp": (0.4, 0.4)},
        {"text": " birch", "timestamp": (0.1, None)},
        {"text": " canoe", "timestamp": (None, 0.05)},
        {"text": " slid", "timestamp": (1.5, 9.0)},
        {"text": " on", "timestamp": (2.5, None)},
    ]
    words = spoken_words(chunks, duration_s=2.0)
    assert [word.text for word in words] == ["the", "birch", "canoe", "slid", "on"]
    starts = [word.start_s for word in words]
    assert starts == sorted(starts)
    assert all(0 <= word.start_s <= word.end_s <= 2.0 for word in words)
    assert words[1] == Spoken("birch", 0.2, 1.5) and words[3] == Spoken("slid", 1.5, 2.0)


def test_without_torch_the_line_says_what_to_install(monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "torch" else find(name, *rest),
    )
    with pytest.raises(InputError, match=r"needs torch, which is not installed; pip install"):
        load_transcriber("openai/whisper-tiny")


def test_words_after_the_end_of_the_recording_are_told_and_left_out():
    words = Transcript("the birch canoe", "a.lab", "word", WORDS)
    assert within(words, duration_s=2.0) == words
    assert within(words, duration_s=1.5).spoken[-1] == Spoken("canoe", 1.25, 1.5)
    with pytest.warns(
        TranscriptFileWarning, match=r"a\.lab: 1 of 3 words begin after the end .*\(1\.20 s\)"
    ):
        assert within(words, duration_s=1.2) == Transcript("the birch", "a.lab", "word", WORDS[:2])
