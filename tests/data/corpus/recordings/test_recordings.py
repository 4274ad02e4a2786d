"""Recordings with their times become a data set with the corpus's articulation."""

import hashlib
import sys
import types
from itertools import pairwise

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.audio.waveform import load_audio, write_wav
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.corpus.espeak import PhonemeTime
from ksdiff_jax.data.corpus.recordings.cutting import cuts, part
from ksdiff_jax.data.corpus.recordings.folder import find_recordings
from ksdiff_jax.data.corpus.recordings.labelled import stress_by_loudness
from ksdiff_jax.data.corpus.recordings.read import read_speech
from ksdiff_jax.data.shards import ShardReader, dataset_info
from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.speech.transcripts.spoken_words import Spoken
from tests.recordings import bursts

PEOPLE = ("ada", "ben", "eva", "ida")
LABELS = "0.0 0.3 sil\n0.3 0.5 m\n0.5 0.8 aa\n0.8 1.0 p\n1.0 1.3 iy\n1.3 1.6 sil\n"


def recording(folder, name, *, labels=LABELS, seconds=1.6):
    """A recording that is loudest in its first vowel, and its labels."""
    path = folder / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = bursts(seconds, seed=sum(name.encode()))
    sound[: int(0.3 * 16000)] *= 0.001
    sound[int(1.0 * 16000) :] *= 0.2
    write_wav(path, sound)
    if labels:
        path.with_suffix(".lab").write_text(labels)
    return path


def test_four_people_become_three_splits_with_open_vowels(tmp_path, capsys):
    for person in PEOPLE:
        recording(tmp_path / "set", f"{person}/one")
    (tmp_path / "set/ben/one.txt").write_text("Mapi.")
    arguments = ["corpus", "--speech", str(tmp_path / "set"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--languages", "en", "--licence", "CC0"]) == 0
    said = capsys.readouterr().out
    assert "4 recordings, 4 speakers; times of 4 recordings in ARPABET" in said
    clips = [
        clip for split in ("train", "val", "test") for clip in ShardReader(tmp_path / "out", split)
    ]
    assert sorted(clip.clip_id for clip in clips) == [f"{person}/one-000" for person in PEOPLE]
    assert {clip.speaker_id for clip in clips} == set(PEOPLE)
    assert {clip.source for clip in clips} == {"set"}
    assert {clip.transcript for clip in clips} == {"", "Mapi."}
    for clip in clips:
        assert [phoneme.text for phoneme in clip.phonemes] == ["m", "ˈɑ", "p", "i"]
        jaw = clip.jaw[:, 0]
        assert jaw[int(0.6 * MOTION_RATE_HZ)] > 1.5 * max(jaw[10], jaw[22])  # m, p
        assert clip.frames == 40 and clip.language == "en"
    info = dataset_info(tmp_path / "out")
    assert info.licence == "CC0" and info.made_by.startswith("ksdiff-jax corpus --speech set --")
    tested = next(iter(ShardReader(tmp_path / "out", "test"))).clip_id.removesuffix("-000")
    assert set(info.source_digests) == {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "set").glob("*/*.wav")
        if path.parent.name != tested.split("/")[0]
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--speech", "EMPTY"), "no recording"),
        (("--speech", "NOWHERE"), "no such folder"),
        (("--speech", "SET", "--from", "SET", "--encoder", "x"), "one of them"),
        (("--speech", "SET", "--languages", "en", "es"), "one language"),
        (("--speech", "SET", "--phones", "x"), "NAME=IPA"),
        (("--speaker", "x"), "name their folder by --speech"),
    ],
)
def test_requests_that_make_no_sense_end_with_one_line(tmp_path, capsys, options, message):
    for name in ("EMPTY", "SET"):
        (tmp_path / name).mkdir()
    given = [str(tmp_path / o) if o.isupper() else o for o in options]
    assert main(["corpus", "--out", str(tmp_path / "out"), *given]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1 and not (tmp_path / "out").exists()


def test_faults_of_a_set_are_found_before_anything_is_written(tmp_path):
    recording(tmp_path / "unknown", "a", labels="0.0 0.3 m\n0.3 0.6 aa\n0.6 0.7 zz\n0.7 0.9 7!\n")
    with pytest.raises(InputError, match=r"'7!', 'zz' are no phones of ARPABET; .*--phones '7!=ə'"):
        read_speech(tmp_path / "unknown")
    found = read_speech(tmp_path / "unknown", phones={"zz": "z", "7!": ""})
    assert [phone.text for phone in found.recordings[0].times.phones] == ["m", "ɑ", "z", ""]
    recording(tmp_path / "twice", "a").with_suffix(".flac").write_bytes(b"")
    with pytest.raises(InputError, match="two recordings of one name"):
        find_recordings(tmp_path / "twice")
    recording(tmp_path / "untimed", "a", labels="")
    with pytest.raises(InputError, match=r"neither times of phones nor a transcript"):
        read_speech(tmp_path / "untimed")
    long = recording(tmp_path / "beyond", "a", seconds=1.2)
    arguments = ["corpus", "--speech", str(long.parent), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(arguments) == 2 and not (tmp_path / "out").exists()


class Entry:
    """What pocketsphinx returns for a word or a phone: a name, and frames of 10 ms."""

    def __init__(self, name, start, duration, parts=()):
        self.name, self.start, self.duration, self.parts = name, start, duration, parts

    def __iter__(self):
        return iter(self.parts)


class Decoder:
    """pocketsphinx's decoder, for the word `map` alone."""

    def __init__(self, **options):
        assert options["samprate"] == 16000
        self.text = ""

    def lookup_word(self, word):
        return "M AE P" if word == "map" else None

    def set_align_text(self, text):
        self.text = text

    def set_alignment(self):
        pass

    def start_utt(self):
        pass

    def end_utt(self):
        pass

    def process_raw(self, sound, *, full_utt):
        assert len(sound) == 2 * 25600 and full_utt

    def hyp(self):
        return self.text

    def get_alignment(self):
        phones = [Entry("M", 30, 20), Entry("AE", 50, 30), Entry("P", 80, 20)]
        silence = Entry("<sil>", 0, 30, [Entry("SIL", 0, 30)])
        return [silence, Entry("map(2)", 30, 70, phones)]


def test_without_times_a_transcript_is_aligned_where_the_aligner_is(tmp_path, monkeypatch):
    grid = 'File type = "ooTextFile"\n"TextGrid"\n0 1 <exists> 1\n"IntervalTier" "words" 0 1 1\n'
    for name, text in (("a.TextGrid", f'{grid} 0 1 "Map"'), ("b.txt", "map 7")):
        recording(tmp_path, name[0], labels="")
        (tmp_path / name).write_text(text)
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(InputError, match=r"no times .*\(2 of 2\).*install ksdiff-jax\[align\]"):
        read_speech(tmp_path)
    module = types.SimpleNamespace(Decoder=Decoder)
    monkeypatch.setitem(sys.modules, "pocketsphinx", module)
    with pytest.warns(Notice, match=r"1 of 2 recordings .*: b \(not in the dictionary: 7\)"):
        found = read_speech(tmp_path)
    assert found.aligned == len(found.recordings) == 1
    phones = (Spoken("m", 0.3, 0.5), Spoken("æ", 0.5, 0.8), Spoken("p", 0.8, 1.0))
    assert found.recordings[0].times == (phones, (Spoken("map", 0.3, 1.0),))


def test_real_speech_is_aligned(shared_data, tmp_path):
    """A sentence by one person: its words in order, silence where it is quiet."""
    pytest.importorskip("pocketsphinx", reason="needs ksdiff-jax[align]")
    sound = load_audio(shared_data / "audio" / "en_spk2_snt1_16k.wav")
    write_wav(tmp_path / "a.wav", sound)
    (tmp_path / "a.txt").write_text("We are sure that one war is enough.")
    times = read_speech(tmp_path).recordings[0].times
    assert " ".join(word.text for word in times.words) == "we are sure that one war is enough"
    assert "".join(phone.text for phone in times.phones).endswith("wɔɹɪzɪnʌf")
    assert times.phones[-1].end_s <= len(sound) / 16000


def test_long_recordings_are_cut_in_their_longest_pauses():
    """20 s: phones of 0.2 s with a pause of 0.5 s at 5 s, and one of 0.3 s at 12 s."""
    starts = [s for s in np.arange(0, 20, 0.2) if not (5 <= s < 5.5 or 12 <= s < 12.3)]
    phones = tuple(Spoken("a", s, s + 0.2) for s in starts)
    edges = cuts(phones, frames=500)
    assert edges[0][0] == 0 and edges[-1][1] == 500
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    lengths = [(last - first) / MOTION_RATE_HZ for first, last in edges]
    assert max(lengths) <= 9.0 and min(lengths[:-1]) >= 3.0
    assert 5.2 <= edges[0][1] / MOTION_RATE_HZ <= 5.5 and 12 <= edges[1][1] / 25 <= 12.3
    assert cuts((), frames=500) == [(0, 150), (150, 300), (300, 500)]
    assert part((Spoken("a", 1.0, 2.0),), start_s=1.5, end_s=3.0) == (Spoken("a", 0.0, 0.5),)


def test_the_loudest_of_neighbouring_vowels_is_stressed():
    samples = np.repeat([0.1, 0.4, 0.2, 0.3], 1600)
    phonemes = tuple(
        PhonemeTime(name, 0.1 * i, 0.1 * (i + 1)) for i, name in enumerate(("a", "i", "s", "u"))
    )
    marked = stress_by_loudness(phonemes, samples)
    assert [phoneme.ipa for phoneme in marked] == ["a", "ˈi", "s", "u"]
