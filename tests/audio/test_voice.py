"""The selection of the voice: tracks, channels, gaps and starts, the same for the model and the
soundtrack.
"""

import numpy as np
import pytest

from ksdiff_jax.audio.voice import voice
from ksdiff_jax.audio.waveform import load_audio, read_recording
from ksdiff_jax.errors import InputError
from tests.recordings import (
    RATE_HZ,
    bursts,
    chunk,
    encoded,
    extensible,
    form,
    integers,
    lag_s,
    riff,
    rms,
    wav,
)


def stereo(left, right):
    return np.stack([left, right], axis=1)


def seen_by_the_soundtrack(path, **options):
    """The recording as the video gets it, brought to 16 kHz by taking every third sample's
    neighbourhood mean.
    """
    sound = np.concatenate(list(voice(read_recording(path, **options).heard, 48_000)))
    return sound[: len(sound) // 3 * 3].reshape(-1, 3).mean(axis=1)


def assert_hears(path, expected, *, atol=2e-3, **options):
    audio = read_recording(path, **options).audio
    assert len(audio) == len(expected)
    np.testing.assert_allclose(audio, expected, atol=atol)
    sound = seen_by_the_soundtrack(path, **options)
    assert abs(len(sound) - len(expected)) <= 1
    assert abs(lag_s(sound, expected)) <= 1 / RATE_HZ
    assert rms(sound) == pytest.approx(rms(expected), rel=0.05)


SPEECH, OTHER = bursts(2.0, seed=3), bursts(2.0, seed=4)
SHORT = SPEECH[:8000]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (SPEECH, SPEECH),
        (SPEECH, -SPEECH),
        (SPEECH, 0 * SPEECH),
        (0 * SPEECH, SPEECH),
        (SPEECH, 0.001 * OTHER),
    ],
    ids=["alike", "in opposition", "left alone", "right alone", "noise on the right"],
)
def test_a_voice_in_stereo_is_heard_at_its_own_level_wherever_it_lies(tmp_path, left, right):
    assert_hears(wav(tmp_path / "a.wav", stereo(left, right)), SPEECH)


def test_channels_nearly_in_opposition_are_turned_over_and_that_is_told(tmp_path):
    recording = read_recording(wav(tmp_path / "a.wav", stereo(SPEECH, -0.5 * SPEECH)))
    np.testing.assert_allclose(recording.audio, SPEECH, atol=2e-3)
    (note,) = recording.notes
    assert "channel 2 of 2 opposite in polarity" in note


@pytest.mark.parametrize("samples", [16, 48, 160])
def test_two_microphones_in_one_room_give_the_voice_at_its_level_and_no_notice(tmp_path, samples):
    delayed = np.concatenate([np.zeros(samples, np.float32), SPEECH[:-samples]])
    path = wav(tmp_path / "a.wav", stereo(SPEECH, 0.9 * delayed))
    assert_hears(path, SPEECH)
    assert not read_recording(path).notes


def test_channels_that_turn_into_opposition_on_the_way_are_never_silence_and_that_is_told(tmp_path):
    sign = np.where(np.arange(96_000) < 48_000, 1, -1)
    speech = np.tile(SPEECH, 3)
    path = wav(tmp_path / "a.wav", stereo(speech, 0.98 * sign * speech))
    assert_hears(path, speech)
    (note,) = read_recording(path).notes
    assert "cancel each other in places; channel 1 is used" in note


def test_two_people_on_two_channels_are_both_heard_and_the_option_is_named(tmp_path):
    path = wav(tmp_path / "a.wav", 0.5 * stereo(SPEECH, OTHER))
    recording = read_recording(path)
    np.testing.assert_allclose(recording.audio, 0.5 * (SPEECH + OTHER), atol=2e-3)
    assert "--channel" in recording.notes[0] and len(recording.notes) == 1
    for number, alone in ((1, SPEECH), (2, OTHER)):
        assert_hears(path, 0.5 * alone, channel=number)
        assert not read_recording(path, channel=number).notes
    with pytest.raises(InputError, match="channel 3 was requested; the sound has 2 channels"):
        read_recording(path, channel=3)
    with pytest.raises(InputError, match="channel 0"):
        read_recording(path, channel=0)


@pytest.mark.parametrize("channels", [4, 6, 9, 32])
def test_a_layout_that_is_not_named_has_no_subwoofer(tmp_path, channels):
    for place in {3, channels - 1}:
        samples = np.zeros((len(SHORT), channels), np.float32)
        samples[:, place] = SHORT
        assert_hears(wav(tmp_path / "a.wav", samples), SHORT)
    assert_hears(wav(tmp_path / "b.wav", np.tile(SHORT[:, None], (1, channels))), SHORT)


def test_a_named_surround_layout_prefers_its_centre_and_keeps_its_level(tmp_path):
    def five_one(**parts):
        names = ("FL", "FR", "FC", "LFE", "BL", "BR")
        return np.stack([parts.get(name, 0 * SPEECH) for name in names], axis=1)

    rumble = np.sin(2 * np.pi * 40 * np.arange(len(SPEECH)) / RATE_HZ).astype(np.float32)
    for samples in (
        five_one(FC=SPEECH),
        five_one(FL=SPEECH),
        five_one(FC=SPEECH, LFE=0.5 * rumble),
    ):
        assert_hears(wav(tmp_path / "a.wav", samples, mask=0x3F), SPEECH)
    everywhere = wav(tmp_path / "b.wav", np.tile(SPEECH[:, None], (1, 6)), mask=0x3F)
    assert_hears(everywhere, SPEECH)
    film = wav(tmp_path / "c.wav", five_one(FC=SPEECH, FL=OTHER, FR=OTHER), mask=0x3F)
    assert_hears(film, SPEECH)
    assert "the centre" in read_recording(film).notes[0]
    # A recorder that puts four microphones under the mask of the first four names: the voice lies
    # on "LFE".
    recorder = np.zeros((len(SPEECH), 4), np.float32)
    recorder[:, 3] = SPEECH
    assert_hears(wav(tmp_path / "d.wav", recorder, mask=0xF), SPEECH)


def test_a_constant_offset_of_one_channel_is_no_voice(tmp_path):
    samples = stereo(SPEECH, np.full(len(SPEECH), 0.6, np.float32))
    audio = load_audio(wav(tmp_path / "a.wav", samples))
    np.testing.assert_allclose(audio, SPEECH, atol=2e-3)


@pytest.mark.parametrize(
    ("tag", "bits", "valid"), [(1, 32, 24), (1, 32, 16), (1, 24, 20), (1, 16, 12), (3, 32, 24)]
)
def test_the_container_of_a_sample_gives_its_scale_not_its_valid_bits(tmp_path, tag, bits, valid):
    step = 2.0 ** (1 - valid)
    quantised = np.rint(SPEECH / step) * step
    data = quantised.astype("<f4").tobytes() if tag == 3 else integers(quantised, bits)
    path = tmp_path / "a.wav"
    path.write_bytes(riff(extensible(tag, bits=bits, valid=valid), chunk(b"data", data)))
    assert_hears(path, SPEECH)
    assert not read_recording(path).notes


def test_samples_in_the_lower_bits_of_their_container_are_brought_to_full_scale(tmp_path):
    path = tmp_path / "a.wav"
    lower = np.rint(SPEECH.astype(np.float64) * 2**23).astype("<i4").tobytes()
    path.write_bytes(riff(extensible(bits=32, valid=24), chunk(b"data", lower)))
    assert_hears(path, SPEECH)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (form(1, bits=24, align=4), integers(SPEECH, 32)),
        (form(1, bits=0, align=2), integers(SPEECH, 16)),
        (form(1, bits=16, align=0), integers(SPEECH, 16)),
        (form(3, bits=16), SPEECH.astype("<f2").tobytes()),
        (form(1, bits=64), integers(SPEECH, 64)),
        (form(3, bits=64), SPEECH.astype("<f8").tobytes()),
    ],
    ids=[
        "24 in 32",
        "no bits stated",
        "no align stated",
        "half floats",
        "64-bit integers",
        "double floats",
    ],
)
def test_odd_headers_of_plain_samples_are_read_as_they_are_stored(tmp_path, header, data):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(header, chunk(b"data", data)))
    assert_hears(path, SPEECH)
    assert not read_recording(path).notes


@pytest.mark.parametrize(
    "size", [0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF - 36, 0x7FFFF000, 0x80000000, 0xFFFFFF00]
)
def test_sizes_that_mean_unknown_are_no_truncation(tmp_path, size):
    path = tmp_path / "a.wav"
    path.write_bytes(
        riff(form(byte_rate=1), chunk(b"data", integers(SPEECH, 16), size=size), size=size)
    )
    recording = read_recording(path)
    assert not recording.notes and len(recording.audio) == len(SPEECH)


def test_joined_wav_files_are_read_as_players_do_and_that_is_told(tmp_path):
    one = riff(form(), chunk(b"data", integers(SPEECH, 16)))
    (tmp_path / "a.wav").write_bytes(one + one)
    recording = read_recording(tmp_path / "a.wav")
    assert len(recording.audio) == len(SPEECH) and "second WAV file" in recording.notes[0]


@pytest.mark.parametrize("first", [8000, 20_000])
def test_of_several_data_chunks_the_last_is_read_as_players_do_and_that_is_told(tmp_path, first):
    chunks = [chunk(b"data", integers(part, 16)) for part in (SPEECH[:first], SPEECH[first:])]
    (tmp_path / "a.wav").write_bytes(riff(form(), chunks[0], chunk(b"LIST", b"INFO?"), chunks[1]))
    recording = read_recording(tmp_path / "a.wav")
    np.testing.assert_allclose(recording.audio, SPEECH[first:], atol=1e-4)
    (note,) = recording.notes
    assert "2 data chunks" in note and "only the last is read" in note


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "aac"), ("webm", "libopus"), ("mp4", "aac"), ("ts", "aac")]
)
def test_a_gap_in_the_time_stamps_is_silence_of_that_length_and_is_told(tmp_path, suffix, codec):
    path = tmp_path / f"a.{suffix}"
    encoded(path, SPEECH, codec=codec, keep=lambda time_s: not 0.8 <= time_s < 1.2)
    recording = read_recording(path)
    ((start_s, length_s),) = recording.gaps
    assert start_s == pytest.approx(0.81, abs=0.04) and length_s == pytest.approx(0.4, abs=0.03)
    assert any("silence of that length" in note for note in recording.notes)
    after = slice(round(1.3 * RATE_HZ), None)
    # a transport stream does not know the delay of its encoder
    delay_s = 0.021 if suffix == "ts" else 0.0
    assert lag_s(recording.audio[after], SPEECH[after]) == pytest.approx(delay_s, abs=0.002)
    assert lag_s(seen_by_the_soundtrack(path)[after], SPEECH[after]) == pytest.approx(
        delay_s, abs=0.002
    )


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_sound_that_starts_late_has_silence_before_it_and_pictures_that_start_late_change_nothing(
    tmp_path, suffix
):
    late = encoded(tmp_path / f"late.{suffix}", SPEECH, late_s=0.5, pictures=60)
    recording = read_recording(late)
    assert lag_s(recording.audio, SPEECH) == pytest.approx(0.5, abs=0.002)
    assert lag_s(seen_by_the_soundtrack(late), SPEECH) == pytest.approx(0.5, abs=0.002)
    assert (
        recording.start_s == pytest.approx(0.48, abs=0.03) and "starts after" in recording.notes[0]
    )
    pictures_late = encoded(
        tmp_path / f"pictures.{suffix}", SPEECH, pictures=50, pictures_late_s=0.4
    )
    recording = read_recording(pictures_late)
    assert abs(lag_s(recording.audio, SPEECH)) < 0.002 and not recording.notes


@pytest.mark.parametrize(
    ("suffix", "codec", "rates"),
    [
        ("mp3", "libmp3lame", (44_100, 16_000)),
        ("aac", "aac", (44_100, 16_000)),
        ("ts", "aac", (44_100, 32_000)),
        ("flac", "flac", (48_000, 16_000)),
        ("opus", "libopus", (48_000, 48_000)),
    ],
)
def test_files_joined_byte_by_byte_are_heard_to_their_end(tmp_path, suffix, codec, rates):
    joined = b""
    for number, rate_hz in enumerate(rates):
        part = tmp_path / f"{number}.{suffix}"
        encoded(
            part,
            SPEECH,
            codec=codec,
            rate_hz=rate_hz,
            format_name="adts" if suffix == "aac" else None,
        )
        joined += part.read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(joined)
    audio = read_recording(tmp_path / f"a.{suffix}").audio
    assert len(audio) / RATE_HZ == pytest.approx(4.0, abs=0.2)
    second = audio[round(1.9 * RATE_HZ) :]
    assert lag_s(second, SPEECH) == pytest.approx(0.1, abs=0.12)
    assert rms(second) == pytest.approx(rms(SPEECH), rel=0.1)


def test_a_broadcast_whose_clock_jumps_is_joined_without_hours_of_silence(tmp_path):
    parts = [encoded(tmp_path / f"{at}.ts", SPEECH, late_s=at).read_bytes() for at in (0, 5000)]
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    recording = read_recording(tmp_path / "a.ts")
    assert len(recording.audio) / RATE_HZ == pytest.approx(4.05, abs=0.1)
    assert any("restart at one place" in note for note in recording.notes)


@pytest.mark.parametrize("sound_s", [95_441.0, 95_442.3, 95_443.0])
def test_the_clock_of_a_broadcast_may_wrap_within_the_file(tmp_path, sound_s):
    """Its 33 bits last 26.5 hours; FFmpeg counts from before zero then."""
    path = encoded(tmp_path / "a.ts", SPEECH, late_s=sound_s, pictures=50, pictures_late_s=sound_s)
    recording = read_recording(path)
    assert lag_s(recording.audio, SPEECH) == pytest.approx(0.021, abs=0.002) and not recording.notes
    assert lag_s(seen_by_the_soundtrack(path), SPEECH) == pytest.approx(0.021, abs=0.002)


@pytest.mark.parametrize(
    ("suffix", "codec", "format_name"),
    [
        ("ogg", "libopus", "ogg"),
        ("oga", "flac", "ogg"),
        ("mka", "libopus", None),
        ("nut", "flac", "nut"),
    ],
)
def test_a_live_stream_that_began_hours_ago_is_not_truncated(tmp_path, suffix, codec, format_name):
    path = encoded(
        tmp_path / f"a.{suffix}", SPEECH, codec=codec, late_s=9000.0, format_name=format_name
    )
    recording = read_recording(path)
    assert abs(lag_s(recording.audio, SPEECH)) < 0.002 and len(recording.audio) == pytest.approx(
        32_000, abs=300
    )
    assert not any("truncated" in note for note in recording.notes)


def test_a_gap_that_nobody_sees_on_the_lips_is_kept_and_not_told(tmp_path):
    path = encoded(tmp_path / "a.mkv", SPEECH, keep=lambda time_s: not 0.8 <= time_s < 0.85)
    recording = read_recording(path)
    assert len(recording.gaps) == 1 and not recording.notes
    after = slice(round(1.0 * RATE_HZ), None)
    assert abs(lag_s(recording.audio[after], SPEECH[after])) < 0.002


def test_the_track_that_players_take_is_used_and_another_one_can_be_named(tmp_path):
    path = encoded(tmp_path / "a.mp4", SPEECH, OTHER, pictures=50)
    recording = read_recording(path)
    assert np.corrcoef(recording.audio[: len(SPEECH)], SPEECH[: len(recording.audio)])[0, 1] > 0.95
    assert "--audio-stream" in recording.notes[0] and len(recording.notes) == 1
    second = read_recording(path, audio_stream=2)
    assert (
        np.corrcoef(second.audio[: len(OTHER)], OTHER[: len(second.audio)])[0, 1] > 0.95
        and not second.notes
    )
    assert abs(lag_s(seen_by_the_soundtrack(path, audio_stream=2), OTHER)) < 0.002
    with pytest.raises(
        InputError, match="sound track 3 was requested; the file has 2 sound tracks, counted from 1"
    ):
        read_recording(path, audio_stream=3)


def test_a_silent_track_gives_way_to_one_with_sound(tmp_path):
    recording = read_recording(encoded(tmp_path / "a.mkv", 0 * SPEECH, SPEECH))
    assert np.corrcoef(recording.audio[: len(SPEECH)], SPEECH[: len(recording.audio)])[0, 1] > 0.95
    assert "sound track 1 of 2 is silent; track 2 is used" in recording.notes[0]


def without_decoder(path, tracks):
    """The mp4 with these of its tracks of a codec that no FFmpeg decodes (Apple's spatial
    sound).
    """
    content = bytearray(path.read_bytes())
    for name, new in ((b"mp4a", b"apac"), (b"esds", b"dapa")):
        places = [at for at in range(len(content)) if content[at : at + 4] == name]
        for track in tracks:
            content[places[track] : places[track] + 4] = new
    path.write_bytes(content)
    return path


def test_a_track_without_a_decoder_is_passed_over(tmp_path):
    first = without_decoder(encoded(tmp_path / "a.mp4", OTHER, SPEECH), [0])
    recording = read_recording(first)
    assert np.corrcoef(recording.audio[: len(SPEECH)], SPEECH[: len(recording.audio)])[0, 1] > 0.95
    assert "sound track 1 of 2 has no decoder; track 2 is used" in recording.notes[0]
    with pytest.raises(InputError, match="no decoder for sound track 1"):
        read_recording(first, audio_stream=1)
    with pytest.raises(InputError, match="none of its 2 sound tracks has a decoder"):
        read_recording(without_decoder(encoded(tmp_path / "b.mp4", OTHER, SPEECH), [0, 1]))
    second = without_decoder(encoded(tmp_path / "c.mp4", SPEECH, OTHER), [1])
    assert not read_recording(second).notes


def test_mono_is_as_loud_in_the_video_as_in_the_recording(tmp_path):
    for rate_hz in (16_000, 44_100):
        path = wav(tmp_path / "a.wav", bursts(2.0, rate_hz=rate_hz), rate_hz=rate_hz)
        assert rms(seen_by_the_soundtrack(path)) == pytest.approx(rms(SPEECH), rel=0.05)
