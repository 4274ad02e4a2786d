"""Voices beside espeak: a program that prints what flite prints, and a package that returns what
kokoro-onnx returns.
"""

import shutil
import sys
import types
from typing import NamedTuple

import numpy as np
import pytest

from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.corpus import flite, kokoro
from ksdiff_jax.data.corpus.espeak import PhonemeTime
from ksdiff_jax.data.corpus.flite import Flite, FliteVoice
from ksdiff_jax.data.corpus.kokoro import LEAD_S, Kokoro, KokoroVoice
from ksdiff_jax.data.corpus.speakers import FLITE_VOICES, draw_flite_speaker, kokoro_split
from ksdiff_jax.data.corpus.synthesis import synthesise_block
from ksdiff_jax.data.corpus.voices import check_voices, open_voice
from ksdiff_jax.data.corpus.write import LICENCE, licence_of
from ksdiff_jax.errors import InputError
from tests.recordings import bursts

ENDS = "pau:0.200 b:0.300 ow:1.100 t:1.200 ax:1.900 pau:2.500 "
STRESSES = "pau b ow1 t ax0 pau "
PROGRAM = """#!/bin/sh
case "$*" in
  *-lv*) echo "Voices available: kal awb_time kal16 awb rms slt " ;;
  *-psdur*) for path; do :; done; cp "{sound}" "$path"; echo "{ends}" ;;
  *-psstress*) echo "{stresses}" ;;
esac
echo "$*" >> "{log}"
"""
HEARD = (
    PhonemeTime("", 0.0, 0.2),
    PhonemeTime("b", 0.2, 0.3),
    PhonemeTime("ˈoʊ", 0.3, 1.1),
    PhonemeTime("t", 1.1, 1.2),
    PhonemeTime("ə", 1.2, 1.9),
    PhonemeTime("", 1.9, 2.4),  # cut at the end of the sound
)


@pytest.fixture
def program(tmp_path):
    write_wav(tmp_path / "sound.wav", bursts(2.4))
    path, log = tmp_path / "flite", tmp_path / "log"
    path.write_text(
        PROGRAM.format(sound=tmp_path / "sound.wav", ends=ENDS, stresses=STRESSES, log=log)
    )
    path.chmod(0o755)
    return path


class Timing(NamedTuple):
    phoneme: str
    start: float
    end: float


@pytest.fixture
def model_folder(tmp_path, monkeypatch):
    """The folder of a model, and a package that speaks `boat` with it."""

    class Model:
        has_timings = True

        def __init__(self, model, voices):
            self.voices = {f"af_{number}": np.zeros(1) for number in range(40)}

        def create_timed(self, text, *, voice, speed, lang):
            assert voice in self.voices and 0.5 <= speed <= 2 and lang == "en-us"
            edges = [0.0, 0.1, 0.3, 0.35, 0.6, 0.8, 0.9, 1.2, 2.0, 2.4]
            letters = zip("b ˈoːʊt.", edges[:-1], edges[1:], strict=False)
            return bursts(2.4, rate_hz=24_000), 24_000, [Timing(*item) for item in letters]

    monkeypatch.setitem(sys.modules, "kokoro_onnx", types.SimpleNamespace(Kokoro=Model))
    for name in ("kokoro-v1.0.onnx", "voices-v1.0.bin"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path, Model


def test_flite_speaks_with_the_times_and_stresses_that_it_prints(program, tmp_path):
    spoken = Flite(str(program)).speak("A boat.", voice=FliteVoice("slt", 1.25, 170.0))
    assert spoken.phonemes == HEARD and spoken.words == ()
    assert spoken.sample_rate_hz == 16000 and len(spoken.samples) == 2.4 * 16000
    calls = (tmp_path / "log").read_text().splitlines()[1:]
    assert len(calls) == 2
    for call in calls:
        assert call.startswith("-voice slt --setf duration_stretch=1.250 ")
        assert "--setf int_f0_target_mean=170.0 -t A boat. -ps" in call


@pytest.mark.skipif(shutil.which("flite") is None, reason="needs the program flite")
@pytest.mark.parametrize("name", [name for names in FLITE_VOICES.values() for name in names])
def test_the_phones_of_the_installed_flite_are_as_loud_as_their_names(name):
    spoken = Flite().speak("My boat is there, and many people.", voice=FliteVoice(name, 1.1, 120.0))
    power = (spoken.samples / 32768.0) ** 2

    def level(phoneme):
        first, last = (int(time_s * spoken.sample_rate_hz) for time_s in phoneme[1:])
        return power[first:last].mean()

    vowels = [level(phoneme) for phoneme in spoken.phonemes if "ˈ" in phoneme.ipa]
    pauses = [level(phoneme) for phoneme in spoken.phonemes if not phoneme.ipa]
    assert len(vowels) >= 4 and max(pauses[0], pauses[-1]) < 0.01 * np.median(vowels)
    assert "".join(phoneme.ipa for phoneme in spoken.phonemes).startswith("mˈaɪbˈoʊt")


def test_stresses_of_other_phones_and_unknown_output_are_not_taken_for_phones():
    unmarked = [phoneme.ipa for phoneme in flite.phonemes_of(ENDS, "pau b ow1", end_s=3.0)]
    assert unmarked == ["", "b", "oʊ", "t", "ə", ""]
    for printed in ("usage: flite", "pau:x", "pau:0.1 qq:0.3"):
        with pytest.raises(InputError, match="flite printed"):
            flite.phonemes_of(printed, "", end_s=1.0)


def test_marks_of_stress_and_length_are_part_of_the_letter_beside_them(model_folder):
    folder, _ = model_folder
    spoken = Kokoro(str(folder)).speak("Boat.", voice=KokoroVoice("af_3"))
    assert spoken.sample_rate_hz == 24_000 and spoken.samples.dtype == np.int16
    # The blank is not silent: the letters beside it share its time. The end is a pause.
    assert [phoneme.ipa for phoneme in spoken.phonemes] == ["b", "ˈo", "ʊ", "t", ""]
    # The model's times, which are late: from the middle of the blank to the mark of length.
    start_s, end_s = 0.2 - LEAD_S, 0.8 - LEAD_S
    assert spoken.phonemes[1][1:] == (pytest.approx(start_s), pytest.approx(end_s))


def test_only_silent_blanks_are_pauses():
    letters = [
        ("m", 0.0, 0.2),
        (" ", 0.2, 0.3),
        ("i", 0.3, 0.5),
        (",", 0.5, 0.55),
        (" ", 0.55, 0.7),
    ]
    phonemes = kokoro.phonemes_of([*letters, ("a", 0.7, 1.0)])
    assert [phoneme.ipa for phoneme in phonemes] == ["m", "", "i", "", "a"]
    samples = np.ones(1000)
    assert kokoro.without_false_pauses(phonemes, samples, rate_hz=1000) == (
        PhonemeTime("m", 0.0, 0.25),
        PhonemeTime("i", 0.25, 0.6),
        PhonemeTime("a", 0.6, 1.0),
    )
    samples[500:700] = 0.01
    quiet = kokoro.without_false_pauses(phonemes, samples, rate_hz=1000)
    assert quiet[2] == PhonemeTime("", 0.5, 0.7)


def test_clips_are_spoken_by_the_voices_in_turn(program, model_folder):
    voices = (f"flite={program}", f"kokoro={model_folder[0]}")
    block = {"seed": 3, "split": "test", "first": 1, "languages": ("en", "zh"), "voices": voices}
    clips = list(synthesise_block(count=2, **block))
    assert [clip.speaker_id.split("/")[0] for clip in clips] == ["kokoro", "flite"]
    assert clips[1].speaker_id == "flite/rms" and clips[0].language == "en"
    assert kokoro_split(clips[0].speaker_id.split("/")[1]) == "test"
    alone = next(synthesise_block(count=1, **block | {"first": 2}))
    np.testing.assert_array_equal(alone.audio, clips[1].audio)
    np.testing.assert_array_equal(alone.expression, clips[1].expression)


def test_each_person_of_flite_speaks_in_one_split():
    people = [name for names in FLITE_VOICES.values() for name in names]
    assert len(set(people)) == len(people)
    drawn = {
        draw_flite_speaker(np.random.default_rng(seed), language="en", split="train").voice.name
        for seed in range(20)
    }
    assert drawn == {"slt", "awb"}


@pytest.mark.parametrize(
    ("voices", "message"),
    [
        (("flite=/nowhere/flite",), "apt install flite"),
        (("kokoro",), "install ksdiff-jax[kokoro]"),
        (("espeak", "espeak"), "named twice"),
        (("none=3",), "leave the = out"),
        (("festival",), "choose among espeak flite kokoro"),
    ],
)
def test_a_voice_that_is_not_there_ends_with_one_line(
    tmp_path, monkeypatch, capsys, voices, message
):
    from ksdiff_jax.data.corpus import write

    def run_here(block):
        return list(synthesise_block(**block))

    monkeypatch.setattr(write, "_run_worker", run_here)
    monkeypatch.setitem(sys.modules, "kokoro_onnx", None)
    options = ["--clips", "3", "--processes", "1", "--languages", "en", "--voices", *voices]
    assert main(["corpus", "--out", str(tmp_path / "out"), *options]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1 and not list(tmp_path.iterdir())


def test_models_that_cannot_give_times_and_languages_without_a_voice_are_refused(
    program, model_folder
):
    folder, model = model_folder
    with pytest.raises(InputError, match=r"flite speaks en, none of the languages zh"):
        check_voices(("espeak", "flite"), languages=("zh",))
    with pytest.raises(InputError, match=r"kokoro needs the folder of its model"):
        open_voice("kokoro", languages=("en",))
    model.has_timings = False
    with pytest.raises(InputError, match="without the output `duration`"):
        Kokoro(str(folder))
    (folder / "voices-v1.0.bin").unlink()
    with pytest.raises(InputError, match=r"0 voices\*\.bin"):
        Kokoro(str(folder))
    with pytest.raises(InputError, match=r"no voice 'bdl', only kal"):
        Flite(str(program)).speak("A boat.", voice=FliteVoice("bdl"))
    assert kokoro.HOW_TO_GET.startswith("kokoro-v1.0.onnx")


def test_the_licence_names_the_programs_that_speak():
    assert licence_of(("espeak",)) == LICENCE
    assert licence_of(("flite=x", "kokoro=y")).endswith("the output of flite and Kokoro-82M)")
